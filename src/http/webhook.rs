//! `POST /webhooks/stripe`: the signature is checked on the raw bytes; 200 means committed.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::body::RawBody;
use super::problem::Problem;
use super::state::HttpState;
use crate::clock;
use crate::domain::Outcome;
use crate::intake::IntakeError;
use crate::service::post_events::Answer;
use crate::stripe::SignatureError;

const SIGNATURE_HEADER: &str = "stripe-signature";

/// Takes in one event: verifies it, has it committed, and says what became of it.
pub async fn receive(
    request: HttpRequest,
    RawBody(body): RawBody,
    state: Data<HttpState>,
) -> Result<HttpResponse, Problem> {
    let signature = signature(&request);
    let event = state.verifier.verify(signature.as_deref(), body, clock::now()).map_err(refuse)?;
    let accepted = state.intake.accept(&event).await;
    let answer = accepted.map_err(|error| come_again(error, state.limits.retry_after_s))?;
    state.tally.count(&answer);
    log(&answer);
    Ok(HttpResponse::Ok().json(json!({ "received": true, "outcome": answer.as_str() })))
}

/// Several headers of one name are one list, as HTTP has it.
fn signature(request: &HttpRequest) -> Option<Vec<u8>> {
    let values = request.headers().get_all(SIGNATURE_HEADER).map(HeaderValue::as_bytes);
    values.map(<[u8]>::to_vec).reduce(|list, value| [list, value].join(&b','))
}

/// The usual is told by event at debug only; at info it is summed up every minute.
fn log(answer: &Answer) {
    match answer {
        Answer::New(Outcome::Quarantined(reason)) => {
            tracing::warn!(outcome = answer.as_str(), reason, "event committed, but quarantined");
        }
        Answer::New(outcome) => tracing::debug!(%outcome, "event committed"),
        Answer::Duplicate => tracing::debug!(outcome = "duplicate", "event committed before"),
    }
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

fn come_again(error: IntakeError, retry_after_s: u32) -> Problem {
    tracing::warn!(%error, "an event is not acknowledged");
    Problem::unavailable(&error.to_string()).retry_after(retry_after_s)
}
