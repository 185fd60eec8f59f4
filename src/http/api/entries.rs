//! `GET /v1/entries`: the ledger, oldest first.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};

use super::page::{Page, number, page_limit};
use crate::domain::InvoiceId;
use crate::domain::entries::PostedEntry;
use crate::http::auth::Admin;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::service::queries;

/// The query of the request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only entries of this promoter, by id or user id.
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
    promoter_user_id: String,
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
    let limit = page_limit(limit.as_deref())?;
    let cursor: Option<i64> = number("cursor", cursor.as_deref())?;
    let one_more = limit.saturating_add(1);
    let entries = state.uncancelled(|db| async move {
        queries::promoters::entries(&db, promoter.as_deref(), cursor.unwrap_or(0), one_more).await
    });
    let page = Page::of(entries.await?.map_err(Problem::of_query)?, limit, |entry| entry.id);
    Ok(HttpResponse::Ok().json(page.map(EntryBody::from)))
}

impl From<PostedEntry> for EntryBody {
    fn from(entry: PostedEntry) -> Self {
        Self {
            id: entry.id,
            object: "entry",
            promoter: entry.promoter.into_string(),
            promoter_user_id: entry.promoter_user.into_string(),
            invoice: entry.invoice.map(InvoiceId::into_string),
            kind: entry.kind.as_str(),
            amount: entry.amount_minor,
            currency: entry.currency.to_string(),
            cause: entry.cause.to_string(),
            available_at: entry.available_at.unix(),
            posted_at: entry.posted_at.unix(),
        }
    }
}
