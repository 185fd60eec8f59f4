//! The inbox: what became of each event, the newest first.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query};
use serde::Deserialize;
use serde_json::json;

use super::page::{Page, number, page_limit};
use crate::domain::Outcome;
use crate::http::auth::Admin;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::service::queries::events::{self, EventFilter};
use crate::service::queries::shown::EventBody;

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    outcome: Option<String>,
    r#type: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A page of events. Where few fit the filter it may be short, or empty, and still not be the last.
pub async fn list(_: Admin, query: Query<Filter>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let Filter { outcome, r#type: event_type, cursor, limit } = query.into_inner();
    let limit = page_limit(limit.as_deref())?;
    check_outcome(outcome.as_deref())?;
    let before = number("cursor", cursor.as_deref())?;
    let filter = EventFilter { outcome, event_type };
    let page = state.uncancelled(|db| async move { events::list(&db, &filter, before, limit).await });
    let (found, next) = page.await??;
    let data: Vec<EventBody> = found.into_iter().map(EventBody::from).collect();
    let next_cursor = next.map(|number| number.to_string());
    Ok(HttpResponse::Ok().json(Page { data, has_more: next_cursor.is_some(), next_cursor }))
}

/// All tellings of an event: one for each API version in which it was delivered.
pub async fn show(_: Admin, id: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let of_event = id.clone();
    let found = state.uncancelled(|db| async move { events::tellings(&db, &of_event).await }).await??;
    if found.is_empty() {
        let detail = "no event of this id was received";
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_event", detail));
    }
    let tellings: Vec<EventBody> = found.into_iter().map(EventBody::from).collect();
    Ok(HttpResponse::Ok().json(json!({ "id": id, "object": "event", "tellings": tellings })))
}

fn check_outcome(outcome: Option<&str>) -> Result<(), Problem> {
    match outcome {
        Some(outcome) if !Outcome::WORDS.contains(&outcome) => {
            Err(Problem::invalid_query(format!("outcome: one of {}", Outcome::WORDS.join(", "))))
        }
        Some(_) | None => Ok(()),
    }
}
