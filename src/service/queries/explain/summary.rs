//! One sentence about an invoice, for the stories of what it belongs to.

use crate::domain::ledger::State;
use crate::domain::{Assessor, CommissionStatus, InvoiceId, MoneyError, Timestamp};

/// What a paid invoice earned and what is left, in one sentence.
///
/// # Errors
/// [`MoneyError`] when an amount does not fit.
pub fn of_invoice<'s>(
    state: &'s State,
    assessor: &mut Assessor<'s>,
    id: &InvoiceId,
    now: Timestamp,
) -> Result<Option<String>, MoneyError> {
    let Some(invoice) = state.invoice(id) else { return Ok(None) };
    let Some((assessment, _)) = assessor.assess(id)? else { return Ok(None) };
    let currency = invoice.snapshot.currency;
    let amount = currency.display(invoice.snapshot.amount_paid_minor);
    let status = CommissionStatus::of(state, id, &assessment, now).as_str();
    let what = if let Some(reason) = assessment.reason {
        format!("earns nothing ({})", reason.as_str())
    } else if assessment.commission_minor == 0 {
        "earned nothing".to_owned()
    } else {
        let net = currency.display(assessment.net_minor());
        let earned = currency.display(assessment.commission_minor);
        format!("earned {earned}, {net} of it is left ({status})")
    };
    Ok(Some(format!("Invoice {id}, {amount} paid at {}, {what}.", invoice.paid_at)))
}
