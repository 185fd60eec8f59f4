//! The inbox: one row an event telling. Its key is the check that an event counts once.

use std::collections::BTreeMap;

use entity::event;
use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QuerySelect};
use serde::Serialize;

use super::batch::{Answers, BatchSelect, BatchUpsert, Selection, incoming};
use super::error::StoreError;
use super::select::one_of;
use crate::domain::inbox::Telling;
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{EventId, PaymentId, Timestamp};

/// The outcome of an event that waits.
const PARKED: &str = "parked";

/// The selections of events.
#[derive(Debug, Default)]
pub(super) struct Selected {
    /// Event, API version and type.
    known: Option<Selection<(String, String, String)>>,
    /// Event, API version, payment and outcome.
    waiting: Option<Selection<(String, String, String, String)>>,
}

/// Selects what the inbox has of the events that are needed, in all API versions, and what waits for the payments that are
/// needed.
pub(super) fn select(batch: &mut BatchSelect, needs: &Needs) -> Selected {
    let mut selected = Selected::default();
    if !needs.events.is_empty() {
        let ids = batch.texts(needs.events.iter().map(|telling| telling.id.as_str()));
        let is_known = batch.is_in("id", ids);
        selected.known =
            Some(batch.tuples("event", "id, api_version, event_type", &format!("event WHERE {is_known}")));
    }
    if !needs.payments.is_empty() {
        let payments = batch.texts(needs.payments.iter().map(PaymentId::as_str));
        let waits = batch.is_in("waits_for", payments);
        let columns = "id, api_version, waits_for, outcome";
        selected.waiting = Some(batch.tuples("event", columns, &format!("event WHERE {waits}")));
    }
    selected
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
        let known = self.known.map(|known| answers.take(known)).transpose()?.unwrap_or_default();
        fetched.inbox.extend(
            known.into_iter().map(|(id, api_version, event_type)| (telling(id, api_version), event_type)),
        );
        let waiting = self.waiting.map(|waiting| answers.take(waiting)).transpose()?.unwrap_or_default();
        for (id, api_version, payment, outcome) in waiting {
            let waits = (telling(id, api_version), PaymentId::new(payment));
            if outcome == PARKED { fetched.parked.push(waits) } else { fetched.no_invoice.push(waits) }
        }
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
    waits_for: Option<&'e str>,
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
    ("waits_for", "text"),
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
        rows.push(Incoming {
            id: event.telling.id.as_str(),
            api_version: &event.telling.api_version,
            event_type: &event.event_type,
            created_at: event.created_at.map(Timestamp::unix),
            received_at: received_at.unix(),
            outcome: outcome.as_str(),
            reason: outcome.reason(),
            waits_for: outcome.waits_for().map(PaymentId::as_str),
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
    let columns = "id, api_version, event_type, created_at, received_at, outcome, reason, waits_for";
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
        api_version: &'o str,
        outcome: &'static str,
        reason: Option<&'o str>,
        waits_for: Option<&'o str>,
    }
    if changes.outcomes.is_empty() {
        return Ok(());
    }
    let rows = changes.outcomes.iter().map(|(telling, outcome)| NewOutcome {
        id: telling.id.as_str(),
        api_version: &telling.api_version,
        outcome: outcome.as_str(),
        reason: outcome.reason(),
        waits_for: outcome.waits_for().map(PaymentId::as_str),
    });
    let columns = ["id", "api_version", "outcome", "reason", "waits_for"].map(|column| (column, "text"));
    let set = "outcome = incoming.outcome, reason = incoming.reason, waits_for = incoming.waits_for";
    let is_same = "event.id = incoming.id AND event.api_version = incoming.api_version";
    batch.update("event", set, &columns, is_same, &rows.collect::<Vec<_>>())
}

pub(super) fn telling(id: String, api_version: String) -> Telling {
    Telling { id: EventId::new(id), api_version }
}

/// Those of these tellings that the inbox has, with their types.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn known_types(
    db: &impl ConnectionTrait,
    tellings: impl IntoIterator<Item = &Telling>,
) -> Result<BTreeMap<Telling, String>, StoreError> {
    use event::Column;
    let ids: Vec<&str> = tellings.into_iter().map(|telling| telling.id.as_str()).collect();
    let rows = event::Entity::find().select_only();
    let rows = rows.columns([Column::Id, Column::ApiVersion, Column::EventType]);
    let rows = rows.filter(one_of(db, Column::Id, ids)).into_tuple::<(String, String, String)>().all(db);
    let rows = rows.await?.into_iter();
    Ok(rows.map(|(id, api_version, event_type)| (telling(id, api_version), event_type)).collect())
}
