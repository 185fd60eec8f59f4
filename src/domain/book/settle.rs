//! Posting the difference between what the ledger should hold and what is posted.

use std::collections::BTreeSet;

use super::{Book, Cause, Commission, InvoiceId, Kind, LedgerEntry, MoneyError, Outcome, PaymentId, Sums};
use crate::domain::{Assessment, Referral, assess, money::Currency, money::minus};

impl Book {
    /// Assesses every invoice that a change of these invoices and payments may move, posts the differences, and
    /// settles the parked events whose invoice is now known. Returns the invoices with new entries.
    pub(super) fn settle(
        &mut self,
        invoices: &BTreeSet<InvoiceId>,
        payments: &BTreeSet<PaymentId>,
        cause: &Cause,
    ) -> Result<BTreeSet<InvoiceId>, MoneyError> {
        let affected = self.graph.affected(invoices, payments);
        let mut posted = BTreeSet::new();
        for invoice in &affected {
            if self.settle_invoice(invoice, cause)? {
                posted.insert(invoice.clone());
            }
        }
        self.settle_parked(&affected, &posted);
        Ok(posted)
    }

    /// What the ledger should hold for an invoice by the facts at hand; `None` while it is not known as paid.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit.
    pub fn assessment(
        &self,
        invoice: &InvoiceId,
    ) -> Result<Option<(Assessment, Option<&Referral>)>, MoneyError> {
        let Some(paid) = self.invoices.get(invoice) else { return Ok(None) };
        let amount_paid = |id: &InvoiceId| self.invoices.get(id).map(|paid| paid.claim.amount_paid_minor);
        let loss = self.graph.loss(invoice, paid.claim.currency, &amount_paid)?;
        let referral = self.referral_of(paid.claim.customer.as_ref());
        Ok(Some((assess(paid, referral, loss)?, referral.ok())))
    }

    /// The sums that the ledger should hold for an assessment: one for each kind, for the present promoter only, at the
    /// present date.
    pub fn targets(assessment: &Assessment, referral: Option<&Referral>, currency: Currency) -> Sums {
        let target = |kind| match kind {
            Kind::Commission => assessment.commission_minor,
            Kind::Refund => assessment.refund_minor,
            Kind::Dispute => assessment.dispute_minor,
        };
        let of_promoter = |referral: &Referral| {
            let (promoter, available_at) = (referral.promoter.clone(), assessment.available_at);
            let sum = move |kind| ((promoter.clone(), currency, kind, available_at), target(kind));
            Kind::OF_INVOICE.into_iter().map(sum)
        };
        referral.map(of_promoter).into_iter().flatten().collect()
    }

    fn settle_invoice(&mut self, id: &InvoiceId, cause: &Cause) -> Result<bool, MoneyError> {
        let Some((assessment, referral)) = self.assessment(id)? else { return Ok(false) };
        let Some(currency) = self.invoices.get(id).map(|paid| paid.claim.currency) else { return Ok(false) };
        let commission = Commission {
            referral: referral.map(|referral| (referral.id.clone(), referral.promoter.clone())),
            currency,
            rate: referral.map(|referral| referral.terms.rate),
            assessment,
        };
        let targets = Self::targets(&assessment, referral, currency);
        let sums = self.posted.entry(id.clone()).or_default();
        let entries = differences(id, targets, sums, cause)?;
        let posted = !entries.is_empty();
        self.changes.entries.extend(entries);
        self.changes.commissions.insert(id.clone(), commission);
        Ok(posted)
    }

    fn settle_parked(&mut self, affected: &BTreeSet<InvoiceId>, posted: &BTreeSet<InvoiceId>) {
        if self.parked.is_empty() {
            return;
        }
        let payments: BTreeSet<PaymentId> =
            affected.iter().flat_map(|invoice| self.graph.payments_of(invoice)).collect();
        for payment in &payments {
            if !self.pays_a_known_invoice(payment) {
                continue;
            }
            let outcome = match self.graph.invoices_of(payment).intersection(posted).next() {
                Some(_) => Outcome::Posted,
                None => Outcome::Recorded,
            };
            for name in self.graph.names_of(payment) {
                let events = self.parked.remove(&name).into_iter().flatten();
                self.changes.settled.extend(events.map(|event| (event, outcome.clone())));
            }
        }
    }
}

/// target − Σ posted, for every key of either side; `sums` then holds the targets. What was posted for a former
/// promoter, or at a former date, is taken back at that date.
fn differences(
    invoice: &InvoiceId,
    mut targets: Sums,
    sums: &mut Sums,
    cause: &Cause,
) -> Result<Vec<LedgerEntry>, MoneyError> {
    for key in sums.keys() {
        if !targets.contains_key(key) {
            targets.insert(key.clone(), 0);
        }
    }
    let mut entries = Vec::new();
    for (key, target_minor) in targets {
        let amount_minor = minus(target_minor, sums.insert(key.clone(), target_minor).unwrap_or(0))?;
        if amount_minor != 0 {
            let (promoter, currency, kind, available_at) = key;
            let (invoice, cause) = (invoice.clone(), cause.clone());
            entries.push(LedgerEntry {
                promoter,
                invoice,
                kind,
                amount_minor,
                currency,
                available_at,
                cause,
            });
        }
    }
    Ok(entries)
}
