//! The dispute handler: all events of a dispute tell the same object, and its status decides.

use super::policy::{Policy, Rejection};
use super::purchase::charge_of;
use super::refund::NO_PAYMENT;
use crate::domain::{
    BalanceTransaction, BalanceTransactionId, DisputeFacts, DisputeId, Extracted, Fact, PaymentId,
};
use crate::stripe::fields::{CurrencyCode, Id, SignedAmount, read};
use crate::stripe::objects::{Dispute, DisputeTransaction};
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
    let state = words::dispute_state(dispute.status.as_deref());
    let mut facts = charge_of(dispute.charge.as_ref(), dispute.payment_intent.as_ref());
    facts.push(Fact::Dispute {
        dispute: DisputeId::new(&dispute.id.0),
        facts: DisputeFacts {
            payment: payment.clone(),
            amount_minor: dispute.amount.0,
            currency: dispute.currency.0,
            state,
            closed_at: state.is_final().then_some(event.created),
            transactions: dispute.balance_transactions.iter().flatten().filter_map(transaction).collect(),
        },
    });
    Ok(Extracted { facts, waits_for: Some(payment) })
}

/// A balance transaction; none where only its id is shown.
fn transaction(told: &DisputeTransaction) -> Option<(BalanceTransactionId, BalanceTransaction)> {
    let (SignedAmount(amount_minor), CurrencyCode(currency)) = (told.amount?, told.currency?);
    Some((BalanceTransactionId::new(&told.id.0), BalanceTransaction { amount_minor, currency }))
}
