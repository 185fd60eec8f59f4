//! The book: the facts that one transaction touches, and what changes in it.
//!
//! The store fills a book with everything that the facts at hand connect to; [`Book::apply`] merges an event
//! (`merge.rs`), chooses referrals (`attribute.rs`) and posts differences (`settle.rs`); the store then writes
//! [`Book::changes`]. A batch of events is applied one by one to one book, so what is posted, and why, does not depend on
//! how events were batched.

mod acts;
mod attribute;
mod changes;
mod merge;
mod parties;
mod settle;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

pub use self::attribute::Judged;
pub use self::changes::Changes;
pub use self::parties::Parties;
pub use self::standing::Assessor;
use super::attribution::{Grant, Qualified, Ruling};
use super::codes::CodeFacts;
pub use super::ledger::Cause;
use super::{
    Claim, ClaimId, Code, Commission, CreditNoteId, CustomerId, DisputeId, EmailHash, EventId, InvoiceId,
    Kind, LedgerEntry, MoneyError, Outcome, PaidInvoice, Party, PaymentId, ProgramKey, PromoterId, Reduced,
    Referral, ReferralId, RefundId, SubscriptionId, TermsVersion, UserId, money::Currency,
    payments::PaymentGraph, time::Timestamp,
};

/// The sums of one invoice. The date from which an amount may be paid out is part of the key: when the date moves, the
/// amount moves with it.
pub type Sums = BTreeMap<(PromoterId, Currency, Kind, Timestamp), i64>;

/// All referrals of one promoter in one program.
pub type Group = (PromoterId, ProgramKey);

/// What is known of a promoter: whom customers are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromoterFacts {
    /// The promoter as a user of the host.
    pub user: UserId,
    /// The e-mails ever known of it.
    pub emails: BTreeSet<EmailHash>,
}

/// A referral's place under `max_rewards_per_promoter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Its first invoice without another reason.
    pub qualified: Qualified,
    /// The limit of its own terms.
    pub limit: Option<u32>,
}

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
    pub codes: BTreeMap<Code, CodeFacts>,
    /// Stripe's promotion codes that claims name, and the codes that carry them.
    pub promotion_codes: BTreeMap<Code, Code>,
    /// The terms of the programs of those codes.
    pub versions: Vec<TermsVersion>,
    /// The promoters of those codes.
    pub promoters: BTreeMap<PromoterId, PromoterFacts>,
    /// Claims that were refused for good, because their code had no use left.
    pub used_up: BTreeSet<ClaimId>,
    /// What was given to parties, as they were named then.
    pub grants: BTreeMap<Party, BTreeMap<Code, Grant>>,
    /// The greatest ordinal given to a promoter's referrals in a program.
    pub last_ordinals: BTreeMap<Group, u32>,
    /// What operators said of (party, promoter), as the party was named then.
    pub rulings: BTreeMap<(Party, PromoterId), Ruling>,
    /// The referrals of the parties at hand.
    pub referrals: BTreeMap<Party, Referral>,
    /// Who competes for the rewarded places of a promoter, in programs that limit them: the first ones, as many as the
    /// limits and the parties at hand can move.
    standings: BTreeMap<Group, BTreeMap<Party, Seat>>,
    /// Of these the parties that come too late.
    exhausted: BTreeSet<Party>,
    /// What is posted for the invoices at hand.
    pub posted: BTreeMap<InvoiceId, Sums>,
    /// Commissions as they are stored, where they were read.
    pub commissions: BTreeMap<InvoiceId, Commission>,
    /// Parked events by the payment, as named, that they wait for.
    pub parked: BTreeMap<PaymentId, BTreeSet<EventId>>,
    /// What the inbox says of the events that it was asked about: their types, and nothing of new ones.
    pub inbox: BTreeMap<EventId, Option<String>>,
    /// Customers that may have invoices which are not at hand.
    pub incomplete: BTreeSet<CustomerId>,
    /// Parties of which nothing is at hand but their seats.
    pub strangers: BTreeSet<Party>,
    /// What had to be at hand and was not: when it is not empty, the book must be filled again with it.
    pub lacking: Lacking,
    /// What is to be written.
    pub changes: Changes,
}

/// What a book needs beyond what it was filled with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Customers whose invoices are all needed.
    pub customers: BTreeSet<CustomerId>,
    /// Parties of which everything is needed.
    pub parties: BTreeSet<Party>,
    /// Promoters to whom referrals were given: their ordinals are given under their lock.
    pub promoters: BTreeSet<PromoterId>,
    /// Events about which the inbox is to be asked.
    pub events: BTreeSet<EventId>,
}

/// What one event or act touches.
#[derive(Debug, Default)]
struct Touched {
    /// Invoices whose own facts or links changed.
    invoices: BTreeSet<InvoiceId>,
    /// Payments with changed facts.
    payments: BTreeSet<PaymentId>,
    /// Invoices that became known as paid, or were told again with a difference; and the customers they were of.
    paid: BTreeSet<InvoiceId>,
    customers: BTreeSet<CustomerId>,
    /// Parties, as they are named, about which there is a new claim.
    claimed: BTreeSet<Party>,
    /// Parties, as they are named, about which something else was told.
    named: BTreeSet<Party>,
    /// Parties whose referral changed, or who they are.
    parties: BTreeSet<Party>,
    changed: bool,
}

impl Book {
    /// Takes in one new event: merges its facts and posts the differences.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the book is then half-done and must be thrown away.
    pub fn apply(&mut self, event: &EventId, reduced: &Reduced) -> Result<Outcome, MoneyError> {
        let touched = self.merge(&reduced.facts);
        let posted = self.settle(&touched, &Cause::Event(event.clone()))?;
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

    /// Takes in an invoice as it is stored.
    pub fn take_invoice(&mut self, id: InvoiceId, invoice: PaidInvoice) {
        if let Some(customer) = &invoice.claim.customer {
            self.invoices_of.entry(customer.clone()).or_default().insert(id.clone());
        }
        self.invoices.insert(id, invoice);
    }

    /// Takes in who competes for the rewarded places of a group.
    pub fn take_standing(&mut self, group: Group, seats: BTreeMap<Party, Seat>) {
        self.standings.insert(group, seats);
        self.exhausted = self.find_exhausted();
    }

    /// An invoice, if it is known as paid.
    pub fn invoice(&self, id: &InvoiceId) -> Option<&PaidInvoice> {
        self.invoices.get(id)
    }

    /// The ids of all invoices at hand.
    pub fn invoice_ids(&self) -> impl Iterator<Item = &InvoiceId> {
        self.invoices.keys()
    }

    /// The customer of the host that an invoice is of now.
    pub fn party_of_invoice(&self, id: &InvoiceId) -> Option<Party> {
        let customer = self.invoices.get(id)?.claim.customer.as_ref()?;
        Some(self.parties.party_of(customer))
    }

    /// True when a payment is linked to an invoice that is known as paid.
    fn pays_a_known_invoice(&self, payment: &PaymentId) -> bool {
        self.graph.invoices_of(payment).iter().any(|invoice| self.invoices.contains_key(invoice))
    }
}
