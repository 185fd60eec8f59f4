//! A signed event on its way into the inbox: its facts, and its body packed for keeping.

use std::cell::RefCell;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use crate::domain::inbox::{NewEvent, Telling};
use crate::domain::{Extracted, Outcome};
use crate::handlers::{ParsedEvent, Policy, parse};
use crate::store::events::StoredEvent;
use crate::stripe::SignedEvent;

/// zstd's fastest level with a good ratio: an invoice of 6 KB becomes about 1.5 KB.
const COMPRESSION_LEVEL: i32 = 1;

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
        let body_sha256: [u8; 32] = Sha256::digest(signed.body()).into();
        let body_zstd = compress(signed.body())?;
        let body_bytes = u32::try_from(signed.body().len()).unwrap_or(u32::MAX);
        let ParsedEvent { id, event_type, api_version, created_at, extraction } =
            parse(signed.body(), &body_sha256, policy);
        let telling = Telling::new(id, api_version);
        let event = NewEvent { telling, event_type, created_at, body_sha256, body_zstd };
        Ok(Self { event: Arc::new(event), extraction, body_bytes })
    }
}

thread_local! {
    /// The context of a compressor takes longer to make than an event takes to compress.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

fn compress(body: &[u8]) -> std::io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(body),
        None => compressor.insert(Compressor::new(COMPRESSION_LEVEL)?).compress(body),
    })
}

/// Extracts the facts of an event of the inbox once more. It was signed when it was received.
///
/// # Errors
/// The outcome of an event that brings no facts.
pub fn extract_stored(event: &StoredEvent, policy: &Policy) -> Result<Extracted, Outcome> {
    if event.body_zstd.is_empty() {
        return Err(Outcome::Quarantined(
            "body: dropped after retention.payload_days; its facts are kept".to_owned(),
        ));
    }
    let unreadable = |error: &dyn std::fmt::Display| Outcome::Quarantined(format!("body: {error}"));
    let body = zstd::stream::decode_all(event.body_zstd.as_slice()).map_err(|error| unreadable(&error))?;
    let ParsedEvent { id, extraction, .. } = parse(&body, &Sha256::digest(&body).into(), policy);
    if id != event.kept.telling.id {
        return Err(Outcome::Quarantined(format!("id: {id} is kept apart from an event of that id")));
    }
    extraction
}
