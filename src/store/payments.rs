//! Payments, what they pay, and what takes from them: refunds, disputes, credit notes.

use std::collections::BTreeMap;

use entity::{credit_note, dispute, payment, payment_link, refund};

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
use super::error::{StoreError, corrupt};
use super::invoices::is_of_whole_customer;
use super::values::currency;
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{
    BalanceTransaction, BalanceTransactionId, CreditNoteFacts, CreditNoteId, DisputeFacts, DisputeId,
    DisputeState, InvoiceId, PaymentFacts, PaymentId, RefundFacts, RefundId, RefundState, Release, Timestamp,
};

/// The selections of payments and of what is about them.
#[derive(Debug, Default)]
pub(super) struct Selected {
    payments: Vec<Selection<payment::Model>>,
    links: Vec<Selection<payment_link::Model>>,
    refunds: Vec<Selection<refund::Model>>,
    disputes: Vec<Selection<dispute::Model>>,
    credit_notes: Vec<Selection<credit_note::Model>>,
}

/// Selects the payments that are needed by any of their names, and what takes from them; links and credit notes of the
/// invoices that are needed.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Selected::default();
    if !needs.payments.is_empty() {
        let ids = batch.texts(needs.payments.iter().map(PaymentId::as_str));
        selected.payments.push(batch.rows_in::<payment::Entity>(payment::Column::Id, ids));
        selected.payments.push(batch.rows_in::<payment::Entity>(payment::Column::PaymentIntent, ids));
        selected.links.push(batch.rows_in::<payment_link::Entity>(payment_link::Column::PaymentId, ids));
        selected.refunds.push(batch.rows_in::<refund::Entity>(refund::Column::PaymentId, ids));
        selected.disputes.push(batch.rows_in::<dispute::Entity>(dispute::Column::PaymentId, ids));
    }
    if !needs.refunds.is_empty() {
        let ids = batch.texts(needs.refunds.iter().map(RefundId::as_str));
        selected.refunds.push(batch.rows_in::<refund::Entity>(refund::Column::Id, ids));
    }
    if !needs.disputes.is_empty() {
        let ids = batch.texts(needs.disputes.iter().map(DisputeId::as_str));
        selected.disputes.push(batch.rows_in::<dispute::Entity>(dispute::Column::Id, ids));
    }
    if !needs.credit_notes.is_empty() {
        let ids = batch.texts(needs.credit_notes.iter().map(CreditNoteId::as_str));
        selected.credit_notes.push(batch.rows_in::<credit_note::Entity>(credit_note::Column::Id, ids));
    }
    if !needs.invoices.is_empty() {
        let ids = batch.texts(needs.invoices.iter().map(InvoiceId::as_str));
        selected.links.push(batch.rows_in::<payment_link::Entity>(payment_link::Column::InvoiceId, ids));
        selected.credit_notes.push(batch.rows_in::<credit_note::Entity>(credit_note::Column::InvoiceId, ids));
    }
    if let Some(is_theirs) = is_of_whole_customer(batch, needs, "invoice_id") {
        selected.links.push(batch.rows::<payment_link::Entity>(&is_theirs));
        selected.credit_notes.push(batch.rows::<credit_note::Entity>(&is_theirs));
    }
    selected
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        for selection in self.payments {
            fetched.payments.extend(answers.take(selection)?.into_iter().map(payment));
        }
        for selection in self.links {
            fetched.links.extend(answers.take(selection)?.into_iter().map(link));
        }
        for selection in self.refunds {
            for row in answers.take(selection)? {
                fetched.refunds.push(refund(row)?);
            }
        }
        for selection in self.disputes {
            for row in answers.take(selection)? {
                fetched.disputes.push(dispute(row)?);
            }
        }
        for selection in self.credit_notes {
            fetched.credit_notes.extend(answers.take(selection)?.into_iter().map(credit_note));
        }
        Ok(())
    }
}

/// Adds new and changed payments, links, refunds, disputes and credit notes.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes) {
    let overwrite = OnConflict::Overwrite;
    batch.rows::<payment::Entity>(changes.payments.iter().map(payment_row), overwrite);
    batch.rows::<payment_link::Entity>(changes.links.iter().map(link_row), overwrite);
    batch.rows::<refund::Entity>(changes.refunds.iter().map(refund_row), overwrite);
    batch.rows::<dispute::Entity>(changes.disputes.iter().map(dispute_row), overwrite);
    batch.rows::<credit_note::Entity>(changes.credit_notes.iter().map(credit_note_row), overwrite);
}

fn payment(row: payment::Model) -> (PaymentId, PaymentFacts) {
    let facts = PaymentFacts {
        payment_intent: row.payment_intent.map(PaymentId::new),
        captured_minor: row.captured_minor,
        amount_refunded_minor: row.amount_refunded_minor,
        released: row
            .released_minor
            .zip(row.released_captured_minor)
            .map(|(rest_minor, captured_minor)| Release { captured_minor, rest_minor }),
        no_invoice: row.no_invoice,
    };
    (PaymentId::new(row.id), facts)
}

fn payment_row((id, facts): &(PaymentId, PaymentFacts)) -> payment::Model {
    payment::Model {
        id: id.to_string(),
        payment_intent: facts.payment_intent.as_ref().map(ToString::to_string),
        captured_minor: facts.captured_minor,
        amount_refunded_minor: facts.amount_refunded_minor,
        released_minor: facts.released.map(|released| released.rest_minor),
        released_captured_minor: facts.released.map(|released| released.captured_minor),
        no_invoice: facts.no_invoice,
    }
}

fn link(row: payment_link::Model) -> (InvoiceId, PaymentId, Option<i64>) {
    (InvoiceId::new(row.invoice_id), PaymentId::new(row.payment_id), row.amount_minor)
}

fn link_row((invoice, payment, amount_minor): &(InvoiceId, PaymentId, Option<i64>)) -> payment_link::Model {
    payment_link::Model {
        invoice_id: invoice.to_string(),
        payment_id: payment.to_string(),
        amount_minor: *amount_minor,
    }
}

fn refund(row: refund::Model) -> Result<(RefundId, RefundFacts), StoreError> {
    let state = RefundState::parse(&row.state).ok_or_else(|| corrupt("refund", &row.id, &row.state))?;
    let (payment, created) = (PaymentId::new(row.payment_id), row.created_at.map(Timestamp::from_unix));
    Ok((RefundId::new(row.id), RefundFacts { payment, amount_minor: row.amount_minor, state, created }))
}

fn refund_row((id, facts): &(RefundId, RefundFacts)) -> refund::Model {
    refund::Model {
        id: id.to_string(),
        payment_id: facts.payment.to_string(),
        amount_minor: facts.amount_minor,
        state: facts.state.as_str().to_owned(),
        created_at: facts.created.map(Timestamp::unix),
    }
}

fn dispute(row: dispute::Model) -> Result<(DisputeId, DisputeFacts), StoreError> {
    let state = DisputeState::parse(&row.state).ok_or_else(|| corrupt("dispute", &row.id, &row.state))?;
    let currency = currency("dispute", &row.id, &row.currency)?;
    let facts = DisputeFacts {
        payment: PaymentId::new(row.payment_id),
        amount_minor: row.amount_minor,
        currency,
        state,
        closed_at: row.closed_at.map(Timestamp::from_unix),
        transactions: transactions(&row.id, row.transactions)?,
    };
    Ok((DisputeId::new(row.id), facts))
}

/// A balance transaction as it is stored: id, currency, amount.
type StoredTransaction<T> = (T, T, i64);

fn transactions(
    dispute: &str,
    column: Option<String>,
) -> Result<BTreeMap<BalanceTransactionId, BalanceTransaction>, StoreError> {
    let Some(text) = column else { return Ok(BTreeMap::new()) };
    let read: Result<Vec<StoredTransaction<String>>, _> = serde_json::from_str(&text);
    let read = read.or(Err(corrupt("dispute", dispute, &text)))?;
    let value = |(id, code, amount_minor): StoredTransaction<String>| {
        let currency = currency("dispute", dispute, &code)?;
        Ok((BalanceTransactionId::new(id), BalanceTransaction { amount_minor, currency }))
    };
    read.into_iter().map(value).collect()
}

fn transactions_column(transactions: &BTreeMap<BalanceTransactionId, BalanceTransaction>) -> Option<String> {
    let stored = transactions.iter();
    let stored: Vec<StoredTransaction<&str>> =
        stored.map(|(id, moved)| (id.as_str(), moved.currency.as_str(), moved.amount_minor)).collect();
    (!stored.is_empty()).then(|| serde_json::json!(stored).to_string())
}

fn dispute_row((id, facts): &(DisputeId, DisputeFacts)) -> dispute::Model {
    dispute::Model {
        id: id.to_string(),
        payment_id: facts.payment.to_string(),
        amount_minor: facts.amount_minor,
        currency: facts.currency.to_string(),
        state: facts.state.as_str().to_owned(),
        closed_at: facts.closed_at.map(Timestamp::unix),
        transactions: transactions_column(&facts.transactions),
    }
}

fn credit_note(row: credit_note::Model) -> (CreditNoteId, CreditNoteFacts) {
    let (invoice, amount_minor) = (InvoiceId::new(row.invoice_id), row.amount_minor);
    (CreditNoteId::new(row.id), CreditNoteFacts { invoice, amount_minor, void: row.void })
}

fn credit_note_row((id, facts): &(CreditNoteId, CreditNoteFacts)) -> credit_note::Model {
    credit_note::Model {
        id: id.to_string(),
        invoice_id: facts.invoice.to_string(),
        amount_minor: facts.amount_minor,
        void: facts.void,
    }
}
