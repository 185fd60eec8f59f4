//! Paid invoices.

use entity::{invoice, unread_discounts};

use super::batch::{Answers, BatchSelect, BatchUpsert, OnConflict, Selection};
use super::error::{StoreError, corrupt};
use super::values::{currency, stripe_names};
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::lines::Weights;
use crate::domain::{EventId, InvoiceId, InvoiceSnapshot, Lines, PaidInvoice, StripeCustomerId, Timestamp};

/// The selections of invoices, by id and by customer.
#[derive(Debug)]
pub(super) struct Selected {
    by_id: Option<Selection<invoice::Model>>,
    by_customer: Option<Selection<invoice::Model>>,
}

/// Selects the invoices that are needed.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let by_id = (!needs.invoices.is_empty()).then(|| {
        let ids = batch.texts(needs.invoices.iter().map(InvoiceId::as_str));
        batch.rows_in::<invoice::Entity>(invoice::Column::Id, ids)
    });
    let customers = stripe_names(&needs.all_invoices_of);
    let by_customer = (!customers.is_empty()).then(|| {
        let customers = batch.texts(customers.into_iter());
        batch.rows_in::<invoice::Entity>(invoice::Column::StripeCustomerId, customers)
    });
    Selected { by_id, by_customer }
}

/// The condition that a column names an invoice of these customers, of whom all invoices are needed.
pub(super) fn is_of_whole_customer(batch: &mut BatchSelect, needs: &Needs, column: &str) -> Option<String> {
    let customers = stripe_names(&needs.all_invoices_of);
    if customers.is_empty() {
        return None;
    }
    let customers = batch.texts(customers.into_iter());
    let is_theirs = batch.is_in("stripe_customer_id", customers);
    Some(batch.is_among(column, &format!("SELECT id FROM invoice WHERE {is_theirs}")))
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        for selection in self.by_id.into_iter().chain(self.by_customer) {
            for row in answers.take(selection)? {
                fetched.invoices.push(value(row)?);
            }
        }
        Ok(())
    }
}

/// Adds the new and changed invoices.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes) {
    let rows = changes.invoices.iter().map(|(id, invoice)| row(id, invoice));
    batch.rows::<invoice::Entity>(rows, OnConflict::Overwrite);
    let unread = changes.unread_discounts.iter().map(|unread| unread_discounts::Model {
        invoice_id: unread.invoice.to_string(),
        event_id: unread.event.to_string(),
        stripe_customer_id: unread.stripe_customer.to_string(),
        told_at: unread.told_at.unix(),
        lookups: 0,
        lookup_at: None,
        is_read: false,
    });
    batch.rows::<unread_discounts::Entity>(unread, OnConflict::Keep);
}

fn value(row: invoice::Model) -> Result<(InvoiceId, PaidInvoice), StoreError> {
    let snapshot = InvoiceSnapshot {
        event: EventId::new(row.event_id),
        api_version: row.api_version,
        stripe_customer: row.stripe_customer_id.map(StripeCustomerId::new),
        currency: currency("invoice", &row.id, &row.currency)?,
        amount_paid_minor: row.amount_paid_minor,
        total_minor: row.total_minor,
        total_excluding_tax_minor: row.total_excluding_tax_minor,
        tax_minor: row.tax_minor,
        shipping_minor: row.shipping_minor,
        shipping_tax_minor: row.shipping_tax_minor,
        lines: Lines { weights: weights(&row.id, row.lines)?, more: row.more_lines },
    };
    let paid_at = Timestamp::from_unix(row.paid_at);
    Ok((
        InvoiceId::new(row.id),
        PaidInvoice { snapshot, paid_at, conflict: row.conflict, lines_read: row.lines_read },
    ))
}

fn row(id: &InvoiceId, invoice: &PaidInvoice) -> invoice::Model {
    let snapshot = &invoice.snapshot;
    invoice::Model {
        id: id.to_string(),
        event_id: snapshot.event.to_string(),
        api_version: snapshot.api_version.clone(),
        stripe_customer_id: snapshot.stripe_customer.as_ref().map(ToString::to_string),
        currency: snapshot.currency.to_string(),
        amount_paid_minor: snapshot.amount_paid_minor,
        total_minor: snapshot.total_minor,
        total_excluding_tax_minor: snapshot.total_excluding_tax_minor,
        tax_minor: snapshot.tax_minor,
        shipping_minor: snapshot.shipping_minor,
        shipping_tax_minor: snapshot.shipping_tax_minor,
        paid_at: invoice.paid_at.unix(),
        conflict: invoice.conflict,
        lines: lines_column(&snapshot.lines),
        more_lines: snapshot.lines.more,
        lines_read: invoice.lines_read,
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
