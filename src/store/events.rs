//! Reading stored events, and the bookkeeping about them: lookups of parked events, and payloads that are old.

use entity::event;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

use super::database::Txn;
use super::error::StoreError;
use super::select::one_of;
use crate::domain::{EventId, PaymentId, Timestamp};

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

/// One event with its body.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn stored(db: &impl ConnectionTrait, id: &EventId) -> Result<Option<StoredEvent>, StoreError> {
    Ok(event::Entity::find().filter(event::Column::Id.eq(id.as_str())).one(db).await?.map(stored_event))
}

/// Events that are `parked`, or `quarantined`, with their bodies, by id, at most `limit` after the one named `after`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn stored_with(
    db: &impl ConnectionTrait,
    outcome: &str,
    after: Option<&EventId>,
    limit: u64,
) -> Result<Vec<StoredEvent>, StoreError> {
    // Only with these very words, and not with a parameter, does a planner see that the partial index fits.
    let is_indexed = Expr::cust("outcome IN ('parked', 'quarantined')");
    let mut rows = event::Entity::find().filter(is_indexed).filter(event::Column::Outcome.eq(outcome));
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
        api_version: Some(row.api_version).filter(|version| !version.is_empty()),
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
