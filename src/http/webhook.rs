//! `POST /webhooks/stripe`: the signature is checked on the raw bytes; 200 means committed.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::error::Problem;
use super::{HttpState, body};
use crate::clock;
use crate::domain::Outcome;
use crate::intake::IntakeError;
use crate::service::post_events::Answer;
use crate::stripe::SignatureError;

const SIGNATURE_HEADER: &str = "stripe-signature";

/// Takes in one event.
pub async fn receive(
    request: HttpRequest,
    payload: Payload,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let limits = state.limits;
    let body = body::read(&request, payload, limits.body_bytes, limits.body_timeout).await?;
    let header = request.headers().get(SIGNATURE_HEADER).map(HeaderValue::as_bytes);
    let event = state.verifier.verify(header, body, clock::now()).map_err(refuse)?;
    let later = |error| come_back_later(error, limits.retry_after_s);
    let answer = state.intake.accept(&event).await.map_err(later)?;
    match &answer {
        Answer::New(Outcome::Quarantined(reason)) => {
            tracing::warn!(outcome = answer.as_str(), reason, "event committed, but quarantined");
        }
        Answer::New(outcome) => tracing::info!(%outcome, "event committed"),
        Answer::Duplicate => tracing::info!(outcome = "duplicate", "event committed before"),
    }
    Ok(HttpResponse::Ok().json(json!({ "received": true, "outcome": answer.as_str() })))
}

fn refuse(error: SignatureError) -> Problem {
    let code = match error {
        SignatureError::Missing => "signature_missing",
        SignatureError::Malformed => "signature_malformed",
        SignatureError::Stale => "signature_stale",
        SignatureError::Mismatch => "signature_mismatch",
    };
    tracing::warn!(code, "a request is not Stripe's");
    Problem::new(StatusCode::BAD_REQUEST, code, error.to_string())
}

fn come_back_later(error: IntakeError, retry_after_s: u32) -> Problem {
    tracing::warn!(%error, "an event is not acknowledged");
    Problem::unavailable(&error.to_string()).retry_after(retry_after_s)
}
