//! The inbox: one row an event telling. Its key is the check that an event counts once.

use std::collections::BTreeMap;

use entity::event;
use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;

use super::batch::{Answers, BatchSelect, BatchUpsert, Selection, incoming};
use super::error::StoreError;
use super::select::one_of;
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{EventId, Outcome, PaymentId, Timestamp};

/// The selections of events.
#[derive(Debug, Default)]
pub(super) struct Selected {
    /// Event and type.
    known: Option<Selection<(String, String)>>,
    /// Event and payment.
    parked: Option<Selection<(String, String)>>,
}

/// Selects what the inbox has of the events that are needed, and what is parked on the payments that are needed.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Selected::default();
    if !needs.events.is_empty() {
        let ids = batch.texts(needs.events.iter().map(EventId::as_str));
        let is_known = batch.is_in("id", ids);
        selected.known = Some(batch.tuples("event", "id, event_type", &format!("event WHERE {is_known}")));
    }
    if !needs.payments.is_empty() {
        let payments = batch.texts(needs.payments.iter().map(PaymentId::as_str));
        let is_parked = batch.is_in("parked_on", payments);
        selected.parked = Some(batch.tuples("event", "id, parked_on", &format!("event WHERE {is_parked}")));
    }
    selected
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        let known = self.known.map(|known| answers.take(known)).transpose()?.unwrap_or_default();
        fetched.inbox.extend(known.into_iter().map(|(id, event_type)| (EventId::new(id), event_type)));
        let parked = self.parked.map(|parked| answers.take(parked)).transpose()?.unwrap_or_default();
        let parked =
            parked.into_iter().map(|(event, payment)| (EventId::new(event), PaymentId::new(payment)));
        fetched.parked.extend(parked);
        Ok(())
    }
}

/// A new event on its way into the inbox.
#[derive(Debug, Serialize)]
struct Incoming<'e> {
    id: &'e str,
    api_version: &'e str,
    event_type: &'e str,
    created_at: Option<i64>,
    received_at: i64,
    outcome: &'static str,
    reason: Option<&'e str>,
    parked_on: Option<&'e str>,
    body_sha256: String,
    body_from: usize,
    body_length: usize,
}

/// Its columns, with their types in PostgreSQL.
const INCOMING: [(&str, &str); 11] = [
    ("id", "text"),
    ("api_version", "text"),
    ("event_type", "text"),
    ("created_at", "bigint"),
    ("received_at", "bigint"),
    ("outcome", "text"),
    ("reason", "text"),
    ("parked_on", "text"),
    ("body_sha256", "text"),
    ("body_from", "integer"),
    ("body_length", "integer"),
];

/// Adds new events with their outcomes, and new outcomes of earlier ones. The bodies travel in one piece, of which each row
/// names its part: in JSON they would be twice as long.
pub(super) fn upsert(
    batch: &mut BatchUpsert,
    changes: &Changes,
    received_at: Timestamp,
) -> Result<(), StoreError> {
    outcomes(batch, changes)?;
    let events = &changes.events;
    if events.is_empty() {
        return Ok(());
    }
    let mut bodies = Vec::with_capacity(events.iter().map(|(event, _)| event.body_zstd.len()).sum());
    let mut rows = Vec::with_capacity(events.len());
    for (event, outcome) in events {
        let (outcome, reason, parked_on) = outcome_columns(outcome);
        rows.push(Incoming {
            id: event.id.as_str(),
            api_version: event.api_version.as_deref().unwrap_or_default(),
            event_type: &event.event_type,
            created_at: event.created_at.map(Timestamp::unix),
            received_at: received_at.unix(),
            outcome,
            reason,
            parked_on,
            body_sha256: hex::encode(event.body_sha256),
            // The first byte is number 1.
            body_from: bodies.len().saturating_add(1),
            body_length: event.body_zstd.len(),
        });
        bodies.extend_from_slice(&event.body_zstd);
    }
    let bodies = batch.value(bodies.into());
    let rows = batch.json("event", &rows)?;
    let (unhex, part) = if batch.backend() == DatabaseBackend::Postgres {
        ("decode(body_sha256, 'hex')", format!("substring({bodies} FROM body_from FOR body_length)"))
    } else {
        ("unhex(body_sha256)", format!("substr({bodies}, body_from, body_length)"))
    };
    let columns = "id, api_version, event_type, created_at, received_at, outcome, reason, parked_on";
    let source = incoming(batch.backend(), &rows, &INCOMING);
    batch.push(format!(
        "INSERT INTO event ({columns}, body_zstd, body_sha256) SELECT {columns}, {part}, {unhex} FROM {source}"
    ));
    Ok(())
}

/// Adds new outcomes of events that the inbox has.
fn outcomes(batch: &mut BatchUpsert, changes: &Changes) -> Result<(), StoreError> {
    #[derive(Debug, Serialize)]
    struct NewOutcome<'o> {
        id: &'o str,
        outcome: &'static str,
        reason: Option<&'o str>,
        parked_on: Option<&'o str>,
    }
    if changes.outcomes.is_empty() {
        return Ok(());
    }
    let rows = changes.outcomes.iter().map(|(id, outcome)| {
        let (outcome, reason, parked_on) = outcome_columns(outcome);
        NewOutcome { id: id.as_str(), outcome, reason, parked_on }
    });
    let columns = [("id", "text"), ("outcome", "text"), ("reason", "text"), ("parked_on", "text")];
    let set = "outcome = incoming.outcome, reason = incoming.reason, parked_on = incoming.parked_on";
    batch.update("event", set, &columns, "event.id = incoming.id", &rows.collect::<Vec<_>>())
}

/// Outcome, reason, and the payment on which it is parked.
fn outcome_columns(outcome: &Outcome) -> (&'static str, Option<&str>, Option<&str>) {
    let parked_on = match outcome {
        Outcome::Parked(payment) => Some(payment.as_str()),
        Outcome::Posted | Outcome::Recorded | Outcome::Ignored(_) | Outcome::Quarantined(_) => None,
    };
    (outcome.as_str(), outcome.reason(), parked_on)
}

/// Those of these events that the inbox has, with their types.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn known_types(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = &EventId>,
) -> Result<BTreeMap<EventId, String>, StoreError> {
    let ids: Vec<&str> = ids.into_iter().map(EventId::as_str).collect();
    let rows = event::Entity::find().select_only().column(event::Column::Id).column(event::Column::EventType);
    let rows =
        rows.filter(one_of(db, event::Column::Id, ids)).into_tuple::<(String, String)>().all(db).await?;
    Ok(rows.into_iter().map(|(id, event_type)| (EventId::new(id), event_type)).collect())
}
