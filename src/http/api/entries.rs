//! `GET /v1/entries`: the ledger, oldest first.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::PromoterId;
use crate::domain::entries::PostedEntry;
use crate::http::HttpState;
use crate::http::auth::Admin;
use crate::http::error::Problem;
use crate::service::queries;

/// The query of the request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only entries of this promoter.
    promoter: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    limit: Option<String>,
}

/// An entry as the API shows it.
#[derive(Debug, Serialize)]
pub struct EntryBody {
    id: i64,
    object: &'static str,
    promoter: String,
    invoice: Option<String>,
    kind: &'static str,
    amount: i64,
    currency: String,
    cause: String,
    available_at: i64,
    posted_at: i64,
}

/// A page of entries.
pub async fn list(_: Admin, query: Query<Filter>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let Filter { promoter, cursor, limit } = query.into_inner();
    let limit = super::page_of(super::number("limit", limit.as_deref())?)?;
    let cursor: Option<i64> = super::number("cursor", cursor.as_deref())?;
    let promoter = promoter.map(PromoterId::new);
    let db = state.db.clone();
    let one_more = limit.saturating_add(1);
    let entries = state.uncancelled(async move {
        queries::promoters::entries(&db, promoter.as_ref(), cursor.unwrap_or(0), one_more).await
    });
    let mut entries = entries.await??;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = entries.len() > shown;
    entries.truncate(shown);
    let next_cursor = entries.last().filter(|_| has_more).map(|entry| entry.id);
    let data: Vec<EntryBody> = entries.into_iter().map(EntryBody::from).collect();
    Ok(HttpResponse::Ok().json(json!({ "data": data, "has_more": has_more, "next_cursor": next_cursor })))
}

impl From<PostedEntry> for EntryBody {
    fn from(entry: PostedEntry) -> Self {
        Self {
            id: entry.id,
            object: "entry",
            promoter: entry.promoter.into_string(),
            invoice: entry.invoice.map(crate::domain::InvoiceId::into_string),
            kind: entry.kind.as_str(),
            amount: entry.amount_minor,
            currency: entry.currency.to_string(),
            cause: entry.cause,
            available_at: entry.available_at.unix(),
            posted_at: entry.posted_at.unix(),
        }
    }
}
