//! Errors as `application/problem+json` (RFC 9457): one text for the client, another for the log.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;
use tokio::task::JoinError;

use crate::service::error::{RefusalCode, ServiceError};

/// Seconds after which an API client may try again when the database is away.
const RETRY_AFTER_S: u32 = 2;

/// An answer that is not what was asked for.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_s: Option<u32>,
    closes: bool,
    allowed: Option<String>,
}

impl Problem {
    /// A problem with a stable `code` and a sentence for the client.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after_s: None, closes: false, allowed: None }
    }

    /// 503 with a stable code.
    pub fn unavailable(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// 500; why is in the log.
    pub fn internal() -> Self {
        let detail = "something went wrong here; it is logged with the id of this request";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// An error about what a path names: where that does not exist (`unknown`), the answer is `not_found`.
    pub fn of_path(error: ServiceError, unknown: RefusalCode, not_found: fn() -> Self) -> Self {
        match error {
            ServiceError::Refused { code, .. } if code == unknown => not_found(),
            ServiceError::Refused { .. } | ServiceError::Store(_) | ServiceError::Money(_) => error.into(),
        }
    }

    /// An error about a filter: 404 for what it names and does not exist, 400 for what means nothing.
    pub fn of_query(error: ServiceError) -> Self {
        match error {
            ServiceError::Refused {
                code: code @ (RefusalCode::UnknownPromoter | RefusalCode::UnknownProgram),
                message,
            } => Self::new(StatusCode::NOT_FOUND, code.as_str(), message),
            ServiceError::Refused { code: RefusalCode::InvalidField, message } => {
                Self::invalid_query(message)
            }
            ServiceError::Refused { .. } | ServiceError::Store(_) | ServiceError::Money(_) => error.into(),
        }
    }

    /// 400 for a parameter of a query that is not known or not of its form.
    pub fn invalid_query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_query", detail)
    }

    /// Tells the client when to come back.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Closes the connection: the rest of the body was not read.
    #[must_use]
    pub const fn closing(mut self) -> Self {
        self.closes = true;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(allowed) = &self.allowed {
            response.insert_header((ALLOW, allowed.as_str()));
        }
        if self.closes {
            response.force_close();
        }
        let title = self.status.canonical_reason().unwrap_or("Error");
        response.content_type("application/problem+json").body(
            json!({
                "type": "about:blank",
                "title": title,
                "status": self.status.as_u16(),
                "code": self.code,
                "detail": self.detail,
            })
            .to_string(),
        )
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        if let Some(detail) = error.passing() {
            tracing::error!(?error, "the database did not do its part");
            return Self::unavailable(detail).retry_after(RETRY_AFTER_S);
        }
        match error {
            ServiceError::Refused { code, message } => Self::new(status_of(code), code.as_str(), message),
            ServiceError::Store(_) | ServiceError::Money(_) => {
                tracing::error!(?error, "a request failed");
                Self::internal()
            }
        }
    }
}

impl From<JoinError> for Problem {
    fn from(error: JoinError) -> Self {
        tracing::error!(%error, "the task of a request did not end");
        Self::internal()
    }
}

const fn status_of(code: RefusalCode) -> StatusCode {
    match code {
        RefusalCode::InvalidField
        | RefusalCode::UnknownCode
        | RefusalCode::UnknownProgram
        | RefusalCode::UnknownPromoter
        | RefusalCode::CodeInactive
        | RefusalCode::CodeExpired
        | RefusalCode::CodeUsedUp
        | RefusalCode::ProgramInactive
        | RefusalCode::ReferralRefused
        | RefusalCode::SelfReferral => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalCode::UnknownReferral => StatusCode::NOT_FOUND,
        RefusalCode::CustomerOfAnotherUser | RefusalCode::AlreadyExists | RefusalCode::NotHeld => {
            StatusCode::CONFLICT
        }
    }
}

/// The answer to every method but the allowed ones, which are separated by commas.
pub fn method_not_allowed(allowed: &str) -> Problem {
    let detail = format!("only {allowed} is answered here");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    Problem { allowed: Some(allowed.to_owned()), ..problem }
}

/// The answer where there is nothing.
pub fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
}
