//! The refund handler: `charge.refunded`, the events of refunds, and what else charges tell.

use super::policy::{Policy, Rejection};
use super::purchase::charge_of;
use crate::domain::{Extracted, Fact, InvoiceId, PaymentId, RefundFacts, RefundId, Release, Timestamp};
use crate::stripe::fields::{Amount, Id, Nullable, read};
use crate::stripe::objects::{Charge, Refund};
use crate::stripe::{EventBody, words};

const AT: &str = "data.object";
/// The reason of an ignored refund that names no payment.
pub(super) const NO_PAYMENT: &str = "no_payment";

/// `charge.refunded`: (part of) a payment was refunded. Sent for every refund; its amounts are cumulative.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_refund(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    let charge: Charge = read(event.object, AT)?;
    let mut facts = facts_of_charge(event, &charge);
    facts.extend(no_invoice(event, &charge));
    Ok(Extracted { facts, waits_for: Some(payment_of(&charge)) })
}

/// `charge.succeeded`, `charge.captured`, `charge.updated`: how much was captured, and for which invoice.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_charge(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    let charge: Charge = read(event.object, AT)?;
    let mut facts = facts_of_charge(event, &charge);
    facts.extend(no_invoice(event, &charge));
    Ok(Extracted { facts, ..Extracted::default() })
}

/// `refund.created`, `refund.updated`, `refund.failed`, `charge.refund.updated`: one refund and its status.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong, or no payment is named.
pub fn handle_refund_status(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    let refund: Refund = read(event.object, AT)?;
    let Some(Id(payment)) = refund.payment_intent.as_ref().or(refund.charge.as_ref()) else {
        return Err(Rejection::Ignored(NO_PAYMENT));
    };
    let payment = PaymentId::new(payment);
    let mut facts = charge_of(refund.charge.as_ref(), refund.payment_intent.as_ref());
    facts.push(fact_of_refund(event, &refund, payment.clone()));
    Ok(Extracted { facts, waits_for: Some(payment) })
}

fn payment_of(charge: &Charge) -> PaymentId {
    PaymentId::new(&charge.payment_intent.as_ref().unwrap_or(&charge.id).0)
}

/// A charge whose invoice is null in a version that has the field is of no invoice, and so is one without a customer:
/// payments of invoices always have one.
fn no_invoice(event: &EventBody<'_>, charge: &Charge) -> Option<Fact> {
    let is_of_nobody = charge.customer.is_none() && charge.customer_account.is_none();
    let is_none = match &charge.invoice {
        Nullable::Value(_) => false,
        Nullable::Null => event.is_before_basil() || is_of_nobody,
        Nullable::Absent => is_of_nobody,
    };
    is_none.then(|| Fact::NoInvoice { payment: payment_of(charge) })
}

fn facts_of_charge(event: &EventBody<'_>, charge: &Charge) -> Vec<Fact> {
    let payment = payment_of(charge);
    let succeeded = words::has_succeeded(charge.status.as_deref());
    let Amount(captured_minor) = charge.amount_captured.unwrap_or(charge.amount);
    // Before 2025-03-31 the rest of a charge that was not captured is told as refunded, once it is released.
    let rest_minor = charge.amount.0.saturating_sub(captured_minor).max(0);
    let rest_minor = if event.is_before_basil() { rest_minor } else { 0 };
    let Amount(refunded_minor) = charge.amount_refunded;
    let shows_release = rest_minor > 0 && refunded_minor >= rest_minor;
    let mut facts = charge_of(Some(&charge.id), charge.payment_intent.as_ref());
    facts.push(Fact::Payment {
        payment: payment.clone(),
        captured_minor: if succeeded { captured_minor } else { 0 },
        amount_refunded_minor: refunded_minor.saturating_sub(rest_minor).max(0),
        released: shows_release.then_some(Release { captured_minor, rest_minor }),
    });
    if let Some(Id(invoice)) = charge.invoice.value().filter(|_| succeeded) {
        let invoice = InvoiceId::new(invoice);
        facts.push(Fact::PaymentLink { invoice, payment: payment.clone(), amount_minor: None });
    }
    let refunds = charge.refunds.iter().flat_map(|refunds| &refunds.data);
    facts.extend(refunds.map(|refund| fact_of_refund(event, refund, payment.clone())));
    facts
}

fn fact_of_refund(event: &EventBody<'_>, refund: &Refund, payment: PaymentId) -> Fact {
    let state = words::refund_state(refund.status.as_deref());
    let created = Some(refund.created.map_or(event.created, Timestamp::from_unix));
    let facts = RefundFacts { payment, amount_minor: refund.amount.0, state, created };
    Fact::Refund { refund: RefundId::new(&refund.id.0), facts }
}
