//! A unit of work: what one transaction does to the state that it has loaded.

use super::changes::{Changed, Changes};
use super::needs::Needs;
use super::state::{Loaded, State};
use crate::domain::ids::sortable_id;
use crate::domain::inbox::Telling;
use crate::domain::{Commission, Customer, InvoiceId, LedgerEntry, Outcome, Timestamp};

/// When a unit of work is done, as the head of the ledger gives it: ids that it makes sort in the order of commits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stamp {
    /// The time of the call, from which on versions of terms and codes are valid.
    pub now: Timestamp,
    /// The time of the commit: that of the call, or that of the commit before if it was later.
    pub at: Timestamp,
    /// The number of the commit.
    pub seq: i64,
}

/// The loaded state, and what was changed in it.
#[derive(Debug)]
pub struct UnitOfWork {
    pub(super) state: State,
    pub(super) changed: Changed,
    pub(super) missing: Needs,
    stamp: Stamp,
    ids: u32,
}

impl UnitOfWork {
    /// Works on a copy of what was loaded.
    pub fn over(state: &State, stamp: Stamp) -> Self {
        let (changed, missing) = (Changed::default(), Needs::default());
        Self { state: state.clone(), changed, missing, stamp, ids: 0 }
    }

    /// The state as it is now.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The state as it is now, for tests that set up a ledger in memory.
    pub const fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// The time of the call.
    pub const fn now(&self) -> Timestamp {
        self.stamp.now
    }

    /// The time of the commit, which never falls.
    pub const fn at(&self) -> Timestamp {
        self.stamp.at
    }

    /// An id of ours, a prefix and 26 characters: greater than all that earlier units of work have made.
    pub fn new_id(&mut self, prefix: &str) -> String {
        self.ids = self.ids.saturating_add(1);
        sortable_id(prefix, self.stamp.at, self.stamp.seq, self.ids)
    }

    /// The entries that are to be posted, in order.
    pub fn entries(&self) -> &[LedgerEntry] {
        &self.changed.entries
    }

    /// The commission of an invoice as it is stored, or is to be.
    pub fn commission(&self, invoice: &InvoiceId) -> Option<&Commission> {
        self.state.commissions.get(invoice)
    }

    /// How many claims are new.
    pub fn new_claims(&self) -> usize {
        self.changed.claims.len()
    }

    /// What had to be loaded and was not: load it, and do the work again from the beginning.
    pub fn take_missing(&mut self) -> Option<Needs> {
        let missing = std::mem::take(&mut self.missing);
        (!missing.is_empty()).then_some(missing)
    }

    /// What is to be written.
    pub fn into_changes(mut self) -> Changes {
        self.changed.into_changes(&mut self.state)
    }

    /// The outcome of a new event: one that was parked and is settled by a later one of the same batch has the outcome
    /// that it ends with.
    pub fn outcome_at(&self, place: usize) -> Option<&Outcome> {
        self.changed.events.get(place).map(|(_, outcome)| outcome)
    }

    /// Gives an event that the inbox has another outcome: a replay has decided anew.
    pub fn decide(&mut self, telling: Telling, outcome: Outcome) {
        self.changed.outcomes.insert(telling, outcome);
    }

    /// A waiting event is settled or given up; one of this very unit of work is stored with that outcome.
    pub(super) fn settle_event(&mut self, telling: Telling, outcome: Outcome) {
        let new = self.changed.events.iter_mut().find(|(new, _)| new.telling == telling);
        match new {
            Some((_, of_new)) => *of_new = outcome,
            None => {
                self.changed.outcomes.insert(telling, outcome);
            }
        }
    }

    /// The new outcome of a telling that waited before.
    pub fn settled(&self, telling: &Telling) -> Option<&Outcome> {
        self.changed.outcomes.get(telling)
    }

    /// Notes that all invoices of a customer are needed.
    pub(super) fn require_all_of(&mut self, customer: &Customer) {
        if self.state.loaded(customer) < Loaded::All {
            self.missing.all_invoices_of.extend(self.state.customers.names_of(customer));
        }
    }
}
