//! The dispute handler: all events of a dispute tell the same object, and its status decides.

use super::policy::{Policy, Rejection};
use super::purchase::charge_of;
use super::refund::NO_PAYMENT;
use crate::domain::{DisputeFacts, DisputeId, Extracted, Fact, PaymentId};
use crate::stripe::fields::{Id, read};
use crate::stripe::objects::Dispute;
use crate::stripe::{EventBody, words};

/// `charge.dispute.created`, `updated`, `funds_withdrawn`, `funds_reinstated`, `closed`.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong, or no payment is named.
pub fn handle_dispute(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    let dispute: Dispute = read(event.object, "data.object")?;
    let Some(Id(payment)) = dispute.payment_intent.as_ref().or(dispute.charge.as_ref()) else {
        return Err(Rejection::Ignored(NO_PAYMENT));
    };
    let payment = PaymentId::new(payment);
    let mut facts = charge_of(dispute.charge.as_ref(), dispute.payment_intent.as_ref());
    facts.push(Fact::Dispute {
        dispute: DisputeId::new(&dispute.id.0),
        facts: DisputeFacts {
            payment: payment.clone(),
            amount_minor: dispute.amount.0,
            currency: dispute.currency.0,
            state: words::dispute_state(dispute.status.as_deref()),
        },
    });
    Ok(Extracted { facts, waits_for: Some(payment) })
}
