//! `GET /v1/promoters/{id}/balance`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde_json::json;

use crate::clock;
use crate::http::HttpState;
use crate::http::auth::Admin;
use crate::http::error::Problem;
use crate::service::show;

/// The balances of a promoter, one for each currency. Nothing is paid out yet, so `available` is what is earned and
/// not held.
pub async fn balance(_: Admin, id: Path<String>, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let db = state.db.clone();
    let view = state.uncancelled(async move { show::promoter(&db, &id, clock::now()).await }).await??;
    let Some(view) = view else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_promoter", "there is no such promoter"));
    };
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
