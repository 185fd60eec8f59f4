//! Posting the difference between what the ledger should hold and what is posted.

use std::collections::BTreeSet;

use super::merge::Touched;
use super::unit::UnitOfWork;
use super::values::Sums;
use crate::domain::entries::Earner;
use crate::domain::inbox::Telling;
use crate::domain::money::minus;
use crate::domain::{
    Assessment, Cause, Commission, Currency, Customer, InvoiceId, Kind, LedgerEntry, MoneyError, Outcome,
    PaymentId, Referral,
};

impl UnitOfWork {
    /// Assesses every invoice that may move with what was touched, posts the differences, and settles the parked events
    /// whose invoice is known now. Returns the invoices with new entries.
    pub(super) fn settle(
        &mut self,
        touched: &Touched,
        cause: &Cause,
    ) -> Result<BTreeSet<InvoiceId>, MoneyError> {
        if !touched.changed {
            return Ok(BTreeSet::new());
        }
        let (affected, others) = self.give(touched)?;
        // An invoice that lost or gained its number or slot names the one that moved it.
        let mover = touched.paid.first().map(|paid| Cause::Superseded(paid.clone()));
        let assessed = self.assess_all(&affected)?;
        let mut posted = self.post(assessed, cause)?;
        let assessed = self.assess_all(&others)?;
        posted.extend(self.post(assessed, mover.as_ref().unwrap_or(cause))?);
        self.settle_parked(&affected, &posted);
        self.give_up_without_invoice(&touched.payments);
        Ok(posted)
    }

    /// Gives slots and numbers to all that was touched. Returns the invoices that it affects, and those of others that move
    /// with them.
    pub(super) fn give(
        &mut self,
        touched: &Touched,
    ) -> Result<(BTreeSet<InvoiceId>, BTreeSet<InvoiceId>), MoneyError> {
        let mut affected = self.state.payments.affected(&touched.invoices, &touched.payments);
        for customer in &touched.customers {
            self.require_all_of(customer);
            affected.extend(self.state.invoices_of_customer(customer));
        }
        let superseded = self.give_slots(touched)?;
        let others: BTreeSet<InvoiceId> = superseded.difference(&affected).cloned().collect();
        self.give_numbers(&touched.customers, affected.union(&others))?;
        Ok((affected, others))
    }

    /// Finds the reward slots of everyone whose invoices or referral changed. Returns the invoices, of whomever, that may
    /// move with them.
    fn give_slots(&mut self, touched: &Touched) -> Result<BTreeSet<InvoiceId>, MoneyError> {
        let of_customers = touched
            .stripe_customers
            .iter()
            .map(|stripe_customer| self.state.customers.customer_named(stripe_customer));
        let customers: BTreeSet<Customer> = of_customers.chain(touched.customers.iter().cloned()).collect();
        let mut superseded = BTreeSet::new();
        let mut moved = false;
        for customer in &customers {
            let referral = self.state.referrals.get(customer).filter(|referral| !referral.void);
            if referral.is_some_and(|referral| self.state.needs_all_invoices(referral)) {
                self.require_all_of(customer);
                superseded.extend(self.state.invoices_of_customer(customer));
            }
            moved |= self.give_slot(customer)?;
        }
        if moved {
            let exhausted = self.state.find_exhausted();
            let before = std::mem::replace(&mut self.state.exhausted, exhausted);
            let others: Vec<Customer> = before.symmetric_difference(&self.state.exhausted).cloned().collect();
            for customer in &others {
                self.require_all_of(customer);
                superseded.extend(self.state.invoices_of_customer(customer));
            }
        }
        Ok(superseded)
    }

    fn assess_all(&mut self, invoices: &BTreeSet<InvoiceId>) -> Result<Vec<Assessed>, MoneyError> {
        let counting: BTreeSet<Customer> = invoices
            .iter()
            .filter_map(|id| self.state.customer_of_invoice(id))
            .filter(|customer| {
                self.state.referrals.get(customer).is_some_and(|known| known.terms.counts_invoices())
            })
            .collect();
        for customer in &counting {
            self.require_all_of(customer);
        }
        let mut assessor = self.state.assessor();
        let mut assessed = Vec::with_capacity(invoices.len());
        for id in invoices {
            let Some(invoice) = self.state.invoices.get(id) else { continue };
            let Some((assessment, referral)) = assessor.assess(id)? else { continue };
            let currency = invoice.snapshot.currency;
            assessed.push(Assessed {
                id: id.clone(),
                targets: targets(&assessment, referral, currency),
                commission: Commission { earner: referral.map(Earner::of), currency, assessment },
            });
        }
        Ok(assessed)
    }

    /// Posts the differences; returns the invoices with new entries.
    fn post(&mut self, assessed: Vec<Assessed>, cause: &Cause) -> Result<BTreeSet<InvoiceId>, MoneyError> {
        let mut posted = BTreeSet::new();
        for Assessed { id, targets, commission } in assessed {
            let sums = self.state.posted.entry(id.clone()).or_default();
            let entries = differences(&id, targets, sums, cause)?;
            if !entries.is_empty() {
                posted.insert(id.clone());
            }
            self.changed.entries.extend(entries);
            let known = self.state.commissions.get(&id);
            // That no claim concerns an invoice goes without saying.
            let goes_without = known.is_none() && commission.assessment.is_not_referred();
            if !goes_without && known != Some(&commission) {
                self.changed.commissions.insert(id.clone());
                self.state.commissions.insert(id, commission);
            }
        }
        Ok(posted)
    }

    fn settle_parked(&mut self, affected: &BTreeSet<InvoiceId>, posted: &BTreeSet<InvoiceId>) {
        if self.state.parked.is_empty() && self.state.no_invoice.is_empty() {
            return;
        }
        let payments: BTreeSet<PaymentId> =
            affected.iter().flat_map(|invoice| self.state.payments.payments_of(invoice)).collect();
        for payment in &payments {
            if !self.state.pays_a_known_invoice(payment) {
                continue;
            }
            let outcome = match self.state.payments.invoices_of(payment).intersection(posted).next() {
                Some(_) => Outcome::Posted,
                None => Outcome::Recorded,
            };
            for name in self.state.payments.names_of(payment) {
                let parked = self.state.parked.remove(&name).into_iter().flatten();
                let waiting = parked.chain(self.state.no_invoice.remove(&name).into_iter().flatten());
                for telling in waiting {
                    self.settle_event(telling, outcome.clone());
                }
            }
        }
    }

    /// Events that are parked on payments of which a charge shows that they have paid no invoice wait for nothing.
    fn give_up_without_invoice(&mut self, payments: &BTreeSet<PaymentId>) {
        if self.state.parked.is_empty() {
            return;
        }
        for payment in payments {
            if self.state.payments.has_no_invoice(payment) {
                for name in self.state.payments.names_of(payment) {
                    self.give_up(&name, |_| true);
                }
            }
        }
    }

    /// Ignores the events that are parked on this payment, as they named it, and that `which` picks. Their facts stay, and an
    /// invoice that comes later settles them.
    pub fn give_up(&mut self, payment: &PaymentId, which: impl Fn(&Telling) -> bool) {
        let Some(parked) = self.state.parked.remove(payment) else { return };
        let (given_up, kept): (BTreeSet<Telling>, BTreeSet<Telling>) = parked.into_iter().partition(which);
        if !kept.is_empty() {
            self.state.parked.insert(payment.clone(), kept);
        }
        for telling in &given_up {
            self.settle_event(telling.clone(), Outcome::NoInvoice(payment.clone()));
        }
        self.state.no_invoice.entry(payment.clone()).or_default().extend(given_up);
    }
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
