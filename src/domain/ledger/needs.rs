//! Which facts are to be fetched, by key.

use std::collections::{BTreeMap, BTreeSet};

use super::values::Group;
use crate::domain::inbox::Telling;
use crate::domain::{
    Claim, Code, CreditNoteId, Customer, DisputeId, InvoiceId, PaymentId, ProgramKey, PromoterId, RefundId,
    StripeCustomerId, SubscriptionId, Timestamp, UserId,
};

/// Facts to fetch, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Tellings of events that the inbox is asked about.
    pub events: BTreeSet<Telling>,
    /// Payments as named: totals, links, refunds, disputes, events that wait for them.
    pub payments: BTreeSet<PaymentId>,
    /// Refunds: one may be stored under another payment than the one that an event names now.
    pub refunds: BTreeSet<RefundId>,
    /// Disputes, for the same reason.
    pub disputes: BTreeSet<DisputeId>,
    /// Credit notes, which may be stored under another invoice.
    pub credit_notes: BTreeSet<CreditNoteId>,
    /// Invoices: the snapshot, links, credit notes.
    pub invoices: BTreeSet<InvoiceId>,
    /// What is posted for an invoice that is known as paid, and its stored commission.
    pub postings: BTreeSet<InvoiceId>,
    /// Customers as named: who they are, claims, e-mails, redemptions, reviews, referral.
    pub customers: BTreeSet<Customer>,
    /// Subscriptions that are told of, with their Stripe customers as named.
    pub subscriptions: BTreeSet<(StripeCustomerId, SubscriptionId)>,
    /// Customers as named, of whom every invoice is needed.
    pub all_invoices_of: BTreeSet<Customer>,
    /// Codes that claims name.
    pub codes: BTreeSet<Code>,
    /// Promotion codes that claims name.
    pub promotion_codes: BTreeSet<Code>,
    /// Programs: all versions of their terms.
    pub programs: BTreeSet<ProgramKey>,
    /// Promoters with their e-mails and referral numbers.
    pub promoters: BTreeSet<PromoterId>,
    /// Promoters that are these users of the host.
    pub promoters_by_user: BTreeSet<UserId>,
    /// The stored claims with these keys ([`Code::folded`]), or with a promotion code that such a code carries, that were
    /// made then or later.
    pub claims_naming: BTreeMap<String, Timestamp>,
    /// The stored claims that name a code of these programs and were made then or later.
    pub claims_in: BTreeMap<ProgramKey, Timestamp>,
    /// The customers that were referred by these promoters.
    pub customers_of: BTreeSet<PromoterId>,
    /// Rivals for the reward slots of a group, by `qualified`: the first so many.
    pub slots: BTreeMap<Group, u32>,
    /// Claims that are about to be made.
    pub new_claims: Vec<Claim>,
}

impl Needs {
    /// True when nothing is needed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.events.extend(other.events);
        self.payments.extend(other.payments);
        self.refunds.extend(other.refunds);
        self.disputes.extend(other.disputes);
        self.credit_notes.extend(other.credit_notes);
        self.invoices.extend(other.invoices);
        self.postings.extend(other.postings);
        self.customers.extend(other.customers);
        self.subscriptions.extend(other.subscriptions);
        self.all_invoices_of.extend(other.all_invoices_of);
        self.codes.extend(other.codes);
        self.promotion_codes.extend(other.promotion_codes);
        self.programs.extend(other.programs);
        self.promoters.extend(other.promoters);
        self.promoters_by_user.extend(other.promoters_by_user);
        extend_since(&mut self.claims_naming, other.claims_naming);
        extend_since(&mut self.claims_in, other.claims_in);
        self.customers_of.extend(other.customers_of);
        for (group, rivals) in other.slots {
            let known = self.slots.entry(group).or_insert(rivals);
            *known = rivals.max(*known);
        }
        self.new_claims.extend(other.new_claims);
    }

    /// Takes out a part of at most so many keys of each kind; `None` when nothing is left.
    pub fn take_part(&mut self, at_most: usize) -> Option<Self> {
        fn take<K: Ord + Clone>(keys: &mut BTreeSet<K>, at_most: usize) -> BTreeSet<K> {
            match keys.iter().nth(at_most).cloned() {
                None => std::mem::take(keys),
                Some(first_left) => {
                    let left = keys.split_off(&first_left);
                    std::mem::replace(keys, left)
                }
            }
        }
        let part = Self {
            events: take(&mut self.events, at_most),
            payments: take(&mut self.payments, at_most),
            refunds: take(&mut self.refunds, at_most),
            disputes: take(&mut self.disputes, at_most),
            credit_notes: take(&mut self.credit_notes, at_most),
            invoices: take(&mut self.invoices, at_most),
            postings: take(&mut self.postings, at_most),
            customers: take(&mut self.customers, at_most),
            subscriptions: take(&mut self.subscriptions, at_most),
            all_invoices_of: take(&mut self.all_invoices_of, at_most),
            codes: take(&mut self.codes, at_most),
            promotion_codes: take(&mut self.promotion_codes, at_most),
            programs: take(&mut self.programs, at_most),
            promoters: take(&mut self.promoters, at_most),
            promoters_by_user: take(&mut self.promoters_by_user, at_most),
            claims_naming: std::mem::take(&mut self.claims_naming),
            claims_in: std::mem::take(&mut self.claims_in),
            customers_of: take(&mut self.customers_of, at_most),
            slots: std::mem::take(&mut self.slots),
            new_claims: Vec::new(),
        };
        self.new_claims.clear();
        (!part.is_empty()).then_some(part)
    }

    /// Takes away what was fetched already.
    pub(super) fn subtract(&mut self, fetched: &Self) {
        fn retain<K: Ord>(needed: &mut BTreeSet<K>, fetched: &BTreeSet<K>) {
            if !fetched.is_empty() {
                needed.retain(|key| !fetched.contains(key));
            }
        }
        retain(&mut self.events, &fetched.events);
        retain(&mut self.payments, &fetched.payments);
        retain(&mut self.refunds, &fetched.refunds);
        retain(&mut self.disputes, &fetched.disputes);
        retain(&mut self.credit_notes, &fetched.credit_notes);
        retain(&mut self.invoices, &fetched.invoices);
        retain(&mut self.postings, &fetched.postings);
        retain(&mut self.customers, &fetched.customers);
        retain(&mut self.subscriptions, &fetched.subscriptions);
        retain(&mut self.all_invoices_of, &fetched.all_invoices_of);
        retain(&mut self.codes, &fetched.codes);
        retain(&mut self.promotion_codes, &fetched.promotion_codes);
        retain(&mut self.programs, &fetched.programs);
        retain(&mut self.promoters, &fetched.promoters);
        retain(&mut self.customers_of, &fetched.customers_of);
        retain(&mut self.promoters_by_user, &fetched.promoters_by_user);
        self.claims_naming
            .retain(|key, since| fetched.claims_naming.get(key).is_none_or(|known| *since < *known));
        self.claims_in.retain(|key, since| fetched.claims_in.get(key).is_none_or(|known| *since < *known));
        self.slots.retain(|group, rivals| fetched.slots.get(group).is_none_or(|known| *known < *rivals));
    }
}

fn extend_since<K: Ord>(known: &mut BTreeMap<K, Timestamp>, others: BTreeMap<K, Timestamp>) {
    for (key, since) in others {
        let earliest = known.entry(key).or_insert(since);
        *earliest = since.min(*earliest);
    }
}
