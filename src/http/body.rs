//! Reading a request body: raw, bounded in size and in time.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::Payload;
use futures_util::StreamExt;

use super::error::Problem;

/// The first allocation for a body; most are smaller than this.
const USUAL_BODY_BYTES: usize = 8_192;

/// The raw bytes of a body.
///
/// # Errors
/// 415 for an encoded body, 413 for one longer than `limit_bytes`, 408 for one that takes longer than `timeout`,
/// 400 for one that breaks off.
pub async fn read(
    request: &HttpRequest,
    payload: Payload,
    limit_bytes: usize,
    timeout: Duration,
) -> Result<Vec<u8>, Problem> {
    let encoded = request
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        let detail = "the body must not be encoded: its raw bytes are what is signed";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded_body", detail).closing());
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit_bytes) {
        return Err(too_large(limit_bytes));
    }
    match tokio::time::timeout(timeout, collect(payload, limit_bytes)).await {
        Ok(body) => body,
        Err(_elapsed) => {
            let detail = "the body took too long to arrive";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow_body", detail).closing())
        }
    }
}

async fn collect(mut payload: Payload, limit_bytes: usize) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::with_capacity(USUAL_BODY_BYTES.min(limit_bytes));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            let detail = format!("the body broke off: {error}");
            Problem::new(StatusCode::BAD_REQUEST, "broken_body", detail).closing()
        })?;
        if body.len().saturating_add(chunk.len()) > limit_bytes {
            return Err(too_large(limit_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large(limit_bytes: usize) -> Problem {
    let detail = format!("the body is longer than {limit_bytes} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).closing()
}
