//! Stripe event → facts, pure: the table of event types, one handler a topic, and what is decided about an event before
//! its facts are looked at (unhandled type, other mode, other account).

pub mod attribution;
pub mod credit_note;
pub mod dispute;
mod policy;
pub mod purchase;
pub mod refund;

pub use policy::{Policy, Rejection};

use crate::domain::outcome::{FOREIGN_ACCOUNT, THIN_EVENT, UNHANDLED_TYPE, WRONG_MODE};
use crate::domain::{EventId, Extracted, Outcome, Timestamp};
use crate::stripe::{Envelope, EventBody, FieldError};

/// Extracts the facts of one event. Knows nothing of earlier events.
pub type Handler = fn(&EventBody<'_>, &Policy) -> Result<Extracted, Rejection>;

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
    ("customer.subscription.paused", attribution::handle_subscription_status),
    ("customer.subscription.resumed", attribution::handle_subscription_status),
    ("customer.subscription.trial_will_end", attribution::handle_subscription_status),
    ("customer.subscription.pending_update_applied", attribution::handle_subscription_status),
    ("customer.subscription.pending_update_expired", attribution::handle_subscription_status),
    ("customer.subscription.deleted", attribution::handle_subscription_deleted),
    ("credit_note.created", credit_note::handle_credit_note),
    ("credit_note.updated", credit_note::handle_credit_note),
    ("credit_note.voided", credit_note::handle_credit_note),
];

/// What the body of a signed event says.
#[derive(Debug, Clone)]
pub struct ParsedEvent {
    /// `event.id`; that of the body when it has no usable one, or one that is no name (the Dashboard's test button).
    pub id: EventId,
    /// `event.type`; empty when the body has none.
    pub event_type: String,
    /// `event.api_version`.
    pub api_version: Option<String>,
    /// `event.created`.
    pub created_at: Option<Timestamp>,
    /// Its facts, or the outcome that is decided already (`ignored`, `quarantined`).
    pub extraction: Result<Extracted, Outcome>,
}

/// Parses the body of a signed event and extracts its facts.
pub fn parse(body: &[u8], policy: &Policy) -> ParsedEvent {
    match Envelope::read(body).map(|envelope| envelope.named_by(body)) {
        Ok(envelope) => ParsedEvent {
            id: envelope.id.clone(),
            event_type: envelope.event_type().unwrap_or_default(),
            api_version: envelope.api_version(),
            created_at: envelope.created(),
            extraction: extract(&envelope, policy).map_err(Outcome::from),
        },
        Err(error) => ParsedEvent {
            id: EventId::of_body(body),
            event_type: String::new(),
            api_version: None,
            created_at: None,
            extraction: Err(Outcome::Quarantined(error.to_string())),
        },
    }
}

fn extract(envelope: &Envelope<'_>, policy: &Policy) -> Result<Extracted, Rejection> {
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
