//! The purchase handler: `invoice.paid` and what tells that a payment paid an invoice.

use super::attribution;
use super::policy::{Policy, Rejection};
use crate::domain::outcome::NOT_PAID;
use crate::domain::{
    Extracted, Fact, InvoiceId, InvoiceSnapshot, Lines, MoneyError, PaymentId, SubscriptionId, Timestamp,
    money::narrow,
};
use crate::stripe::fields::{FieldError, Id, SignedAmount, read};
use crate::stripe::list::List;
use crate::stripe::objects::{Invoice, InvoicePayment, Line, ShippingCost, TaxAmount};
use crate::stripe::{EventBody, fields::Amount, words};

const AT: &str = "data.object";
/// Different prices of one invoice that are kept; Stripe shows ten lines in an event, and says when there are more.
const PRICES_LIMIT: usize = 100;

/// `invoice.paid`: the invoice was paid, or marked paid by hand.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_purchase(event: &EventBody<'_>, policy: &Policy) -> Result<Extracted, Rejection> {
    extract_invoice(event, &read(event.object, AT)?, policy)
}

/// `invoice.payment_succeeded`: tells the same as `invoice.paid`, but also of payments that leave a rest open.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong, or the invoice is not paid.
pub fn handle_payment_succeeded(event: &EventBody<'_>, policy: &Policy) -> Result<Extracted, Rejection> {
    let invoice: Invoice = read(event.object, AT)?;
    if !words::is_paid(invoice.status.as_deref()) {
        return Err(Rejection::Ignored(NOT_PAID));
    }
    extract_invoice(event, &invoice, policy)
}

/// `invoice_payment.paid`: since 2025-03-31 the only event that links a payment to an invoice.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong, or it is not paid.
pub fn handle_invoice_payment(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    let link: InvoicePayment = read(event.object, AT)?;
    if !words::is_paid(link.status.as_deref()) {
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
    Ok(Extracted { facts, ..Extracted::default() })
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

fn extract_invoice(
    event: &EventBody<'_>,
    invoice: &Invoice,
    policy: &Policy,
) -> Result<Extracted, Rejection> {
    let id = InvoiceId::new(&invoice.id.0);
    let customer = attribution::customer_of(invoice.customer.as_ref(), invoice.customer_account.as_ref());
    let paid_at = invoice.status_transitions.as_ref().and_then(|transitions| transitions.paid_at);
    let snapshot = InvoiceSnapshot {
        event: event.id.clone(),
        api_version: event.api_version.clone(),
        stripe_customer: customer.clone(),
        currency: invoice.currency.0,
        amount_paid_minor: amount_paid(event, invoice)?,
        total_minor: invoice.total.0,
        total_excluding_tax_minor: invoice.total_excluding_tax.map(|SignedAmount(minor)| minor),
        tax_minor: tax(invoice)?,
        shipping_minor: shipping(invoice, |shipping| shipping.amount_total),
        shipping_tax_minor: shipping(invoice, |shipping| shipping.amount_tax),
        lines: lines(invoice)?,
    };
    let paid_at = paid_at.map_or(event.created, Timestamp::from_unix);
    let mut facts = charge_of(invoice.charge.as_ref(), invoice.payment_intent.as_ref());
    facts.push(Fact::InvoicePaid { invoice: id.clone(), snapshot, paid_at });
    if let Some(Id(payment)) = invoice.payment_intent.as_ref().or(invoice.charge.as_ref()) {
        facts.push(Fact::PaymentLink { invoice: id, payment: PaymentId::new(payment), amount_minor: None });
    }
    if let Some(customer) = customer {
        let (named, account) = (invoice.customer.as_ref(), invoice.customer_account.as_ref());
        facts.extend(attribution::same_customer(named, account));
        facts.extend(attribution::email_of(&customer, &invoice.customer_email));
        if let Some(Id(subscription)) = subscription(invoice) {
            let (subscription, stripe_customer) = (SubscriptionId::new(subscription), customer.clone());
            facts.push(Fact::Subscription { subscription, stripe_customer, ended: false });
        }
        facts.extend(attribution::unread_discounts(event, invoice, &customer));
        facts.extend(attribution::claims_of_invoice(event, invoice, &customer, policy).map(Fact::Claim));
    }
    Ok(Extracted { facts, ..Extracted::default() })
}

/// What was paid. Before 2025-03-31 an invoice that was marked paid by hand counts that money as still open.
fn amount_paid(event: &EventBody<'_>, invoice: &Invoice) -> Result<i64, MoneyError> {
    let by_hand = event.is_before_basil() && invoice.paid_out_of_band == Some(true);
    let rest_minor =
        invoice.amount_remaining.filter(|_| by_hand).map_or(0, |SignedAmount(minor)| minor.max(0));
    invoice.amount_paid.0.checked_add(rest_minor).ok_or(MoneyError::Overflow)
}

fn shipping(invoice: &Invoice, amount: fn(&ShippingCost) -> Option<SignedAmount>) -> i64 {
    invoice.shipping_cost.as_ref().and_then(amount).map_or(0, |SignedAmount(minor)| minor)
}

/// The newer place, then the older, then the lines.
fn subscription(invoice: &Invoice) -> Option<&Id> {
    let details = invoice.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
    let of_parent = details.and_then(|details| details.subscription.as_ref());
    let lines = invoice.lines.iter().flat_map(|lines| &lines.data);
    let mut of_lines = lines.filter_map(|line| {
        let item = line.parent.as_ref().and_then(|parent| parent.subscription_item_details.as_ref());
        item.and_then(|item| item.subscription.as_ref()).or(line.subscription.as_ref())
    });
    of_parent.or(invoice.subscription.as_ref()).or_else(|| of_lines.next())
}

/// What the lines sold, by price and product: of each line its amount less its discounts, where that is more than 0.
fn lines(invoice: &Invoice) -> Result<Lines, MoneyError> {
    let Some(listed) = &invoice.lines else { return Ok(Lines { more: true, ..Lines::default() }) };
    weigh(listed.into_iter(), listed.more, PRICES_LIMIT)
}

/// What these lines sold, by price and product; `more` when there are others, or more than `prices` different prices.
///
/// # Errors
/// [`MoneyError`] when a sum does not fit.
pub fn weigh<'l>(
    listed: impl Iterator<Item = &'l Line>,
    more: bool,
    prices: usize,
) -> Result<Lines, MoneyError> {
    let mut lines = Lines { more, ..Lines::default() };
    for line in listed {
        let weight = weight(line)?;
        if weight <= 0 {
            continue;
        }
        let details = line.pricing.as_ref().and_then(|pricing| pricing.price_details.as_ref());
        let older = line.price.as_ref().or(line.plan.as_ref());
        let newer_price = details.and_then(|details| details.price.as_ref()).map(|Id(price)| price);
        let newer_product = details.and_then(|details| details.product.as_ref()).map(|Id(product)| product);
        let price = newer_price.or(older.map(|older| &older.price)).cloned();
        let product = newer_product.or(older.and_then(|older| older.product.as_ref())).cloned();
        let is_known = lines.weights.contains_key(&(price.clone(), product.clone()));
        if !is_known && lines.weights.len() >= prices {
            lines.more = true;
            continue;
        }
        let sum = lines.weights.entry((price, product)).or_default();
        *sum = sum.checked_add(weight).ok_or(MoneyError::Overflow)?;
    }
    Ok(lines)
}

fn weight(line: &Line) -> Result<i64, MoneyError> {
    let discounts = line.discount_amounts.iter().flatten().map(|discount| i128::from(discount.amount.0));
    let amount = line.amount.map_or(0, |SignedAmount(minor)| i128::from(minor));
    narrow(amount.checked_sub(discounts.sum()).ok_or(MoneyError::Overflow)?.max(0))
}

/// Σ `total_taxes`, else Σ `total_tax_amounts`, else `tax`.
fn tax(invoice: &Invoice) -> Result<Option<i64>, MoneyError> {
    let sum = |taxes: &List<TaxAmount>| narrow(taxes.iter().map(|tax| i128::from(tax.amount.0)).sum());
    match invoice.total_taxes.as_ref().or(invoice.total_tax_amounts.as_ref()) {
        Some(taxes) => sum(taxes).map(Some),
        None => Ok(invoice.tax.map(|SignedAmount(minor)| minor)),
    }
}
