//! The API of the host application, under `/v1`.

pub mod codes;
pub mod commissions;
pub mod entries;
pub mod promoters;
pub mod referrals;

use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Payload, QueryConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Problem;
use super::{HttpState, body};
use crate::service::ServiceError;
use crate::service::error::RefusalCode;

/// Rows of a list when the request does not say.
const DEFAULT_PAGE: u64 = 50;
/// Rows of a list at most.
const PAGE_LIMIT: u64 = 200;

/// Reads the body of a request, bounded in bytes and time, as JSON.
async fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    state: &HttpState,
) -> Result<T, Problem> {
    let limits = state.limits;
    json(&body::read(request, payload, limits.body_bytes, limits.body_timeout).await?)
}

/// The answer to an error about what the path names: where that does not exist (`unknown`), it is `not_found`.
fn of_path(error: ServiceError, unknown: RefusalCode, not_found: fn() -> Problem) -> Problem {
    match error {
        ServiceError::Refused { code, .. } if code == unknown => not_found(),
        ServiceError::Refused { .. } | ServiceError::Store(_) | ServiceError::Money(_) => error.into(),
    }
}

/// Reads JSON; the error names the field.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let invalid = |detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", detail);
    let read = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| invalid(format!("{}: {}", error.path(), error.inner())))?;
    json.end().map_err(|error| invalid(error.to_string()))?;
    Ok(read)
}

/// A number in a query.
fn number<T: FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let invalid = |_| {
        let detail = format!("{name}: not a whole number in its range");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_query", detail)
    };
    text.map(str::parse).transpose().map_err(invalid)
}

/// How a query is read; the error names a parameter that is not known.
pub fn query_config() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _| {
        let detail = error.to_string();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_query", detail).into()
    })
}

/// The length of a page, checked.
fn page_of(limit: Option<u64>) -> Result<u64, Problem> {
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if (1..=PAGE_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("limit: 1 to {PAGE_LIMIT}, not {limit}");
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail))
}

/// A page of a list, in the form of Stripe's lists.
#[derive(Debug, Serialize)]
struct Page<T> {
    data: Vec<T>,
    has_more: bool,
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Of one row more than was asked for, when there are as many.
    fn of(mut rows: Vec<T>, limit: u64, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(cursor);
        Self { data: rows, has_more, next_cursor }
    }

    fn map<U>(self, shown: impl Fn(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(shown).collect(),
            has_more: self.has_more,
            next_cursor: self.next_cursor,
        }
    }
}
