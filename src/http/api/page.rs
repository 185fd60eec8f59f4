//! Lists: their queries and their pages.

use std::str::FromStr;

use actix_web::web::QueryConfig;
use serde::Serialize;

use crate::http::problem::Problem;
use crate::stripe::fields::is_name;

/// Rows of a list when the request does not say.
const DEFAULT_PAGE: u64 = 50;
/// Rows of a list at most.
const PAGE_LIMIT: u64 = 200;

/// A page of a list, in the form of Stripe's lists.
#[derive(Debug, Serialize)]
pub struct Page<T, C = String> {
    /// Its rows.
    pub data: Vec<T>,
    /// True when there are rows behind this page.
    pub has_more: bool,
    /// The `cursor` of the next page, when there is one.
    pub next_cursor: Option<C>,
}

impl<T, C> Page<T, C> {
    /// The page of rows that were loaded with one row more than asked for: that row tells that there is a next page.
    pub fn of(mut rows: Vec<T>, limit: u64, cursor: impl Fn(&T) -> C) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(cursor);
        Self { data: rows, has_more, next_cursor }
    }

    /// The same page of rows as they are shown.
    pub fn map<U>(self, shown: impl Fn(T) -> U) -> Page<U, C> {
        let data = self.data.into_iter().map(shown).collect();
        Page { data, has_more: self.has_more, next_cursor: self.next_cursor }
    }
}

/// The rows of a page that a query asks for.
///
/// # Errors
/// [`Problem`] 400 for what is not 1 to [`PAGE_LIMIT`].
pub fn page_limit(text: Option<&str>) -> Result<u64, Problem> {
    let limit = number("limit", text)?.unwrap_or(DEFAULT_PAGE);
    if (1..=PAGE_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::invalid_query(format!("limit: 1 to {PAGE_LIMIT}, not {limit}")))
}

/// A number in a query.
///
/// # Errors
/// [`Problem`] 400 for what is no number of that type.
pub fn number<T: FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let invalid = |_| Problem::invalid_query(format!("{name}: not a whole number in its range"));
    text.map(str::parse).transpose().map_err(invalid)
}

/// The `next_cursor` of a page before, which was the name of its last row and begins with `prefix`.
///
/// # Errors
/// [`Problem`] 400 for what no list gives.
pub fn cursor(text: Option<String>, prefix: &str) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if !is_name(&text) || !text.starts_with(prefix) => {
            Err(Problem::invalid_query("cursor: the next_cursor of the page before"))
        }
        cursor => Ok(cursor),
    }
}

/// How a query is read; the error names a parameter that is not known.
pub fn query_config() -> QueryConfig {
    QueryConfig::default()
        .error_handler(|error, _| Problem::invalid_query(in_words(&error.to_string())).into())
}

/// serde's message without its jargon: which parameter is not known, and which are.
fn in_words(message: &str) -> String {
    let message = message.strip_prefix("Query deserialize error: ").unwrap_or(message);
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "));
    match unknown {
        Some((parameter, known)) => {
            let known = known.trim_start_matches("one of ").replace('`', "");
            format!("{parameter}: no parameter of this list; known are {known}")
        }
        None => message.to_owned(),
    }
}
