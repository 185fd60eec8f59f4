//! The inbox: one row an event. Its key is the check that an event counts once.

use std::collections::BTreeMap;

use entity::event;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, ExprTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde::Serialize;

use super::database::Txn;
use super::error::StoreError;
use super::rows::corrupt;
use super::select::{KEYS_PER_STATEMENT, one_of};
use super::tell::told;
use crate::domain::{EventId, Outcome, PaymentId, Timestamp};

/// A new event, ready to be stored.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its id.
    pub id: EventId,
    /// `event.type`; empty when the body has none.
    pub event_type: String,
    /// `event.api_version`.
    pub api_version: Option<String>,
    /// `event.created`.
    pub created_at: Option<Timestamp>,
    /// SHA-256 of the raw body.
    pub body_sha256: [u8; 32],
    /// The raw body, compressed.
    pub body_zstd: Vec<u8>,
}

/// An event of the inbox with its body.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its id.
    pub id: EventId,
    /// What became of it, as a word.
    pub outcome: String,
    /// Why, where the outcome has a reason.
    pub reason: Option<String>,
    /// The payment that it waits for.
    pub parked_on: Option<PaymentId>,
    /// `event.type`; empty when the body has none.
    pub event_type: String,
    /// `event.api_version`.
    pub api_version: Option<String>,
    /// `event.created`.
    pub created_at: Option<Timestamp>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The raw body, compressed.
    pub body_zstd: Vec<u8>,
}

/// A parked event about whose payment Stripe may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The event.
    pub id: EventId,
    /// The payment that it waits for, as it named it.
    pub payment: PaymentId,
    /// How often Stripe was asked already.
    pub lookups: u16,
}

/// The types of those events that are already in the inbox.
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

/// A new event on its way into the inbox.
#[derive(Debug, Serialize)]
struct ToldEvent<'e> {
    id: &'e str,
    event_type: &'e str,
    api_version: Option<&'e str>,
    created_at: Option<i64>,
    outcome: &'static str,
    reason: Option<&'e str>,
    parked_on: Option<&'e str>,
    body_sha256: String,
    body_from: usize,
    body_length: usize,
}

/// Its columns.
const TOLD_COLUMNS: [(&str, &str); 10] = [
    ("id", "text"),
    ("event_type", "text"),
    ("api_version", "text"),
    ("created_at", "bigint"),
    ("outcome", "text"),
    ("reason", "text"),
    ("parked_on", "text"),
    ("body_sha256", "text"),
    ("body_from", "integer"),
    ("body_length", "integer"),
];

/// Stores new events with their outcomes, ids ascending, in one statement. Their bodies travel in one piece, of which
/// each row names its part: in JSON they would be twice as long.
///
/// # Errors
/// [`StoreError::Contention`] when another transaction stored one of them meanwhile: roll back and start again.
pub async fn insert(
    txn: &Txn,
    events: &mut [(&EventRow, &Outcome)],
    received_at: Timestamp,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    events.sort_by_key(|(event, _)| &event.id);
    let mut bodies = Vec::with_capacity(events.iter().map(|(event, _)| event.body_zstd.len()).sum());
    let mut rows = Vec::with_capacity(events.len());
    for (event, outcome) in events.iter() {
        let (outcome, reason, parked_on) = outcome_columns(outcome);
        rows.push(ToldEvent {
            id: event.id.as_str(),
            event_type: &event.event_type,
            api_version: event.api_version.as_deref(),
            created_at: event.created_at.map(Timestamp::unix),
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
    let rows = serde_json::to_string(&rows).map_err(|error| corrupt("event", "rows", &error))?;
    // Raw SQL: for the reasons of `tell`.
    let backend = txn.get_database_backend();
    let (unhex, part) = if backend == DatabaseBackend::Postgres {
        ("decode(body_sha256, 'hex')", "substring($2 FROM body_from FOR body_length)")
    } else {
        ("unhex(body_sha256)", "substr($2, body_from, body_length)")
    };
    let sql = format!(
        "INSERT INTO event (id, event_type, api_version, created_at, received_at, outcome, reason, parked_on, \
         body_sha256, body_zstd) SELECT id, event_type, api_version, created_at, $3, outcome, reason, parked_on, \
         {unhex}, {part} FROM {} WHERE TRUE ON CONFLICT (id) DO NOTHING",
        told(backend, "$1", &TOLD_COLUMNS),
    );
    let values = [rows.into(), bodies.into(), received_at.unix().into()];
    let inserted =
        txn.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?.rows_affected();
    if usize::try_from(inserted).is_ok_and(|inserted| inserted == events.len()) {
        Ok(())
    } else {
        Err(StoreError::Contention(None))
    }
}

/// Gives parked events the outcome that they have now.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn settle<'a>(
    txn: &Txn,
    settled: impl Iterator<Item = (&'a EventId, &'a Outcome)>,
) -> Result<(), StoreError> {
    let mut by_outcome: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    for (event, outcome) in settled {
        by_outcome.entry(outcome.as_str()).or_default().push(event.as_str());
    }
    for (outcome, ids) in by_outcome {
        for some in ids.chunks(KEYS_PER_STATEMENT) {
            event::Entity::update_many()
                .col_expr(event::Column::Outcome, Expr::value(outcome))
                .col_expr(event::Column::Reason, Expr::value(None::<String>))
                .col_expr(event::Column::ParkedOn, Expr::value(None::<String>))
                .filter(one_of(txn, event::Column::Id, some.iter().copied()))
                .exec(txn)
                .await?;
        }
    }
    Ok(())
}

/// Gives one event another outcome: a replay has decided anew.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn decide(txn: &Txn, id: &EventId, outcome: &Outcome) -> Result<(), StoreError> {
    let (outcome, reason, parked_on) = outcome_columns(outcome);
    event::Entity::update_many()
        .col_expr(event::Column::Outcome, Expr::value(outcome))
        .col_expr(event::Column::Reason, Expr::value(reason))
        .col_expr(event::Column::ParkedOn, Expr::value(parked_on))
        .filter(event::Column::Id.eq(id.as_str()))
        .exec(txn)
        .await?;
    Ok(())
}

/// One event with its body.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn stored(db: &impl ConnectionTrait, id: &EventId) -> Result<Option<StoredEvent>, StoreError> {
    Ok(event::Entity::find_by_id(id.as_str()).one(db).await?.map(stored_event))
}

/// Events of this outcome with their bodies, by id, at most `limit` after the one named `after`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn stored_with(
    db: &impl ConnectionTrait,
    outcome: &str,
    after: Option<&EventId>,
    limit: u64,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut rows = event::Entity::find().filter(event::Column::Outcome.eq(outcome));
    if let Some(after) = after {
        rows = rows.filter(event::Column::Id.gt(after.as_str()));
    }
    let rows = rows.order_by_asc(event::Column::Id).limit(limit).all(db).await?;
    Ok(rows.into_iter().map(stored_event).collect())
}

fn stored_event(row: event::Model) -> StoredEvent {
    StoredEvent {
        id: EventId::new(row.id),
        outcome: row.outcome,
        reason: row.reason,
        parked_on: row.parked_on.map(PaymentId::new),
        event_type: row.event_type,
        api_version: row.api_version,
        created_at: row.created_at.map(Timestamp::from_unix),
        received_at: Timestamp::from_unix(row.received_at),
        body_zstd: row.body_zstd,
    }
}

/// Parked events that are to be looked up now, those that wait longest for their turn first: received up to
/// `received_before`, not postponed beyond `now`, and looked up fewer than `max_lookups` times.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn due_for_lookup(
    db: &impl ConnectionTrait,
    received_before: Timestamp,
    now: Timestamp,
    max_lookups: u16,
    limit: u16,
) -> Result<Vec<Parked>, StoreError> {
    use event::Column;
    let turn = Func::coalesce([Column::LookupAt.into_expr(), Column::ReceivedAt.into_expr()]);
    let rows = event::Entity::find().select_only().columns([Column::Id, Column::ParkedOn, Column::Lookups]);
    let rows = rows
        .filter(Column::ParkedOn.is_not_null())
        .filter(Column::Lookups.lt(i32::from(max_lookups)))
        .filter(Column::ReceivedAt.lte(received_before.unix()))
        .filter(Column::LookupAt.is_null().or(Column::LookupAt.lte(now.unix())))
        .order_by_asc(Expr::expr(turn))
        .order_by_asc(Column::Id)
        .limit(u64::from(limit));
    let rows = rows.into_tuple::<(String, String, i32)>().all(db).await?;
    let parked = rows.into_iter().map(|(id, payment, lookups)| Parked {
        id: EventId::new(id),
        payment: PaymentId::new(payment),
        lookups: u16::try_from(lookups).unwrap_or(u16::MAX),
    });
    Ok(parked.collect())
}

/// Sets the next turn of events that are still parked and were looked up as often as `parked` says, and their number
/// of lookups to `lookups`. Returns how many: one that another replica postponed or settled meanwhile stays as it is.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn postpone(
    txn: &Txn,
    parked: &Parked,
    lookups: u16,
    next_at: Timestamp,
) -> Result<u64, StoreError> {
    let update = event::Entity::update_many()
        .col_expr(event::Column::Lookups, Expr::value(i32::from(lookups)))
        .col_expr(event::Column::LookupAt, Expr::value(next_at.unix()))
        .filter(event::Column::Id.eq(parked.id.as_str()))
        .filter(event::Column::ParkedOn.is_not_null())
        .filter(event::Column::Lookups.eq(i32::from(parked.lookups)));
    Ok(update.exec(txn).await?.rows_affected)
}

/// How many events are parked that were received up to then.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn count_parked(db: &impl ConnectionTrait, received_before: Timestamp) -> Result<u64, StoreError> {
    let parked = event::Entity::find().filter(event::Column::ParkedOn.is_not_null());
    Ok(parked.filter(event::Column::ReceivedAt.lte(received_before.unix())).count(db).await?)
}

/// Events received before then whose payload may be dropped: not parked, not quarantined, oldest first.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn with_old_payload(
    db: &impl ConnectionTrait,
    received_before: Timestamp,
    limit: u64,
) -> Result<Vec<EventId>, StoreError> {
    // Raw SQL: only with these very words, and not with a parameter, does a planner see that the partial index fits.
    let backend = db.get_database_backend();
    let (before, limit) = (received_before.unix(), i64::try_from(limit).unwrap_or(i64::MAX));
    // Both databases know numbered parameters in this form.
    let sql = "SELECT id FROM event WHERE has_payload AND received_at < $1 \
               AND outcome IN ('posted', 'recorded', 'ignored') ORDER BY received_at LIMIT $2";
    let statement = Statement::from_sql_and_values(backend, sql, [before.into(), limit.into()]);
    let rows = db.query_all_raw(statement).await?;
    let ids: Result<Vec<String>, DbErr> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
    Ok(ids?.into_iter().map(EventId::new).collect())
}

/// Drops the payloads of these events; everything else about them stays.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn drop_payloads(txn: &Txn, ids: &[EventId]) -> Result<u64, StoreError> {
    let dropped = event::Entity::update_many()
        .col_expr(event::Column::BodyZstd, Expr::value(Vec::<u8>::new()))
        .col_expr(event::Column::HasPayload, Expr::value(false))
        .filter(one_of(txn, event::Column::Id, ids.iter().map(EventId::as_str)))
        .exec(txn)
        .await?;
    Ok(dropped.rows_affected)
}

/// True when events came in, but none of `refund.created`, `refund.updated` and `refund.failed`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn lacks_refund_events(db: &impl ConnectionTrait) -> Result<bool, StoreError> {
    if event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .limit(1)
        .into_tuple::<String>()
        .one(db)
        .await?
        .is_none()
    {
        return Ok(false);
    }
    // Raw SQL: only with these very words, and not with parameters, does a planner see that the partial index fits.
    let sql = "SELECT 1 AS seen FROM event \
               WHERE event_type IN ('refund.created', 'refund.updated', 'refund.failed') LIMIT 1";
    let seen = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(seen.is_none())
}

/// Outcome, reason, and the payment on which it is parked.
fn outcome_columns(outcome: &Outcome) -> (&'static str, Option<&str>, Option<&str>) {
    let parked_on = match outcome {
        Outcome::Parked(payment) => Some(payment.as_str()),
        Outcome::Posted | Outcome::Recorded | Outcome::Ignored(_) | Outcome::Quarantined(_) => None,
    };
    (outcome.as_str(), outcome.reason(), parked_on)
}
