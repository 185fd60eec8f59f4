//! A unit of work: what one transaction does to the state that it has loaded.

use std::sync::Arc;

use super::changes::{Changed, Changes};
use super::{Needs, State};
use crate::domain::ids::sortable_id;
use crate::domain::inbox::NewEvent;
use crate::domain::{
    Commission, Customer, EventId, Extracted, InvoiceId, LedgerEntry, MoneyError, Outcome, Timestamp,
    entries::Cause, outcome::NO_INVOICE,
};

/// When a unit of work is done, as the head of the ledger gives it: ids that it makes sort in the order of commits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stamp {
    /// The time, never earlier than that of the commit before.
    pub at: Timestamp,
    /// The number of the commit.
    pub seq: i64,
}

/// What became of an event that was handed to a unit of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// It is new: its place among the new events of the unit of work.
    New(usize),
    /// The inbox has it.
    Duplicate,
}

/// The loaded state, and what was changed in it.
#[derive(Debug)]
pub struct UnitOfWork {
    pub(super) state: State,
    pub(super) changed: Changed,
    pub(super) missing: Needs,
    stamp: Stamp,
    ids: u16,
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

    /// The time of this unit of work.
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

    /// Takes in a signed event with its facts, unless the inbox has it.
    ///
    /// Stripe's ids are unique: an event whose id the inbox has with another type is kept under the hash of its body for
    /// an operator, and not guessed about.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn receive(
        &mut self,
        event: &Arc<NewEvent>,
        extraction: &Result<Extracted, Outcome>,
    ) -> Result<Received, MoneyError> {
        match self.state.inbox.get(&event.id) {
            Some(Some(event_type)) if *event_type == event.event_type => Ok(Received::Duplicate),
            Some(Some(_of_another_type)) => Ok(self.keep_apart(event)),
            Some(None) | None => {
                let outcome = match extraction {
                    Ok(extracted) => self.apply(&event.id, extracted)?,
                    Err(outcome) => outcome.clone(),
                };
                Ok(self.store_event(Arc::clone(event), outcome))
            }
        }
    }

    fn keep_apart(&mut self, event: &NewEvent) -> Received {
        let reason = format!("id: {} is already an event of another type", event.id);
        let apart = NewEvent { id: EventId::of_body(&event.body_sha256), ..event.clone() };
        match self.state.inbox.get(&apart.id) {
            None => {
                self.missing.events.insert(apart.id);
                Received::Duplicate
            }
            Some(Some(_kept_before)) => Received::Duplicate,
            Some(None) => self.store_event(Arc::new(apart), Outcome::Quarantined(reason)),
        }
    }

    fn store_event(&mut self, event: Arc<NewEvent>, outcome: Outcome) -> Received {
        self.state.inbox.insert(event.id.clone(), Some(event.event_type.clone()));
        self.changed.events.push((event, outcome));
        Received::New(self.changed.events.len().saturating_sub(1))
    }

    /// The outcome of a new event: one that was parked and is settled by a later one of the same batch has the outcome
    /// that it ends with.
    pub fn outcome_at(&self, place: usize) -> Option<&Outcome> {
        self.changed.events.get(place).map(|(_, outcome)| outcome)
    }

    /// Merges the facts of an event and posts the differences. A second call with the same facts posts nothing.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn apply(&mut self, event: &EventId, extracted: &Extracted) -> Result<Outcome, MoneyError> {
        let touched = self.merge(&extracted.facts);
        let posted = self.settle(&touched, &Cause::Event(event.clone()))?;
        let waiting =
            extracted.waits_for.as_ref().filter(|payment| !self.state.pays_a_known_invoice(payment));
        Ok(match waiting {
            Some(_) if extracted.no_invoice => Outcome::Ignored(NO_INVOICE),
            Some(payment) => {
                self.state.parked.entry(payment.clone()).or_default().insert(event.clone());
                Outcome::Parked(payment.clone())
            }
            None if posted.is_empty() => Outcome::Recorded,
            None => Outcome::Posted,
        })
    }

    /// Gives an event that the inbox has another outcome: a replay has decided anew.
    pub fn decide(&mut self, event: EventId, outcome: Outcome) {
        self.changed.outcomes.insert(event, outcome);
    }

    /// A parked event is settled; one of this very unit of work is stored with that outcome.
    pub(super) fn settle_event(&mut self, event: EventId, outcome: Outcome) {
        let new = self.changed.events.iter_mut().find(|(new, _)| new.id == event);
        match new {
            Some((_, of_new)) => *of_new = outcome,
            None => {
                self.changed.outcomes.insert(event, outcome);
            }
        }
    }

    /// True when this event, parked before, is settled now.
    pub fn settled(&self, event: &EventId) -> Option<&Outcome> {
        self.changed.outcomes.get(event)
    }

    /// Notes that all invoices of a customer are needed.
    pub(super) fn require_all_of(&mut self, customer: &Customer) {
        if self.state.loaded(customer) < super::Loaded::All {
            self.missing.all_invoices_of.extend(self.state.customers.names_of(customer));
        }
    }
}
