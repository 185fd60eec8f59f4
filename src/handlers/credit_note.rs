//! The credit note handler: what was paid back outside Stripe. Refunds of a credit note arrive as refunds, and credit to
//! the customer's balance is no loss.

use super::policy::{Policy, Rejection};
use crate::domain::money::narrow;
use crate::domain::{CreditNoteFacts, CreditNoteId, Extracted, Fact, InvoiceId};
use crate::stripe::fields::read;
use crate::stripe::objects::CreditNote;
use crate::stripe::{EventBody, words};

/// `credit_note.created`, `updated`, `voided`.
///
/// # Errors
/// [`Rejection`] when a field that a rule needs is missing or wrong.
pub fn handle_credit_note(event: &EventBody<'_>, _: &Policy) -> Result<Extracted, Rejection> {
    let note: CreditNote = read(event.object, "data.object")?;
    let records = note.refunds.iter().flatten();
    let records = records.filter(|refund| refund.refund_type.as_deref() == Some("payment_record_refund"));
    let records = records.filter_map(|refund| refund.amount_refunded);
    let amounts = records.chain(note.out_of_band_amount).map(|amount| i128::from(amount.0));
    let facts = CreditNoteFacts {
        invoice: InvoiceId::new(note.invoice.0),
        amount_minor: narrow(amounts.sum())?,
        void: words::is_void(note.status.as_deref()),
    };
    let credit_note = CreditNoteId::new(note.id.0);
    Ok(Extracted { facts: vec![Fact::CreditNote { credit_note, facts }], ..Extracted::default() })
}
