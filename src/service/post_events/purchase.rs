//! The purchase handler: `invoice.paid` and what tells that a payment paid an invoice.

use super::attribution;
use super::policy::{Policy, Rejection};
use crate::domain::outcome::NOT_PAID;
use crate::domain::{
    CustomerId, Fact, InvoiceId, MoneyError, PaidClaim, PaymentId, Reduced, Timestamp, money::narrow,
};
use crate::stripe::fields::{FieldError, Id, SignedAmount, read};
use crate::stripe::objects::{Invoice, InvoicePayment, TaxAmount};
use crate::stripe::{EventBody, fields::Amount};

const AT: &str = "data.object";

/// `invoice.paid`: the invoice was paid, or marked paid by hand.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_purchase(event: &EventBody<'_>, policy: &Policy) -> Result<Reduced, Rejection> {
    reduce_invoice(event, &read(event.object, AT)?, policy)
}

/// `invoice.payment_succeeded`: tells the same as `invoice.paid`, but also of payments that leave a rest open.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong, or the invoice is not paid.
pub fn handle_payment_succeeded(event: &EventBody<'_>, policy: &Policy) -> Result<Reduced, Rejection> {
    let invoice: Invoice = read(event.object, AT)?;
    if invoice.status.as_deref() != Some("paid") {
        return Err(Rejection::Ignored(NOT_PAID));
    }
    reduce_invoice(event, &invoice, policy)
}

/// `invoice_payment.paid`: since 2025-03-31 the only event that links a payment to an invoice.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong, or it is not paid.
pub fn handle_invoice_payment(event: &EventBody<'_>, _: &Policy) -> Result<Reduced, Rejection> {
    let link: InvoicePayment = read(event.object, AT)?;
    if link.status.as_deref() != Some("paid") {
        return Err(Rejection::Ignored(NOT_PAID));
    }
    let source = link.payment;
    let mut facts = charge_of(source.charge.as_ref(), source.payment_intent.as_ref());
    let named = source.payment_intent.or(source.charge).or(source.payment_record);
    let Id(payment) = named.ok_or_else(|| FieldError::missing("data.object.payment.payment_intent"))?;
    facts.push(Fact::PaymentLink {
        invoice: InvoiceId::new(link.invoice.0),
        payment: PaymentId::new(payment),
        amount_minor: link.amount_paid.map(|Amount(minor)| minor),
    });
    Ok(Reduced { facts, ..Reduced::default() })
}

/// The charge belongs to the payment intent, when both are named, and by names of their kinds: so no name can stand
/// for another that stands for a third.
pub fn charge_of(charge: Option<&Id>, payment_intent: Option<&Id>) -> Vec<Fact> {
    let (Some(Id(charge)), Some(Id(payment_intent))) = (charge, payment_intent) else { return Vec::new() };
    let (charge, payment_intent) = (PaymentId::new(charge), PaymentId::new(payment_intent));
    if payment_intent.is_payment_intent() && !charge.is_payment_intent() {
        vec![Fact::ChargeOf { charge, payment_intent }]
    } else {
        Vec::new()
    }
}

fn reduce_invoice(event: &EventBody<'_>, invoice: &Invoice, policy: &Policy) -> Result<Reduced, Rejection> {
    let id = InvoiceId::new(&invoice.id.0);
    let customer = invoice.customer.as_ref().or(invoice.customer_account.as_ref());
    let customer = customer.map(|Id(customer)| CustomerId::new(customer));
    let paid_at = invoice.status_transitions.as_ref().and_then(|transitions| transitions.paid_at);
    let claim = PaidClaim {
        event: event.id.clone(),
        customer: customer.clone(),
        currency: invoice.currency.0,
        amount_paid_minor: invoice.amount_paid.0,
        total_minor: invoice.total.0,
        total_excluding_tax_minor: invoice.total_excluding_tax.map(|SignedAmount(minor)| minor),
        tax_minor: tax(invoice)?,
    };
    let paid_at = paid_at.map_or(event.created, Timestamp::from_unix);
    let mut facts = charge_of(invoice.charge.as_ref(), invoice.payment_intent.as_ref());
    facts.push(Fact::InvoicePaid { invoice: id.clone(), claim, paid_at });
    if let Some(Id(payment)) = invoice.payment_intent.as_ref().or(invoice.charge.as_ref()) {
        facts.push(Fact::PaymentLink { invoice: id, payment: PaymentId::new(payment), amount_minor: None });
    }
    if let Some(customer) = customer {
        facts.extend(attribution::claims_of_invoice(event, invoice, &customer, policy).map(Fact::Claim));
    }
    Ok(Reduced { facts, ..Reduced::default() })
}

/// Σ `total_taxes`, else Σ `total_tax_amounts`, else `tax`.
fn tax(invoice: &Invoice) -> Result<Option<i64>, MoneyError> {
    let sum = |taxes: &Vec<TaxAmount>| narrow(taxes.iter().map(|tax| i128::from(tax.amount.0)).sum());
    match invoice.total_taxes.as_ref().or(invoice.total_tax_amounts.as_ref()) {
        Some(taxes) => sum(taxes).map(Some),
        None => Ok(invoice.tax.map(|SignedAmount(minor)| minor)),
    }
}
