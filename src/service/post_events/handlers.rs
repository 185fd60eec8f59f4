//! Event type → handler, and what is decided about an event before its facts are looked at.

use std::cell::RefCell;

use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use super::policy::{Policy, Rejection};
use super::{attribution, credit_note, dispute, purchase, refund};
use crate::domain::outcome::{FOREIGN_ACCOUNT, THIN_EVENT, UNHANDLED_TYPE, WRONG_MODE};
use crate::domain::{EventId, Outcome, Reduced, Timestamp};
use crate::store::events::{EventRow, StoredEvent};
use crate::stripe::{Envelope, EventBody, FieldError, SignedEvent};

/// Reduces one event to facts. Knows nothing of what was told before.
pub type Handler = fn(&EventBody<'_>, &Policy) -> Result<Reduced, Rejection>;

/// Every event type that the ledger uses. Subscribe the endpoint to these.
pub const HANDLERS: [(&str, Handler); 32] = [
    ("invoice.paid", purchase::handle_purchase),
    ("invoice.payment_succeeded", purchase::handle_payment_succeeded),
    ("invoice_payment.paid", purchase::handle_invoice_payment),
    ("charge.refunded", refund::handle_refund),
    ("charge.refund.updated", refund::handle_refund_status),
    ("refund.created", refund::handle_refund_status),
    ("refund.updated", refund::handle_refund_status),
    ("refund.failed", refund::handle_refund_status),
    ("charge.succeeded", refund::handle_charge),
    ("charge.captured", refund::handle_charge),
    ("charge.updated", refund::handle_charge),
    ("charge.dispute.created", dispute::handle_dispute),
    ("charge.dispute.updated", dispute::handle_dispute),
    ("charge.dispute.funds_withdrawn", dispute::handle_dispute),
    ("charge.dispute.funds_reinstated", dispute::handle_dispute),
    ("charge.dispute.closed", dispute::handle_dispute),
    ("checkout.session.completed", attribution::handle_checkout),
    ("customer.created", attribution::handle_customer),
    ("customer.updated", attribution::handle_customer),
    ("customer.deleted", attribution::handle_customer_deleted),
    ("customer.discount.created", attribution::handle_discount),
    ("customer.subscription.created", attribution::handle_subscription),
    ("customer.subscription.updated", attribution::handle_subscription),
    ("customer.subscription.paused", attribution::handle_subscription),
    ("customer.subscription.resumed", attribution::handle_subscription),
    ("customer.subscription.trial_will_end", attribution::handle_subscription),
    ("customer.subscription.pending_update_applied", attribution::handle_subscription),
    ("customer.subscription.pending_update_expired", attribution::handle_subscription),
    ("customer.subscription.deleted", attribution::handle_subscription_deleted),
    ("credit_note.created", credit_note::handle_credit_note),
    ("credit_note.updated", credit_note::handle_credit_note),
    ("credit_note.voided", credit_note::handle_credit_note),
];

/// zstd's fastest level with a good ratio: an invoice of 6 KB becomes about 1.5 KB.
const COMPRESSION_LEVEL: i32 = 1;

/// A signed event, reduced and ready to be posted.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// What the inbox stores.
    pub row: EventRow,
    /// Its facts, or the outcome that is decided already.
    pub work: Result<Reduced, Outcome>,
    /// Bytes of the raw body: what it takes while it waits.
    pub body_bytes: u32,
}

/// What a body says, before anything is done for its keeping.
#[derive(Debug, Clone)]
pub struct Told {
    /// `event.id`; none when the body has no usable one.
    pub id: Option<EventId>,
    /// `event.type`; empty when the body has none.
    pub event_type: String,
    /// `event.api_version`.
    pub api_version: Option<String>,
    /// `event.created`.
    pub created_at: Option<Timestamp>,
    /// Its facts, or the outcome that is decided already.
    pub work: Result<Reduced, Outcome>,
}

/// Reads a signed event. Pure.
pub fn read(event: &SignedEvent, policy: &Policy) -> Told {
    match Envelope::read(event.body()) {
        Ok(envelope) => Told {
            id: Some(envelope.id.clone()),
            event_type: envelope.event_type().unwrap_or_default(),
            api_version: envelope.api_version(),
            created_at: envelope.created(),
            work: reduce_envelope(&envelope, policy).map_err(Outcome::from),
        },
        Err(error) => Told {
            id: None,
            event_type: String::new(),
            api_version: None,
            created_at: None,
            work: Err(Outcome::Quarantined(error.to_string())),
        },
    }
}

/// Reduces a signed event and packs its body. Pure but for compression; needs no database, so it runs before the queue.
///
/// # Errors
/// An I/O error of the compressor, which can only be a lack of memory.
pub fn reduce(event: &SignedEvent, policy: &Policy) -> std::io::Result<Inbound> {
    let body_sha256: [u8; 32] = Sha256::digest(event.body()).into();
    let body_zstd = compress(event.body())?;
    let body_bytes = u32::try_from(event.body().len()).unwrap_or(u32::MAX);
    let Told { id, event_type, api_version, created_at, work } = read(event, policy);
    let id = id.unwrap_or_else(|| id_of_body(&body_sha256));
    let row = EventRow { id, event_type, api_version, created_at, body_sha256, body_zstd };
    Ok(Inbound { row, work, body_bytes })
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

/// Reduces an event of the inbox once more. It was signed when it was taken in.
///
/// # Errors
/// The outcome of an event that brings no facts.
pub fn reduce_stored(event: &StoredEvent, policy: &Policy) -> Result<Reduced, Outcome> {
    if event.body_zstd.is_empty() {
        return Err(Outcome::Quarantined(
            "body: dropped after retention.payload_days; its facts are kept".to_owned(),
        ));
    }
    let unreadable = |error: &dyn std::fmt::Display| Outcome::Quarantined(format!("body: {error}"));
    let body = zstd::stream::decode_all(event.body_zstd.as_slice()).map_err(|error| unreadable(&error))?;
    let envelope = Envelope::read(&body).map_err(|error| unreadable(&error))?;
    if envelope.id != event.id {
        return Err(Outcome::Quarantined(format!(
            "id: {} is kept apart from an event of that id",
            envelope.id
        )));
    }
    reduce_envelope(&envelope, policy).map_err(Outcome::from)
}

/// The id under which a signed body without a usable id is kept.
pub fn id_of_body(body_sha256: &[u8; 32]) -> EventId {
    EventId::new(format!("body_{}", hex::encode(body_sha256)))
}

fn reduce_envelope(envelope: &Envelope<'_>, policy: &Policy) -> Result<Reduced, Rejection> {
    if envelope.thin {
        return Err(Rejection::Ignored(THIN_EVENT));
    }
    let event_type = envelope.event_type().ok_or_else(|| FieldError::missing("type"))?;
    let Some((_, handler)) = HANDLERS.iter().find(|(handled, _)| *handled == event_type) else {
        return Err(Rejection::Ignored(UNHANDLED_TYPE));
    };
    if envelope.livemode()? != policy.livemode {
        return Err(Rejection::Ignored(WRONG_MODE));
    }
    if envelope.account()?.is_some_and(|account| policy.account.as_ref() != Some(&account)) {
        return Err(Rejection::Ignored(FOREIGN_ACCOUNT));
    }
    handler(&envelope.body()?, policy)
}
