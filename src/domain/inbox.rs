//! What the inbox keeps of a signed event.

use std::fmt;

use super::ids::{EventId, PaymentId};
use super::time::Timestamp;

/// One telling of an event: two endpoints of different API versions deliver one event id in two shapes, and both are facts.
/// The inbox is keyed by this, so the same id and version counts once, whatever else differs in its body.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Telling {
    /// `event.id`, or that of its body ([`EventId::of_body`]). Causes of entries name it.
    pub id: EventId,
    /// `event.api_version`; empty where it is absent or null.
    pub api_version: String,
}

impl Telling {
    /// The telling of an event in an API version, if it names one.
    pub fn new(id: EventId, api_version: Option<String>) -> Self {
        Self { id, api_version: api_version.unwrap_or_default() }
    }
}

/// A telling without an API version.
impl From<EventId> for Telling {
    fn from(id: EventId) -> Self {
        Self::new(id, None)
    }
}

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.api_version.as_str() {
            "" => write!(f, "{}", self.id),
            api_version => write!(f, "{} ({api_version})", self.id),
        }
    }
}

/// A new event, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Its key in the inbox.
    pub telling: Telling,
    /// `event.type`; empty when the body has none.
    pub event_type: String,
    /// `event.created`.
    pub created_at: Option<Timestamp>,
    /// The raw body.
    pub body: PackedBody,
}

/// The longest raw body in bytes that `http.body_limit_bytes` can allow.
pub const MAX_BODY_BYTES: usize = 16_777_216;

/// A raw body as it is kept: `store::packing` packs and unpacks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedBody {
    /// The id of the dictionary without which it cannot be unpacked; 0 for none.
    pub dictionary: i32,
    /// A zstd frame.
    pub zstd: Vec<u8>,
}

/// A telling of an event in the inbox, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Its number, in the order of commits: its place in lists.
    pub number: i64,
    /// Which event it is.
    pub telling: Telling,
    /// `event.type`; empty when the body has none.
    pub event_type: String,
    /// `event.created`.
    pub created_at: Option<Timestamp>,
    /// When it was received.
    pub received_at: Timestamp,
    /// What became of it, as a word.
    pub outcome: String,
    /// Why, where the outcome has a reason.
    pub reason: Option<String>,
    /// The payment whose invoice settles it.
    pub waits_for: Option<PaymentId>,
}
