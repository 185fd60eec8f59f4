//! Rows of what Stripe has told us.

use entity::{credit_note, dispute, invoice, payment, refund, subscription};

use super::{corrupt, currency};
use crate::domain::facts::Weights;
use crate::domain::{
    CreditNoteFacts, CreditNoteId, CustomerId, DisputeFacts, DisputeId, DisputeState, EventId, InvoiceId,
    Lines, PaidClaim, PaidInvoice, PaymentFacts, PaymentId, RefundFacts, RefundId, RefundState,
    SubscriptionId, Timestamp,
};
use crate::store::error::StoreError;

pub fn paid_invoice(row: invoice::Model) -> Result<(InvoiceId, PaidInvoice), StoreError> {
    let claim = PaidClaim {
        event: EventId::new(row.event_id),
        customer: row.customer_id.map(CustomerId::new),
        currency: currency("invoice", &row.id, &row.currency)?,
        amount_paid_minor: row.amount_paid_minor,
        total_minor: row.total_minor,
        total_excluding_tax_minor: row.total_excluding_tax_minor,
        tax_minor: row.tax_minor,
        lines: Lines { weights: weights(&row.id, row.lines)?, more: row.more_lines },
    };
    let paid_at = Timestamp::from_unix(row.paid_at);
    Ok((InvoiceId::new(row.id), PaidInvoice { claim, paid_at, conflict: row.conflict }))
}

pub fn invoice_row(id: &InvoiceId, invoice: &PaidInvoice) -> invoice::Model {
    let claim = &invoice.claim;
    invoice::Model {
        id: id.to_string(),
        event_id: claim.event.to_string(),
        customer_id: claim.customer.as_ref().map(ToString::to_string),
        currency: claim.currency.to_string(),
        amount_paid_minor: claim.amount_paid_minor,
        total_minor: claim.total_minor,
        total_excluding_tax_minor: claim.total_excluding_tax_minor,
        tax_minor: claim.tax_minor,
        paid_at: invoice.paid_at.unix(),
        conflict: invoice.conflict,
        lines: lines_column(&claim.lines),
        more_lines: claim.lines.more,
    }
}

/// A line as it is stored: price, product, what it sold.
type StoredLine<T> = (Option<T>, Option<T>, i64);

fn weights(invoice: &str, lines: Option<String>) -> Result<Weights, StoreError> {
    let Some(lines) = lines else { return Ok(Weights::new()) };
    let read: Result<Vec<StoredLine<String>>, _> = serde_json::from_str(&lines);
    let read = read.or(Err(corrupt("invoice", invoice, &lines)))?;
    Ok(read.into_iter().map(|(price, product, weight)| ((price, product), weight)).collect())
}

fn lines_column(lines: &Lines) -> Option<String> {
    if lines.weights.is_empty() {
        return None;
    }
    let stored = lines.weights.iter();
    let stored: Vec<StoredLine<&str>> =
        stored.map(|((price, product), weight)| (price.as_deref(), product.as_deref(), *weight)).collect();
    Some(serde_json::json!(stored).to_string())
}

pub fn subscription_row(id: &SubscriptionId, customer: &CustomerId, ended: bool) -> subscription::Model {
    subscription::Model { id: id.to_string(), customer_id: customer.to_string(), ended }
}

pub fn payment_facts(row: payment::Model) -> (PaymentId, PaymentFacts) {
    let facts = PaymentFacts {
        payment_intent: row.payment_intent.map(PaymentId::new),
        captured_minor: row.captured_minor,
        amount_refunded_minor: row.amount_refunded_minor,
    };
    (PaymentId::new(row.id), facts)
}

pub fn payment_row(id: &PaymentId, facts: &PaymentFacts) -> payment::Model {
    payment::Model {
        id: id.to_string(),
        payment_intent: facts.payment_intent.as_ref().map(ToString::to_string),
        captured_minor: facts.captured_minor,
        amount_refunded_minor: facts.amount_refunded_minor,
    }
}

pub fn refund_facts(row: refund::Model) -> Result<(RefundId, RefundFacts), StoreError> {
    let state = RefundState::parse(&row.state).ok_or_else(|| corrupt("refund", &row.id, &row.state))?;
    let facts =
        RefundFacts { payment: PaymentId::new(row.payment_id), amount_minor: row.amount_minor, state };
    Ok((RefundId::new(row.id), facts))
}

pub fn refund_row(id: &RefundId, facts: &RefundFacts) -> refund::Model {
    refund::Model {
        id: id.to_string(),
        payment_id: facts.payment.to_string(),
        amount_minor: facts.amount_minor,
        state: facts.state.as_str().to_owned(),
    }
}

pub fn dispute_facts(row: dispute::Model) -> Result<(DisputeId, DisputeFacts), StoreError> {
    let state = DisputeState::parse(&row.state).ok_or_else(|| corrupt("dispute", &row.id, &row.state))?;
    let currency = currency("dispute", &row.id, &row.currency)?;
    let (payment, amount_minor) = (PaymentId::new(row.payment_id), row.amount_minor);
    Ok((DisputeId::new(row.id), DisputeFacts { payment, amount_minor, currency, state }))
}

pub fn dispute_row(id: &DisputeId, facts: &DisputeFacts) -> dispute::Model {
    dispute::Model {
        id: id.to_string(),
        payment_id: facts.payment.to_string(),
        amount_minor: facts.amount_minor,
        currency: facts.currency.to_string(),
        state: facts.state.as_str().to_owned(),
    }
}

pub fn credit_note_facts(row: credit_note::Model) -> (CreditNoteId, CreditNoteFacts) {
    let (invoice, amount_minor) = (InvoiceId::new(row.invoice_id), row.amount_minor);
    (CreditNoteId::new(row.id), CreditNoteFacts { invoice, amount_minor, void: row.void })
}

pub fn credit_note_row(id: &CreditNoteId, facts: &CreditNoteFacts) -> credit_note::Model {
    credit_note::Model {
        id: id.to_string(),
        invoice_id: facts.invoice.to_string(),
        amount_minor: facts.amount_minor,
        void: facts.void,
    }
}
