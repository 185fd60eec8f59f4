//! What the inbox keeps of a signed event.

use super::ids::EventId;
use super::time::Timestamp;

/// A new event, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// `event.id`, or that of its body ([`EventId::of_body`]).
    pub id: EventId,
    /// `event.type`; empty when the body has none.
    pub event_type: String,
    /// `event.api_version`; `None` where it is absent or null.
    pub api_version: Option<String>,
    /// `event.created`.
    pub created_at: Option<Timestamp>,
    /// SHA-256 of the raw body.
    pub body_sha256: [u8; 32],
    /// The raw body, compressed.
    pub body_zstd: Vec<u8>,
}
