//! Posting signed events: the one way in which Stripe changes the ledger.

use std::collections::BTreeMap;

use super::error::{ServiceError, chain};
use super::inbound::InboundEvent;
use super::ledger;
use crate::domain::ledger::{Needs, Received, UnitOfWork};
use crate::domain::{Outcome, Timestamp};
use crate::store::{Database, StoreError, inbox};

/// What became of an event that was sent: all of it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was new.
    New(Outcome),
    /// It was in the inbox already.
    Duplicate,
}

impl Answer {
    /// The word in the answer to Stripe.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::New(outcome) => outcome.as_str(),
            Self::Duplicate => "duplicate",
        }
    }
}

/// Posts a batch of events in one transaction. Each answer stands where its event stands; `None` is an event that is
/// not committed and may be sent again (why is logged here).
///
/// A batch that fails because of one of its events is posted event by event; an event that then still fails for a
/// reason of its own is kept as quarantined. A second call with the same events answers `Duplicate`.
pub async fn post_events(db: &Database, events: &[InboundEvent], now: Timestamp) -> Vec<Option<Answer>> {
    match post_batch(db, events, now).await {
        Ok(answers) => answers.into_iter().map(Some).collect(),
        Err(error) if is_of_an_event(&error) => {
            tracing::warn!(error = %chain(&error), events = events.len(), "a batch failed; posting one by one");
            let mut answers = Vec::with_capacity(events.len());
            for event in events {
                answers.push(post_one(db, event, now).await);
            }
            answers
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), events = events.len(), "events could not be committed");
            committed_before(db, events, &error).await
        }
    }
}

async fn post_batch(
    db: &Database,
    events: &[InboundEvent],
    now: Timestamp,
) -> Result<Vec<Answer>, ServiceError> {
    let mut needs = Needs::default();
    for event in events {
        needs.events.insert(event.event.telling.clone());
        if let Ok(extracted) = &event.extraction {
            needs.add(extracted);
        }
    }
    ledger::change(db, &needs, now, |unit| {
        let received =
            events.iter().map(|event| unit.receive(&event.event, &event.extraction, || event.body_id()));
        let received: Vec<Received> = received.collect::<Result<_, ServiceError>>()?;
        Ok(received.into_iter().map(|received| answer(unit, &received)).collect())
    })
    .await
}

/// The outcome with which a new event is stored: one that was parked may have been settled by a later one of its batch.
fn answer(unit: &UnitOfWork, received: &Received) -> Answer {
    match received {
        Received::New(place) => unit.outcome_at(*place).cloned().map_or(Answer::Duplicate, Answer::New),
        Received::Duplicate => Answer::Duplicate,
    }
}

async fn post_one(db: &Database, event: &InboundEvent, now: Timestamp) -> Option<Answer> {
    let id = &event.event.telling.id;
    let posted = match post_batch(db, std::slice::from_ref(event), now).await {
        Err(error) if is_of_an_event(&error) => {
            tracing::error!(event_id = %id, error = %chain(&error), "an event is quarantined");
            // It is kept with the reason, and without its facts.
            let extraction = Err(Outcome::Quarantined(error.to_string()));
            let kept = InboundEvent { extraction, ..event.clone() };
            post_batch(db, std::slice::from_ref(&kept), now).await
        }
        posted => posted,
    };
    match posted {
        Ok(answers) => answers.into_iter().next(),
        Err(error) => {
            tracing::error!(event_id = %id, error = %chain(&error), "an event could not be committed");
            None
        }
    }
}

/// What is in the way of a batch need not be in the way of those of its events that were committed before.
async fn committed_before(
    db: &Database,
    events: &[InboundEvent],
    error: &ServiceError,
) -> Vec<Option<Answer>> {
    let known = match error {
        ServiceError::Store(StoreError::Corrupt { .. } | StoreError::Busy(_)) => {
            let tellings = events.iter().map(|event| &event.event.telling);
            inbox::known_types(db.reader(), tellings).await.unwrap_or_else(|error| {
                tracing::error!(error = %chain(&error), "the inbox could not be read");
                BTreeMap::new()
            })
        }
        ServiceError::Store(_) | ServiceError::Money(_) | ServiceError::Refused { .. } => BTreeMap::new(),
    };
    let is_known = |event: &InboundEvent| known.get(&event.event.telling) == Some(&event.event.event_type);
    events.iter().map(|event| is_known(event).then_some(Answer::Duplicate)).collect()
}

/// True when the cause is an event itself and not the state of the world.
const fn is_of_an_event(error: &ServiceError) -> bool {
    match error {
        ServiceError::Money(_)
        | ServiceError::Refused { .. }
        | ServiceError::Store(StoreError::Rejected(_)) => true,
        // A row that only a newer version understands is not the event's fault: a newer replica will post it.
        ServiceError::Store(
            StoreError::Unavailable(_)
            | StoreError::Busy(_)
            | StoreError::Lost(_)
            | StoreError::Unanswered(_)
            | StoreError::Closed
            | StoreError::Thread(_)
            | StoreError::NotMigrated
            | StoreError::Endless
            | StoreError::NotDurable(_)
            | StoreError::NoDatabase(_)
            | StoreError::Corrupt { .. },
        ) => false,
    }
}
