//! The story of a payment, and of what takes from it: refunds, disputes, credit notes; and of a subscription.

use std::collections::BTreeSet;

use super::{summary, words};
use crate::domain::ledger::{Needs, State};
use crate::domain::{
    CreditNoteFacts, CreditNoteId, Currency, DisputeId, InvoiceId, PaymentId, RefundId, SubscriptionId,
    Timestamp,
};
use crate::service::ServiceError;
use crate::store::snapshot::Snapshot;
use crate::store::{Database, customers};

/// What the story is about, and its sentences; `None` when nothing is known of such an object.
pub async fn tell(
    db: &Database,
    id: &str,
    now: Timestamp,
) -> Result<Option<(&'static str, Vec<String>)>, ServiceError> {
    let (payment, refund, dispute, note) =
        (PaymentId::new(id), RefundId::new(id), DisputeId::new(id), CreditNoteId::new(id));
    let needs = Needs {
        payments: [payment.clone()].into(),
        refunds: [refund.clone()].into(),
        disputes: [dispute.clone()].into(),
        credit_notes: [note.clone()].into(),
        ..Needs::default()
    };
    let mut snapshot = Snapshot::of(db).await?;
    let state = snapshot.load(needs).await?;
    snapshot.end().await?;
    let payments = &state.payments;
    if let Some(facts) = payments.refund(&refund) {
        return Ok(Some(("refund", of_payment(&state, &facts.payment, now)?)));
    }
    if let Some(facts) = payments.dispute(&dispute) {
        return Ok(Some(("dispute", of_payment(&state, &facts.payment, now)?)));
    }
    if let Some(facts) = payments.credit_note(&note) {
        let currency = state.invoice(&facts.invoice).map(|invoice| invoice.snapshot.currency);
        let mut told = vec![credit_note(&note, facts, currency)];
        told.extend(of_invoice(&state, &facts.invoice, now)?);
        return Ok(Some(("credit_note", told)));
    }
    let is_known = payments.payment(&payment).is_some()
        || !payments.invoices_of(&payment).is_empty()
        || payments.refunds_of_payment(&payment).next().is_some()
        || payments.disputes_of_payment(&payment).next().is_some()
        || state.parked.contains_key(&payment);
    if is_known {
        return Ok(Some(("payment", of_payment(&state, &payment, now)?)));
    }
    Ok(subscription(db, id).await?.map(|told| ("subscription", told)))
}

fn of_payment(state: &State, named: &PaymentId, now: Timestamp) -> Result<Vec<String>, ServiceError> {
    let payment = state.payments.resolve(named).clone();
    let invoices = state.payments.invoices_of(&payment);
    let mut paid = invoices.iter().filter_map(|id| state.invoice(id));
    let currency = paid.next().map(|invoice| invoice.snapshot.currency);
    let pays = if invoices.is_empty() {
        "pays no invoice that is known yet; what is taken from it waits until one is".to_owned()
    } else {
        let invoices: Vec<&str> = invoices.iter().map(InvoiceId::as_str).collect();
        format!("pays {}", invoices.join(", "))
    };
    let mut told = vec![format!("Payment {payment}{} {pays}.", charges(state, &payment))];
    told.extend(takings(state, &payment, currency));
    for name in state.payments.names_of(&payment) {
        let waiting = state.parked.get(&name).into_iter().flatten();
        // Several tellings of one event wait as one.
        let waiting: BTreeSet<_> = waiting.map(|telling| &telling.id).collect();
        told.extend(
            waiting.iter().map(|event| format!("Event {event} is parked until an invoice of it is known.")),
        );
    }
    for invoice in &invoices {
        told.extend(of_invoice(state, invoice, now)?);
    }
    Ok(told)
}

/// What was taken from an invoice in all, and what it earned.
fn of_invoice(state: &State, id: &InvoiceId, now: Timestamp) -> Result<Vec<String>, ServiceError> {
    let Some(told) = summary::of_invoice(state, &mut state.assessor(), id, now)? else {
        return Ok(vec![format!("Invoice {id} is not known as paid, so it earns nothing yet.")]);
    };
    Ok(vec![told].into_iter().chain(loss(state, id)?).collect())
}

/// How much of an invoice was lost, and by what; nothing when nothing was.
///
/// # Errors
/// [`ServiceError::Money`] when an amount does not fit.
pub fn loss(state: &State, id: &InvoiceId) -> Result<Option<String>, ServiceError> {
    let Some(invoice) = state.invoice(id) else { return Ok(None) };
    let taken = state.loss_of(id)?;
    if taken.total_minor == 0 {
        return Ok(None);
    }
    let shown = |minor| invoice.snapshot.currency.display(minor);
    let parts =
        [(taken.refunds_minor, "by refunds and credit notes"), (taken.disputes_minor(), "by disputes")];
    let parts = parts.into_iter().filter(|(minor, _)| *minor > 0);
    let parts: Vec<String> = parts.map(|(minor, by)| format!("{} {by}", shown(minor))).collect();
    let (total, paid) = (shown(taken.total_minor), shown(invoice.snapshot.amount_paid_minor));
    Ok(Some(format!("Invoice {id} lost {total} of {paid}: {}.", parts.join(", "))))
}

/// The charges of a payment that is named by its payment intent.
pub fn charges(state: &State, payment: &PaymentId) -> String {
    let names = state.payments.names_of(payment).into_iter().filter(|name| name != payment);
    let names: Vec<String> = names.map(PaymentId::into_string).collect();
    if names.is_empty() { String::new() } else { format!(" (charge {})", names.join(", ")) }
}

/// Everything that takes from a payment.
pub fn takings(state: &State, payment: &PaymentId, currency: Option<Currency>) -> Vec<String> {
    let shown = |minor: i64| words::amount(currency, minor);
    let mut told = Vec::new();
    let release = state.payments.release_of(payment);
    for (refund, facts) in state.payments.refunds_of_payment(payment) {
        let is_release = release == Some(refund);
        let word = if is_release { words::RELEASE } else { words::refund_state(facts.state) };
        told.push(format!("Refund {refund} of {payment}: {}, {word}.", shown(facts.amount_minor)));
    }
    let refunded = state.payments.amount_refunded(payment);
    if refunded > 0 {
        told.push(format!("Its charge tells of {} refunded in all.", shown(refunded)));
    }
    for (dispute, facts) in state.payments.disputes_of_payment(payment) {
        let amount = facts.currency.display(facts.amount_minor);
        let word = words::dispute_state(facts.state);
        told.push(format!("Dispute {dispute} of {payment}: {amount}, {word}."));
        let moved = facts.transactions.values().map(|moved| moved.currency.display(moved.amount_minor));
        let moved: Vec<String> = moved.collect();
        if !moved.is_empty() {
            told.push(format!("On the balance it has moved {}.", moved.join(", ")));
        }
    }
    told
}

/// A credit note.
pub fn credit_note(id: &CreditNoteId, facts: &CreditNoteFacts, currency: Option<Currency>) -> String {
    let state = if facts.void { "void, so it takes nothing" } else { "paid back outside Stripe" };
    format!("Credit note {id}: {}, {state}.", words::amount(currency, facts.amount_minor))
}

async fn subscription(db: &Database, id: &str) -> Result<Option<Vec<String>>, ServiceError> {
    let known = customers::of_subscription(db.reader(), &SubscriptionId::new(id)).await?;
    let told = known.into_iter().map(|(customer, ended)| {
        let state = if ended { "has ended" } else { "is alive" };
        format!(
            "Subscription {id} of customer {customer} {state}; ask for {customer} to see who referred it."
        )
    });
    let told: Vec<String> = told.collect();
    Ok((!told.is_empty()).then_some(told))
}
