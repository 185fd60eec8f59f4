//! Bodies of requests as extractors: a handler that has one has it whole, within its bounds, and well-formed.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::problem::Problem;
use super::state::{HttpState, Limits};

/// The first allocation for a body; most are smaller than this.
const USUAL_BODY_BYTES: usize = 8_192;

/// The raw bytes of a body.
///
/// Refused: 415 for an encoded body, 413 for one longer than `http.body_limit_bytes`, 408 for one that takes longer than
/// `http.body_timeout_ms`, 400 for one that breaks off.
#[derive(Debug)]
pub struct RawBody(pub Vec<u8>);

/// A body as JSON: what [`RawBody`] refuses is refused, 400 is what is not JSON, and 422 with the name of the field what is
/// no `T`.
///
/// Stands behind [`Admin`](super::auth::Admin) in a handler's arguments: extractors run in their order, so a body without
/// a token is not read.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { read(&request, payload).await.map(Self) })
    }
}

impl<T: DeserializeOwned> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { json(&read(&request, payload).await?).map(Self) })
    }
}

async fn read(request: &HttpRequest, payload: Payload) -> Result<Vec<u8>, Problem> {
    let state = request.app_data::<Data<HttpState>>().ok_or_else(no_state)?;
    let Limits { body_bytes, body_timeout, retry_after_s: _ } = state.limits;
    let headers = request.headers();
    let encoding = headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "the body must not be encoded: its raw bytes are what is signed";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded_body", detail).closing());
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > body_bytes) {
        return Err(too_large(body_bytes));
    }
    match tokio::time::timeout(body_timeout, collect(payload, body_bytes)).await {
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

/// The composition root gives the state to every worker, so this is a mistake of ours.
fn no_state() -> Problem {
    tracing::error!("a worker of the server was started without its state");
    Problem::internal()
}

fn too_large(limit_bytes: usize) -> Problem {
    let detail = format!("the body is longer than {limit_bytes} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).closing()
}

/// The error names the field.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let invalid = |error: &serde_json::Error, detail| {
        let status = match error.classify() {
            Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
            Category::Syntax | Category::Eof | Category::Io => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, "invalid_body", detail)
    };
    if body.trim_ascii_start().first() != Some(&b'{') && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        let detail = "the body: a JSON object is needed";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", detail));
    }
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let place = if [".", "?"].contains(&path.as_str()) { "the body".to_owned() } else { path };
        invalid(error.inner(), format!("{place}: {}", error.inner()))
    })?;
    json.end().map_err(|error| invalid(&error, error.to_string()))?;
    Ok(read)
}
