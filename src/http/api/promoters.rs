//! `GET /v1/promoters/{id}/balance`, and what is learnt of promoters.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::clock;
use crate::http::HttpState;
use crate::http::auth::Admin;
use crate::http::error::Problem;
use crate::service::error::RefusalCode;
use crate::service::{promoters, queries};

/// The body of a change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedPromoter {
    email: String,
}

/// Gives a promoter another e-mail; those that it had before still count against self-referral.
pub async fn update(
    _: Admin,
    id: Path<String>,
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let changed: ChangedPromoter = super::read(&request, payload, &state).await?;
    let db = state.db.clone();
    let promoter = state
        .uncancelled(async move { promoters::change_email(&db, &id, &changed.email, clock::now()).await })
        .await?
        .map_err(|error| super::of_path(error, RefusalCode::UnknownPromoter, no_such_promoter))?;
    Ok(HttpResponse::Ok().json(json!({
        "id": promoter.id.as_str(),
        "object": "promoter",
        "user_id": promoter.user_id,
        "email": promoter.email,
        "created_at": promoter.created_at.unix(),
    })))
}

fn no_such_promoter() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_promoter", "there is no such promoter")
}

/// The balances of a promoter, one for each currency. Nothing is paid out yet, so `available` is what is earned and
/// not held.
pub async fn balance(_: Admin, id: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let db = state.db.clone();
    let view =
        state.uncancelled(async move { queries::promoters::one(&db, &id, clock::now()).await }).await??;
    let view = view.ok_or_else(no_such_promoter)?;
    let data: Vec<_> = view
        .balances
        .iter()
        .map(|balance| {
            json!({
                "currency": balance.currency.as_str(),
                "earned": balance.earned_minor,
                "held": balance.held_minor,
                "available": balance.available_minor(),
                "balance": balance.earned_minor,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "promoter": view.promoter.id.as_str(), "data": data })))
}
