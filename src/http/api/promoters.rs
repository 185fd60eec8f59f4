//! `GET /v1/promoters/{id}/balance`, and what is learnt of promoters.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::domain::entries::Balance;
use crate::http::auth::Admin;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::service::error::{RefusalCode, ServiceError};
use crate::service::{promoters, queries};

/// The body of a change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedPromoter {
    email: String,
}

/// Gives a promoter another e-mail; those that it had before still count against self-referral.
pub async fn update(
    _: Admin,
    id: Path<String>,
    JsonBody(changed): JsonBody<ChangedPromoter>,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let promoter = state.uncancelled(|db| async move {
        promoters::change_email(&db, &id, &changed.email, clock::now()).await
    });
    let promoter = promoter.await?.map_err(of_path)?;
    Ok(HttpResponse::Ok().json(json!({
        "id": promoter.id.as_str(),
        "object": "promoter",
        "user_id": promoter.user_id,
        "email": promoter.email,
        "created_at": promoter.created_at.unix(),
    })))
}

/// The balances of a promoter, one for each currency. Nothing is paid out yet, so `available` is what is earned and
/// not held.
pub async fn balance(_: Admin, id: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let view = state
        .uncancelled(|db| async move { queries::promoters::one(&db, &id, clock::now()).await })
        .await??;
    let view = view.ok_or_else(no_such_promoter)?;
    let data: Vec<Value> = view.balances.iter().map(shown).collect();
    Ok(HttpResponse::Ok().json(json!({ "promoter": view.promoter.id.as_str(), "data": data })))
}

fn shown(balance: &Balance) -> Value {
    json!({
        "currency": balance.currency.as_str(),
        "earned": balance.earned_minor,
        "held": balance.held_minor,
        "available": balance.available_minor(),
        "balance": balance.earned_minor,
    })
}

/// A promoter that does not exist is not found where it stands in the path.
fn of_path(error: ServiceError) -> Problem {
    Problem::of_path(error, RefusalCode::UnknownPromoter, no_such_promoter)
}

fn no_such_promoter() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_promoter", "there is no such promoter")
}
