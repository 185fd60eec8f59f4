//! Posting signed events: the one way in which Stripe changes the ledger.
//!
//! [`handlers`] maps the event type to its handler, which reduces the event to facts: [`purchase`], [`refund`],
//! [`attribution`]. [`post_events`] then posts a batch in one transaction: lock → load → merge and post the
//! differences → save → commit.

mod admit;
pub mod attribution;
pub mod credit_note;
pub mod dispute;
pub mod handlers;
mod policy;
pub mod purchase;
pub mod refund;
mod wanted;

use std::collections::BTreeMap;

pub use handlers::{HANDLERS, Inbound, Told, read, reduce, reduce_stored};
pub use policy::{Policy, Rejection};
pub use wanted::{add_party, of_one as wanted_of};

use self::admit::{Admission, Fresh};
use super::contention::Contention;
use super::error::{ServiceError, chain};
use crate::domain::{Book, EventId, MoneyError, Outcome, Timestamp};
use crate::store::{Database, StoreError, Txn, book, events};

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
pub async fn post_events(
    db: &Database,
    events: &[Inbound],
    now: Timestamp,
    attempts: u32,
) -> Vec<Option<Answer>> {
    match post_batch(db, events, now, attempts).await {
        Ok(answers) => answers.into_iter().map(Some).collect(),
        Err(error) if is_of_an_event(&error) => {
            tracing::warn!(error = %chain(&error), events = events.len(), "a batch failed; posting one by one");
            let mut answers = Vec::with_capacity(events.len());
            for event in events {
                answers.push(post_one(db, event, now, attempts).await);
            }
            answers
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), events = events.len(), "events could not be committed");
            committed_before(db, events, &error).await
        }
    }
}

/// What is in the way of a batch need not be in the way of those of its events that were committed before.
async fn committed_before(db: &Database, events: &[Inbound], error: &ServiceError) -> Vec<Option<Answer>> {
    let known = match error {
        ServiceError::Store(StoreError::Corrupt { .. } | StoreError::Contention(_)) => {
            let ids = events.iter().map(|event| &event.row.id);
            events::known_types(db.reader(), ids).await.unwrap_or_else(|error| {
                tracing::error!(error = %chain(&error), "the inbox could not be asked");
                BTreeMap::new()
            })
        }
        ServiceError::Store(_) | ServiceError::Money(_) | ServiceError::Refused { .. } => BTreeMap::new(),
    };
    let is_known = |event: &Inbound| known.get(&event.row.id) == Some(&event.row.event_type);
    events.iter().map(|event| is_known(event).then_some(Answer::Duplicate)).collect()
}

async fn post_one(db: &Database, event: &Inbound, now: Timestamp, attempts: u32) -> Option<Answer> {
    let id = &event.row.id;
    let posted = match post_batch(db, std::slice::from_ref(event), now, attempts).await {
        Err(error) if is_of_an_event(&error) => {
            tracing::error!(event_id = %id, error = %chain(&error), "an event is quarantined");
            // It is kept with the reason, and without its facts.
            let work = Err(Outcome::Quarantined(error.to_string()));
            let kept = Inbound { row: event.row.clone(), work, body_bytes: event.body_bytes };
            post_batch(db, std::slice::from_ref(&kept), now, attempts).await
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

/// One transaction for the whole batch; begun again when another transaction was in the way.
async fn post_batch(
    db: &Database,
    events: &[Inbound],
    now: Timestamp,
    attempts: u32,
) -> Result<Vec<Answer>, ServiceError> {
    let mut contention = Contention::at_most(attempts);
    loop {
        let result = post_batch_once(db, events, now).await;
        if !contention.is_worth_another_try(&result).await {
            return result;
        }
    }
}

async fn post_batch_once(
    db: &Database,
    events: &[Inbound],
    now: Timestamp,
) -> Result<Vec<Answer>, ServiceError> {
    let act = |book: &mut Book| {
        let (answers, fresh) = admit::admit(book, events);
        let outcomes = apply(book, &fresh)?;
        Ok::<_, ServiceError>((answers, fresh, outcomes))
    };
    let (txn, book, (mut answers, fresh, outcomes)) = book::transact(db, wanted::of(events), act).await?;
    if fresh.is_empty() {
        txn.rollback().await.map_err(StoreError::from)?;
        return Ok(answers.into_iter().map(Admission::into_answer).collect());
    }
    save(&txn, &book, &fresh, &outcomes, now).await?;
    txn.commit().await.map_err(StoreError::from)?;
    for (event, outcome) in fresh.iter().zip(outcomes) {
        if let Some(answer) = answers.get_mut(event.place) {
            *answer = Admission::Answered(Answer::New(outcome));
        }
    }
    Ok(answers.into_iter().map(Admission::into_answer).collect())
}

/// Applies the events one by one. One that was parked and is settled by a later one of the batch has the outcome
/// that it ends with.
fn apply(book: &mut Book, fresh: &[Fresh<'_>]) -> Result<Vec<Outcome>, MoneyError> {
    let mut outcomes = Vec::with_capacity(fresh.len());
    for event in fresh {
        outcomes.push(match event.work() {
            Ok(reduced) => book.apply(&event.row().id, reduced)?,
            Err(outcome) => outcome.clone(),
        });
    }
    for (event, outcome) in fresh.iter().zip(&mut outcomes) {
        if let Some(settled) = book.changes.settled.get(&event.row().id) {
            *outcome = settled.clone();
        }
    }
    Ok(outcomes)
}

async fn save(
    txn: &Txn,
    book: &Book,
    fresh: &[Fresh<'_>],
    outcomes: &[Outcome],
    now: Timestamp,
) -> Result<(), StoreError> {
    book::save(txn, book, now).await?;
    let mut rows: BTreeMap<&EventId, _> = BTreeMap::new();
    for (event, outcome) in fresh.iter().zip(outcomes) {
        rows.insert(&event.row().id, (event.row(), outcome));
    }
    let earlier = book.changes.settled.iter().filter(|(event, _)| !rows.contains_key(event));
    events::settle(txn, earlier).await?;
    let mut rows: Vec<_> = rows.into_values().collect();
    events::insert(txn, &mut rows, now).await
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
            | StoreError::Contention(_)
            | StoreError::NotDurable(_)
            | StoreError::NoDatabase(_)
            | StoreError::Corrupt { .. },
        ) => false,
    }
}
