//! A signed event on its way into the inbox: its facts, and its body packed for keeping.

use std::sync::Arc;

use super::error::ServiceError;
use crate::domain::inbox::{NewEvent, Telling};
use crate::domain::{EventId, Extracted, Outcome};
use crate::handlers::{ParsedEvent, Policy, parse};
use crate::store::StoreError;
use crate::store::events::StoredEvent;
use crate::store::packing::{self, UnpackError};
use crate::stripe::SignedEvent;

/// A signed event, ready to be posted.
#[derive(Debug, Clone)]
pub struct InboundEvent {
    /// What the inbox stores.
    pub event: Arc<NewEvent>,
    /// Its facts, or the outcome that is decided already.
    pub extraction: Result<Extracted, Outcome>,
    /// Bytes of the raw body: what it takes while it waits in the queue.
    pub body_bytes: u32,
}

impl InboundEvent {
    /// Extracts the facts of a signed event and packs its body. Needs no database, so it runs before the queue.
    ///
    /// # Errors
    /// An I/O error of the compressor, which can only be a lack of memory.
    pub fn prepare(signed: &SignedEvent, policy: &Policy) -> std::io::Result<Self> {
        let body = packing::pack(signed.body())?;
        let body_bytes = u32::try_from(signed.body().len()).unwrap_or(u32::MAX);
        let ParsedEvent { id, event_type, api_version, created_at, extraction } =
            parse(signed.body(), policy);
        let telling = Telling::new(id, api_version);
        let event = NewEvent { telling, event_type, created_at, body };
        Ok(Self { event: Arc::new(event), extraction, body_bytes })
    }

    /// The id under which it is kept when its own is that of another event.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when its body cannot be unpacked.
    pub fn body_id(&self) -> Result<EventId, ServiceError> {
        let body = packing::unpack(&self.event.body).map_err(|error| error.of(&self.event.telling))?;
        Ok(EventId::of_body(&body))
    }
}

/// Extracts the facts of an event of the inbox once more, or says which outcome an event has that brings none. It was
/// signed when it was received.
///
/// # Errors
/// [`StoreError::Corrupt`] when only a newer version can read its body: that is not the event's fault, and no outcome.
pub fn extract_stored(
    event: &StoredEvent,
    policy: &Policy,
) -> Result<Result<Extracted, Outcome>, StoreError> {
    let telling = &event.kept.telling;
    let unusable = |reason: String| Ok(Err(Outcome::Quarantined(reason)));
    let Some(body) = &event.body else {
        return unusable("body: dropped after retention.payload_days; its facts are kept".to_owned());
    };
    let body = match packing::unpack(body) {
        Ok(body) => body,
        Err(error @ UnpackError::UnknownDictionary(_)) => return Err(error.of(telling)),
        Err(UnpackError::Unreadable(error)) => return unusable(format!("body: {error}")),
    };
    let ParsedEvent { id, extraction, .. } = parse(&body, policy);
    if id != telling.id {
        return unusable(format!("id: {id} is kept apart from an event of that id"));
    }
    Ok(extraction)
}
