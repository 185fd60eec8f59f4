//! The inbox: one row an event telling, numbered under the head of the ledger. That id and API version are unique is the
//! check that an event counts once.

use std::collections::BTreeMap;

use entity::{event, event_payload};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Value};

use super::batch::{Answers, BatchSelect, BatchUpsert, Column as BatchColumn, OnConflict, Selection};
use super::error::StoreError;
use super::head::Next;
use super::select::one_of;
use crate::domain::inbox::{NewEvent, Telling};
use crate::domain::ledger::{Changes, Fetched, Needs};
use crate::domain::{EventId, Outcome, PaymentId, Timestamp};

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
    use event::Column;
    let mut selected = Selected::default();
    if !needs.events.is_empty() {
        let ids = batch.texts(needs.events.iter().map(|telling| telling.id.as_str()));
        let is_known = batch.is_in("id", ids);
        let columns = [Column::Id, Column::ApiVersion, Column::EventType].map(|of| BatchColumn::of(&of));
        selected.known = Some(batch.tuples("event", &columns, format!("event WHERE {is_known}")));
    }
    if !needs.payments.is_empty() {
        let payments = batch.texts(needs.payments.iter().map(PaymentId::as_str));
        let waits = batch.is_in("waits_for", payments);
        let columns = [Column::Id, Column::ApiVersion, Column::WaitsFor, Column::Outcome];
        let columns = columns.map(|of| BatchColumn::of(&of));
        selected.waiting = Some(batch.tuples("event", &columns, format!("event WHERE {waits}")));
    }
    selected
}

impl Selected {
    /// Reads what was selected.
    pub(super) fn read(self, answers: &mut Answers, fetched: &mut Fetched) -> Result<(), StoreError> {
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

/// Adds new events with their outcomes, and new outcomes of earlier ones.
pub(super) fn upsert(batch: &mut BatchUpsert, changes: &Changes, next: &mut Next) {
    use event::Column;
    let outcomes = changes.outcomes.iter().map(|(telling, outcome)| new_outcome(telling, outcome)).collect();
    let set = [Column::Outcome, Column::Reason, Column::WaitsFor];
    batch.update::<event::Entity>(&set, &[Column::Id, Column::ApiVersion], outcomes);
    let received_at = next.stamp().now;
    let events = changes.events.iter();
    let events = events.map(|(event, outcome)| {
        let number = next.next_event_number();
        (row(event, outcome, number, received_at), payload(event, number))
    });
    let (events, payloads): (Vec<_>, Vec<_>) = events.unzip();
    batch.rows::<event::Entity>(events.into_iter(), OnConflict::Refuse);
    batch.rows::<event_payload::Entity>(payloads.into_iter(), OnConflict::Refuse);
}

fn new_outcome(telling: &Telling, outcome: &Outcome) -> Vec<Value> {
    vec![
        outcome.as_str().into(),
        outcome.reason().map(ToOwned::to_owned).into(),
        outcome.waits_for().map(ToString::to_string).into(),
        telling.id.as_str().into(),
        telling.api_version.as_str().into(),
    ]
}

fn row(event: &NewEvent, outcome: &Outcome, number: i64, received_at: Timestamp) -> event::Model {
    event::Model {
        number,
        id: event.telling.id.to_string(),
        api_version: event.telling.api_version.clone(),
        event_type: event.event_type.clone(),
        created_at: event.created_at.map(Timestamp::unix),
        received_at: received_at.unix(),
        outcome: outcome.as_str().to_owned(),
        reason: outcome.reason().map(ToOwned::to_owned),
        waits_for: outcome.waits_for().map(ToString::to_string),
        lookups: 0,
        lookup_at: None,
    }
}

fn payload(event: &NewEvent, number: i64) -> event_payload::Model {
    event_payload::Model { number, dictionary: event.body.dictionary, zstd: event.body.zstd.clone() }
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
