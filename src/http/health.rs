//! Probes: is the process alive, and should it get work.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde_json::json;

use super::problem::Problem;
use super::state::HttpState;

/// A readiness probe for which the database takes longer has failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// 200 while the process lives; asks no database.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// 200 when migrations are applied, the database answers, and it could write when it last had to; else 503 with which check
/// failed.
pub async fn readyz(state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    if state.is_draining() {
        return Err(not_ready("draining", "the daemon is stopping"));
    }
    let probe = state.uncancelled(|db| async move { db.is_ready().await });
    match tokio::time::timeout(PROBE_TIMEOUT, probe).await {
        Ok(Ok(Ok(true))) => Ok(HttpResponse::Ok().json(json!({ "status": "ready" }))),
        Ok(Ok(Ok(false))) => Err(not_ready("migrations_missing", "migrations are missing")),
        Ok(Ok(Err(error))) if error.is_of_storage() => {
            tracing::warn!(%error, source = ?error, "the database cannot write");
            Err(not_ready("database_not_writable", "the database cannot write: is its disk full?"))
        }
        Ok(Ok(Err(error))) => {
            tracing::warn!(%error, source = ?error, "the database does not answer");
            Err(not_ready("database_unavailable", "the database does not answer"))
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_elapsed) => Err(not_ready("database_unavailable", "the database does not answer in time")),
    }
}

fn not_ready(check: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, check, detail)
}
