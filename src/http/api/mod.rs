//! The API of the host application, under `/v1`.

pub mod entries;
pub mod promoters;
pub mod referrals;

use std::str::FromStr;

use actix_web::http::StatusCode;
use actix_web::web::QueryConfig;
use serde::de::DeserializeOwned;

use super::error::Problem;

/// Rows of a list when the request does not say.
const DEFAULT_PAGE: u64 = 50;
/// Rows of a list at most.
const PAGE_LIMIT: u64 = 200;

/// Reads a JSON body; the error names the field.
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
