//! The book: the facts that one transaction touches, and what changes in it.
//!
//! The store fills a book with everything that the facts at hand connect to; [`Book::apply`] merges an event
//! (`merge.rs`) and posts differences (`settle.rs`); the store then writes [`Book::changes`]. A batch of events is
//! applied one by one to one book, so what is posted, and why, does not depend on how events were batched.

mod attribute;
mod merge;
mod parties;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

pub use self::parties::Parties;
pub use super::ledger::Cause;
use super::{
    Claim, ClaimId, Code, Commission, CreditNoteId, CustomerId, DisputeId, EventId, InvoiceId, Kind,
    LedgerEntry, MoneyError, Outcome, PaidInvoice, Party, PaymentId, PromoterId, Reduced, Referral,
    ReferralId, RefundId, TermsVersion, UserId, attribution::CodeOwner, money::Currency,
    payments::PaymentGraph, time::Timestamp,
};

/// The sums of one invoice. The date from which an amount may be paid out is part of the key: when the date moves, the
/// amount moves with it.
pub type Sums = BTreeMap<(PromoterId, Currency, Kind, Timestamp), i64>;

/// Facts at hand, and what changed since they were loaded.
#[derive(Debug, Default)]
pub struct Book {
    /// Payments, refunds and links.
    pub graph: PaymentGraph,
    /// Invoices known as paid.
    invoices: BTreeMap<InvoiceId, PaidInvoice>,
    /// By every customer that they were ever told to be of.
    invoices_of: BTreeMap<CustomerId, BTreeSet<InvoiceId>>,
    /// Customers, users, and all claims about them.
    pub parties: Parties,
    /// The codes that those claims name, where they exist.
    pub codes: BTreeMap<Code, CodeOwner>,
    /// The terms of the programs of those codes.
    pub versions: Vec<TermsVersion>,
    /// The referrals of the parties at hand.
    pub referrals: BTreeMap<Party, Referral>,
    /// What is posted for the invoices at hand.
    pub posted: BTreeMap<InvoiceId, Sums>,
    /// Parked events by the payment, as named, that they wait for.
    pub parked: BTreeMap<PaymentId, BTreeSet<EventId>>,
    /// What is to be written.
    pub changes: Changes,
}

/// What a book has to write: names of changed facts, and new rows.
#[derive(Debug, Default)]
pub struct Changes {
    /// Changed invoices.
    pub invoices: BTreeSet<InvoiceId>,
    /// Changed payments, as named.
    pub payments: BTreeSet<PaymentId>,
    /// Changed links.
    pub links: BTreeSet<(InvoiceId, PaymentId)>,
    /// Changed refunds.
    pub refunds: BTreeSet<RefundId>,
    /// Changed disputes.
    pub disputes: BTreeSet<DisputeId>,
    /// Changed credit notes.
    pub credit_notes: BTreeSet<CreditNoteId>,
    /// Customers newly bound to a user.
    pub customers: BTreeSet<CustomerId>,
    /// New claims.
    pub claims: BTreeSet<ClaimId>,
    /// Parties with a new or changed referral.
    pub referrals: BTreeSet<Party>,
    /// Referrals that became one with another: (merged, into).
    pub merged: BTreeMap<ReferralId, ReferralId>,
    /// Commissions that were assessed again.
    pub commissions: BTreeMap<InvoiceId, Commission>,
    /// Entries to post, in order.
    pub entries: Vec<LedgerEntry>,
    /// Parked events that are settled now, with what became of them.
    pub settled: BTreeMap<EventId, Outcome>,
}

/// What one event touches.
#[derive(Debug, Default)]
struct Touched {
    invoices: BTreeSet<InvoiceId>,
    payments: BTreeSet<PaymentId>,
    changed: bool,
}

impl Book {
    /// Takes in one new event: merges its facts and posts the differences.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn apply(&mut self, event: &EventId, reduced: &Reduced) -> Result<Outcome, MoneyError> {
        let touched = self.merge(&reduced.facts);
        let posted = if touched.changed {
            self.settle(&touched.invoices, &touched.payments, &Cause::Event(event.clone()))?
        } else {
            BTreeSet::new()
        };
        let waiting = reduced.waits_for.as_ref().filter(|payment| !self.pays_a_known_invoice(payment));
        Ok(match waiting {
            Some(_) if reduced.no_invoice => Outcome::Ignored(super::outcome::NO_INVOICE),
            Some(payment) => {
                self.parked.entry(payment.clone()).or_default().insert(event.clone());
                Outcome::Parked(payment.clone())
            }
            None if posted.is_empty() => Outcome::Recorded,
            None => Outcome::Posted,
        })
    }

    /// Takes in a claim that came through the API or the command line. Returns the referral that holds after it.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn refer(&mut self, claim: Claim) -> Result<Option<&Referral>, MoneyError> {
        let cause = Cause::Claim(claim.id.clone());
        let party = self.parties.party_of_claim(&claim);
        let mut touched = Touched::default();
        self.merge_claim(claim, &mut touched);
        if touched.changed {
            self.settle(&touched.invoices, &touched.payments, &cause)?;
        }
        Ok(self.referrals.get(&party))
    }

    /// Judges parked claims again, after a code that they name was made. Returns how many referrals came of it.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn judge_again(&mut self, code: &Code) -> Result<usize, MoneyError> {
        let mut parked: BTreeMap<Party, ClaimId> = BTreeMap::new();
        for claim in self.parties.claims().filter(|claim| claim.code == *code) {
            parked.entry(self.parties.party_of_claim(claim)).or_insert_with(|| claim.id.clone());
        }
        for (party, claim) in parked {
            self.attribute(&party);
            let invoices = self.invoices_of_party(&party);
            self.settle(&invoices, &BTreeSet::new(), &Cause::Claim(claim))?;
        }
        Ok(self.changes.referrals.len())
    }

    /// Takes in an invoice as it is stored.
    pub fn take_invoice(&mut self, id: InvoiceId, invoice: PaidInvoice) {
        if let Some(customer) = &invoice.claim.customer {
            self.invoices_of.entry(customer.clone()).or_default().insert(id.clone());
        }
        self.invoices.insert(id, invoice);
    }

    /// An invoice, if it is known as paid.
    pub fn invoice(&self, id: &InvoiceId) -> Option<&PaidInvoice> {
        self.invoices.get(id)
    }

    /// The ids of all invoices at hand.
    pub fn invoice_ids(&self) -> impl Iterator<Item = &InvoiceId> {
        self.invoices.keys()
    }

    /// True when a payment is linked to an invoice that is known as paid.
    fn pays_a_known_invoice(&self, payment: &PaymentId) -> bool {
        self.graph.invoices_of(payment).iter().any(|invoice| self.invoices.contains_key(invoice))
    }
}
