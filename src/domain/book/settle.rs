//! Posting the difference between what the ledger should hold and what is posted.

use std::collections::BTreeSet;

use super::{
    Assessor, Book, Cause, Commission, InvoiceId, Kind, LedgerEntry, MoneyError, Outcome, Party, PaymentId,
    Sums, Touched,
};
use crate::domain::{Assessment, Referral, money::Currency, money::minus};

impl Book {
    /// Assesses every invoice that what was touched may move, posts the differences, and settles the parked events whose
    /// invoice is now known. Returns the invoices with new entries.
    pub(super) fn settle(
        &mut self,
        touched: &Touched,
        cause: &Cause,
    ) -> Result<BTreeSet<InvoiceId>, MoneyError> {
        if !touched.changed {
            return Ok(BTreeSet::new());
        }
        let mut affected = self.graph.affected(&touched.invoices, &touched.payments);
        for party in &touched.parties {
            self.need_all_of(party);
            affected.extend(self.invoices_of_party(party));
        }
        let superseded = self.seat_touched(touched)?;
        let others: BTreeSet<InvoiceId> = superseded.difference(&affected).cloned().collect();
        // An invoice whose place moved names the one that moved it.
        let mover = touched.paid.first().map(|paid| Cause::Superseded(paid.clone()));
        let assessed = self.assess_all(&affected)?;
        let mut posted = self.post(assessed, cause)?;
        let assessed = self.assess_all(&others)?;
        posted.extend(self.post(assessed, mover.as_ref().unwrap_or(cause))?);
        self.settle_parked(&affected, &posted);
        self.note_promoters();
        Ok(posted)
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

    /// Finds the places of everyone whose invoices or referral changed. Returns the invoices, of whomever, that their
    /// moving may move.
    fn seat_touched(&mut self, touched: &Touched) -> Result<BTreeSet<InvoiceId>, MoneyError> {
        let of_customers = touched.customers.iter().map(|customer| self.parties.party_of(customer));
        let parties: BTreeSet<Party> = of_customers.chain(touched.parties.iter().cloned()).collect();
        let mut superseded = BTreeSet::new();
        let mut moved = false;
        for party in &parties {
            if self.depends_on_all_invoices(party) {
                self.need_all_of(party);
                superseded.extend(self.invoices_of_party(party));
            }
            moved |= self.seat(party)?;
        }
        if moved {
            let exhausted = self.find_exhausted();
            let before = std::mem::replace(&mut self.exhausted, exhausted);
            let others: Vec<Party> = before.symmetric_difference(&self.exhausted).cloned().collect();
            for party in &others {
                self.need_all_of(party);
                superseded.extend(self.invoices_of_party(party));
            }
        }
        Ok(superseded)
    }

    /// True when the invoices of a party cannot be assessed one by one: their terms count them, or the promoter's rewarded
    /// places are limited.
    fn depends_on_all_invoices(&self, party: &Party) -> bool {
        let Some(referral) = self.referrals.get(party).filter(|referral| !referral.void) else {
            return false;
        };
        let group = (referral.promoter.clone(), referral.program.clone());
        referral.terms.counts_invoices() || self.limits_rewards(&group)
    }

    fn assess_all(&mut self, invoices: &BTreeSet<InvoiceId>) -> Result<Vec<Assessed>, MoneyError> {
        let counting: BTreeSet<Party> = invoices
            .iter()
            .filter_map(|id| self.party_of_invoice(id))
            .filter(|party| self.referrals.get(party).is_some_and(|known| known.terms.counts_invoices()))
            .collect();
        for party in &counting {
            self.need_all_of(party);
        }
        let mut assessor = Assessor::new(self);
        let mut assessed = Vec::with_capacity(invoices.len());
        for id in invoices {
            let Some(invoice) = self.invoices.get(id) else { continue };
            let Some((assessment, referral)) = assessor.assess(id)? else { continue };
            let currency = invoice.claim.currency;
            assessed.push(Assessed {
                id: id.clone(),
                targets: Self::targets(&assessment, referral, currency),
                commission: Commission {
                    referral: referral.map(|referral| (referral.id.clone(), referral.promoter.clone())),
                    currency,
                    assessment,
                },
            });
        }
        Ok(assessed)
    }

    /// Posts the differences; returns the invoices with new entries.
    fn post(&mut self, assessed: Vec<Assessed>, cause: &Cause) -> Result<BTreeSet<InvoiceId>, MoneyError> {
        let mut posted = BTreeSet::new();
        for Assessed { id, targets, commission } in assessed {
            let sums = self.posted.entry(id.clone()).or_default();
            let entries = differences(&id, targets, sums, cause)?;
            if !entries.is_empty() {
                posted.insert(id.clone());
            }
            self.changes.entries.extend(entries);
            if self.commissions.get(&id) != Some(&commission) {
                self.changes.commissions.insert(id.clone(), commission.clone());
                self.commissions.insert(id, commission);
            }
        }
        Ok(posted)
    }

    /// Ordinals and uses are given under the lock of the promoter.
    fn note_promoters(&mut self) {
        for (party, code) in &self.changes.grants {
            let grant = self.grants.get(party).and_then(|grants| grants.get(code));
            self.lacking.promoters.extend(grant.map(|grant| grant.promoter.clone()));
        }
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

/// An invoice, what the ledger should hold for it, and its row.
struct Assessed {
    id: InvoiceId,
    targets: Sums,
    commission: Commission,
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
