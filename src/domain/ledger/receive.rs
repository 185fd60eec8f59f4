//! Taking in signed events.

use std::sync::Arc;

use super::unit::UnitOfWork;
use crate::domain::inbox::{NewEvent, Telling};
use crate::domain::{Cause, EventId, Extracted, MoneyError, Outcome, PaymentId};

/// What became of an event that was handed to a unit of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// It is new: its place among the new events of the unit of work.
    New(usize),
    /// The inbox has it.
    Duplicate,
}

impl UnitOfWork {
    /// Takes in a signed event with its facts, unless the inbox has it.
    ///
    /// Stripe's ids are unique: an event whose id and API version the inbox has with another type is kept under the hash of
    /// its body for an operator, and not guessed about. Only then `body_id` is asked, for [`EventId::of_body`] of its body.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit, and what `body_id` returns; the unit is then half-done and must be thrown
    /// away.
    pub fn receive<E: From<MoneyError>>(
        &mut self,
        event: &Arc<NewEvent>,
        extraction: &Result<Extracted, Outcome>,
        body_id: impl FnOnce() -> Result<EventId, E>,
    ) -> Result<Received, E> {
        match self.state.inbox.get(&event.telling) {
            Some(Some(event_type)) if *event_type == event.event_type => Ok(Received::Duplicate),
            Some(Some(_of_another_type)) => Ok(self.keep_apart(event, body_id()?)),
            Some(None) | None => {
                let outcome = match extraction {
                    Ok(extracted) => self.apply(&event.telling, extracted)?,
                    Err(outcome) => outcome.clone(),
                };
                Ok(self.store_event(Arc::clone(event), outcome))
            }
        }
    }

    fn keep_apart(&mut self, event: &NewEvent, body_id: EventId) -> Received {
        let Telling { id, api_version } = event.telling.clone();
        let reason = format!("id: {id} is already an event of another type");
        let telling = Telling { id: body_id, api_version };
        let apart = NewEvent { telling, ..event.clone() };
        match self.state.inbox.get(&apart.telling) {
            None => {
                self.missing.events.insert(apart.telling);
                Received::Duplicate
            }
            Some(Some(_kept_before)) => Received::Duplicate,
            Some(None) => self.store_event(Arc::new(apart), Outcome::Quarantined(reason)),
        }
    }

    fn store_event(&mut self, event: Arc<NewEvent>, outcome: Outcome) -> Received {
        self.state.inbox.insert(event.telling.clone(), Some(event.event_type.clone()));
        self.changed.events.push((event, outcome));
        Received::New(self.changed.events.len().saturating_sub(1))
    }

    /// Merges the facts of an event and posts the differences. A second call with the same facts posts nothing.
    ///
    /// # Errors
    /// [`MoneyError`] when an amount does not fit; the unit is then half-done and must be thrown away.
    pub fn apply(&mut self, telling: &Telling, extracted: &Extracted) -> Result<Outcome, MoneyError> {
        let touched = self.merge(&extracted.facts, telling.id.as_str());
        let posted = self.settle(&touched, &Cause::Event(telling.id.clone()))?;
        let waiting =
            extracted.waits_for.as_ref().filter(|payment| !self.state.pays_a_known_invoice(payment));
        Ok(match waiting {
            Some(payment) if self.waits_in_vain(telling, payment) => {
                self.state.no_invoice.entry(payment.clone()).or_default().insert(telling.clone());
                Outcome::NoInvoice(payment.clone())
            }
            Some(payment) => {
                self.state.parked.entry(payment.clone()).or_default().insert(telling.clone());
                Outcome::Parked(payment.clone())
            }
            None if posted.is_empty() => Outcome::Recorded,
            None => Outcome::Posted,
        })
    }

    /// True when a payment has paid no invoice, or the event was given up before.
    fn waits_in_vain(&self, telling: &Telling, payment: &PaymentId) -> bool {
        let given_up = self.state.no_invoice.get(payment);
        self.state.payments.has_no_invoice(payment) || given_up.is_some_and(|events| events.contains(telling))
    }
}
