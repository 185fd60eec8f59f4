//! Running stored events again: what was quarantined or ignored by an older version may be posted by this one.
//!
//! On a correct ledger a replay changes nothing: facts merge, and what is posted is the difference to what is posted.

use super::error::ServiceError;
use super::inbound::extract_stored;
use super::ledger;
use crate::domain::inbox::Telling;
use crate::domain::ledger::Needs;
use crate::domain::{EventId, Outcome, Timestamp};
use crate::handlers::Policy;
use crate::store::Database;
use crate::store::events::{self, StoredEvent};

/// Events read at a time.
const PAGE: u64 = 200;

/// Which events to run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All tellings of this one.
    One(EventId),
    /// All with this outcome: `quarantined` or `parked`.
    With(&'static str),
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The event.
    pub telling: Telling,
    /// Its outcome before, as a word.
    pub before: String,
    /// What it came to now.
    pub now: Outcome,
}

/// Runs events again, each in a transaction of its own, and tells `report` of each. Returns how many there were.
///
/// # Errors
/// [`ServiceError`] when the database is away, an event cannot be posted, or only a newer version can read it; what was
/// replayed before stays.
pub async fn replay(
    db: &Database,
    which: &Which,
    policy: &Policy,
    now: Timestamp,
    mut report: impl FnMut(&Replayed),
) -> Result<u64, ServiceError> {
    let (mut replayed, mut after) = (0_u64, 0);
    loop {
        let page = match which {
            Which::One(id) => events::tellings(db.reader(), id).await?,
            Which::With(outcome) => events::stored_with(db.reader(), outcome, after, PAGE).await?,
        };
        for event in &page {
            report(&replay_one(db, event, policy, now).await?);
            replayed = replayed.saturating_add(1);
        }
        let Some(last) = page.last().filter(|_| matches!(which, Which::With(_))) else {
            return Ok(replayed);
        };
        after = last.kept.number;
    }
}

async fn replay_one(
    db: &Database,
    event: &StoredEvent,
    policy: &Policy,
    now: Timestamp,
) -> Result<Replayed, ServiceError> {
    let replayed =
        |now| Replayed { telling: event.kept.telling.clone(), before: event.kept.outcome.clone(), now };
    let extracted = match extract_stored(event, policy)? {
        Ok(extracted) => extracted,
        // It says no more than before, perhaps for another reason; the row keeps the first.
        Err(outcome) => return Ok(replayed(outcome)),
    };
    let needs = Needs::of(&extracted);
    let outcome = ledger::change(db, &needs, now, |unit| {
        let applied = unit.apply(&event.kept.telling, &extracted)?;
        let outcome = unit.settled(&event.kept.telling).cloned().unwrap_or(applied);
        // What was posted or recorded stays so: that it has nothing new to say is the point.
        if matches!(event.kept.outcome.as_str(), "quarantined" | "ignored") {
            unit.decide(event.kept.telling.clone(), outcome.clone());
        }
        Ok(outcome)
    });
    Ok(replayed(outcome.await?))
}
