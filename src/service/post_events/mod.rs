//! Posting signed events: the one way in which Stripe changes the ledger.
//!
//! [`handlers`] maps the event type to its handler, which reduces the event to facts: [`purchase`], [`refund`],
//! [`attribution`]. [`post_events`] then posts a batch in one transaction: lock → load → merge and post the
//! differences → save → commit.

mod admit;
mod attribution;
mod handlers;
mod purchase;
mod refund;
mod wanted;

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

pub use handlers::{HANDLERS, Inbound, Policy, Rejection, reduce};

use self::admit::{Admission, Fresh};
use crate::domain::{Book, EventId, MoneyError, Outcome, Timestamp};
use crate::store::{Database, StoreError, Txn, book, events};

/// The pause before a batch is tried again after another transaction was in the way, times the attempt.
const PAUSE: Duration = Duration::from_millis(5);

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

/// Why an event is not committed. It may be sent again.
#[derive(Debug, Error)]
pub enum PostError {
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An amount does not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl PostError {
    /// True when the cause is the event itself and not the state of the world.
    fn is_of_the_event(&self) -> bool {
        match self {
            Self::Money(_) | Self::Store(StoreError::Rejected(_) | StoreError::Corrupt { .. }) => true,
            Self::Store(
                StoreError::Unavailable(_) | StoreError::Contention(_) | StoreError::NotDurable(_),
            ) => false,
        }
    }
}

/// Posts a batch of events in one transaction. Each result stands where its event stands.
///
/// A batch that fails because of one of its events is posted event by event; an event that then still fails for a
/// reason of its own is kept as quarantined. A second call with the same events answers `Duplicate`.
pub async fn post_events(
    db: &Database,
    events: &[Inbound],
    now: Timestamp,
    attempts: u32,
) -> Vec<Result<Answer, PostError>> {
    match post_batch(db, events, now, attempts).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) if error.is_of_the_event() && events.len() > 1 => {
            tracing::warn!(%error, events = events.len(), "a batch failed; its events are posted one by one");
            let mut results = Vec::with_capacity(events.len());
            for event in events {
                results.push(post_one(db, event, now, attempts).await);
            }
            results
        }
        Err(error) => match events {
            [event] if error.is_of_the_event() => vec![quarantine(db, event, &error, now, attempts).await],
            _ => {
                let error = std::sync::Arc::new(error);
                events.iter().map(|_| Err(copy_of(&error))).collect()
            }
        },
    }
}

async fn post_one(
    db: &Database,
    event: &Inbound,
    now: Timestamp,
    attempts: u32,
) -> Result<Answer, PostError> {
    match post_batch(db, std::slice::from_ref(event), now, attempts).await {
        Ok(answers) => Ok(answers.into_iter().next().unwrap_or(Answer::Duplicate)),
        Err(error) if error.is_of_the_event() => quarantine(db, event, &error, now, attempts).await,
        Err(error) => Err(error),
    }
}

/// Keeps an event that cannot be posted, with the reason, and without its facts.
async fn quarantine(
    db: &Database,
    event: &Inbound,
    error: &PostError,
    now: Timestamp,
    attempts: u32,
) -> Result<Answer, PostError> {
    tracing::error!(event_id = %event.row.id, error = %error, source = ?error, "an event is quarantined");
    let kept = Inbound { row: event.row.clone(), work: Err(Outcome::Quarantined(error.to_string())) };
    let answers = post_batch(db, std::slice::from_ref(&kept), now, attempts).await?;
    Ok(answers.into_iter().next().unwrap_or(Answer::Duplicate))
}

/// One transaction for the whole batch; begun again when another transaction was in the way.
async fn post_batch(
    db: &Database,
    events: &[Inbound],
    now: Timestamp,
    attempts: u32,
) -> Result<Vec<Answer>, PostError> {
    let mut attempt = 1;
    loop {
        match post_batch_once(db, events, now).await {
            Err(PostError::Store(StoreError::Contention(cause))) if attempt < attempts => {
                tracing::debug!(?cause, attempt, "a batch is tried again");
                tokio::time::sleep(PAUSE.saturating_mul(attempt)).await;
                attempt = attempt.saturating_add(1);
            }
            result => return result,
        }
    }
}

async fn post_batch_once(
    db: &Database,
    events: &[Inbound],
    now: Timestamp,
) -> Result<Vec<Answer>, PostError> {
    let (mut answers, fresh) = admit::admit(db, events).await?;
    if fresh.is_empty() {
        return Ok(answers.into_iter().map(Admission::into_answer).collect());
    }
    let (txn, mut book) = book::open(db, wanted::of(&fresh)).await?;
    let outcomes = apply(&mut book, &fresh)?;
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

/// The same error for every event of a batch; the whole chain is logged once, by the intake.
fn copy_of(error: &PostError) -> PostError {
    match error {
        PostError::Money(error) => PostError::Money(*error),
        PostError::Store(error) => PostError::Store(error.for_another()),
    }
}
