//! What handlers are given beside the event, and how they say no.

use crate::domain::{MoneyError, Outcome};
use crate::stripe::FieldError;

/// The settings that decide what is taken in.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The mode of this daemon: events of the other one are ignored.
    pub livemode: bool,
    /// The Connect account whose events are ours; none for the own account.
    pub account: Option<String>,
    /// Metadata keys that carry a code, by precedence.
    pub metadata_keys: Vec<String>,
    /// The attribution lookback in seconds that new claims are frozen to.
    pub lookback_s: i64,
}

/// Why an event brings no facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Not for this ledger.
    Ignored(&'static str),
    /// It cannot be used as it is.
    Quarantined(String),
}

impl From<FieldError> for Rejection {
    fn from(error: FieldError) -> Self {
        Self::Quarantined(error.to_string())
    }
}

impl From<MoneyError> for Rejection {
    fn from(error: MoneyError) -> Self {
        Self::Quarantined(error.to_string())
    }
}

impl From<Rejection> for Outcome {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Ignored(reason) => Self::Ignored(reason),
            Rejection::Quarantined(reason) => Self::Quarantined(reason),
        }
    }
}
