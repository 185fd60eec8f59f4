//! Reading stored events, and the bookkeeping about parked ones.

use entity::{event, ledger_head};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select, Statement,
};

use super::database::Database;
use super::error::StoreError;
use super::inbox::telling;
use super::payloads;
use crate::domain::inbox::{KeptEvent, PackedBody, Telling};
use crate::domain::{EventId, PaymentId, Timestamp};

// Only with these very words, and not with a parameter, does a planner see that a partial index fits.
const IS_PARKED: &str = "outcome = 'parked'";
const IS_OPEN: &str = "outcome IN ('parked', 'quarantined')";

/// A telling of an event in the inbox, with its body.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// What is kept of it for good.
    pub kept: KeptEvent,
    /// Its raw body; none once it was dropped because of its age.
    pub body: Option<PackedBody>,
}

/// A parked event about whose payment Stripe may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The event.
    pub telling: Telling,
    /// The payment that it waits for, as it named it.
    pub payment: PaymentId,
    /// How often Stripe was asked already.
    pub lookups: u16,
}

/// All tellings of an event with their bodies, in the order of arrival.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn tellings(db: &impl ConnectionTrait, id: &EventId) -> Result<Vec<StoredEvent>, StoreError> {
    with_bodies(db, kept_tellings(db, id).await?).await
}

/// All tellings of an event without their bodies, in the order of arrival.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn kept_tellings(db: &impl ConnectionTrait, id: &EventId) -> Result<Vec<KeptEvent>, StoreError> {
    let rows = kept_columns(event::Entity::find()).filter(event::Column::Id.eq(id.as_str()));
    let rows = rows.order_by_asc(event::Column::Number);
    Ok(rows.into_tuple().all(db).await?.into_iter().map(kept_event).collect())
}

/// Events that are `parked`, or `quarantined`, with their bodies, in the order of arrival, at most `limit` after the number
/// `after`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn stored_with(
    db: &impl ConnectionTrait,
    outcome: &str,
    after: i64,
    limit: u64,
) -> Result<Vec<StoredEvent>, StoreError> {
    use event::Column;
    let rows = kept_columns(event::Entity::find());
    let rows = rows.filter(Expr::cust(IS_OPEN)).filter(Column::Outcome.eq(outcome));
    let rows = rows.filter(Column::Number.gt(after)).order_by_asc(Column::Number).limit(limit);
    let kept = rows.into_tuple().all(db).await?.into_iter().map(kept_event).collect();
    with_bodies(db, kept).await
}

/// Events without their bodies, the newest first, at most `limit` before the number `before`; only those with this outcome,
/// which must be `parked` or `quarantined`: of these alone there is an index.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn newest(
    db: &impl ConnectionTrait,
    open: Option<&str>,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<KeptEvent>, StoreError> {
    use event::Column;
    let mut rows = kept_columns(event::Entity::find());
    if let Some(outcome) = open {
        rows = rows.filter(Expr::cust(IS_OPEN)).filter(Column::Outcome.eq(outcome));
    }
    if let Some(before) = before {
        rows = rows.filter(Column::Number.lt(before));
    }
    let rows = rows.order_by_desc(Column::Number).limit(limit).into_tuple().all(db).await?;
    Ok(rows.into_iter().map(kept_event).collect())
}

/// What is read of a row.
type KeptRow = (i64, String, String, String, Option<i64>, i64, String, Option<String>, Option<String>);

fn kept_columns(rows: Select<event::Entity>) -> Select<event::Entity> {
    use event::Column;
    let columns = [Column::Number, Column::Id, Column::ApiVersion, Column::EventType, Column::CreatedAt];
    let rows = rows.select_only().columns(columns).column(Column::ReceivedAt);
    rows.columns([Column::Outcome, Column::Reason, Column::WaitsFor])
}

fn kept_event(row: KeptRow) -> KeptEvent {
    let (number, id, api_version, event_type, created_at, received_at, outcome, reason, waits_for) = row;
    KeptEvent {
        number,
        telling: telling(id, api_version),
        event_type,
        created_at: created_at.map(Timestamp::from_unix),
        received_at: Timestamp::from_unix(received_at),
        outcome,
        reason,
        waits_for: waits_for.map(PaymentId::new),
    }
}

async fn with_bodies(
    db: &impl ConnectionTrait,
    kept: Vec<KeptEvent>,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut bodies = payloads::of(db, kept.iter().map(|event| event.number)).await?;
    let stored = kept.into_iter().map(|kept| StoredEvent { body: bodies.remove(&kept.number), kept });
    Ok(stored.collect())
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
    let rows = event::Entity::find().select_only();
    let rows = rows.columns([Column::Id, Column::ApiVersion, Column::WaitsFor, Column::Lookups]);
    let rows = rows
        .filter(Expr::cust(IS_PARKED))
        .filter(Column::Lookups.lt(i32::from(max_lookups)))
        .filter(Column::ReceivedAt.lte(received_before.unix()))
        .filter(Column::LookupAt.is_null().or(Column::LookupAt.lte(now.unix())))
        .order_by_asc(Expr::expr(turn))
        .order_by_asc(Column::Number)
        .limit(u64::from(limit));
    let rows = rows.into_tuple::<(String, String, String, i32)>().all(db).await?;
    let parked = rows.into_iter().map(|(id, api_version, payment, lookups)| Parked {
        telling: telling(id, api_version),
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
    db: &Database,
    parked: &Parked,
    lookups: u16,
    next_at: Timestamp,
) -> Result<u64, StoreError> {
    let update = event::Entity::update_many()
        .col_expr(event::Column::Lookups, Expr::value(i32::from(lookups)))
        .col_expr(event::Column::LookupAt, Expr::value(next_at.unix()))
        .filter(event::Column::Id.eq(parked.telling.id.as_str()))
        .filter(event::Column::ApiVersion.eq(parked.telling.api_version.as_str()))
        .filter(Expr::cust(IS_PARKED))
        .filter(event::Column::Lookups.eq(i32::from(parked.lookups)));
    db.bookkeep(update.build(db.backend())).await
}

/// Parked events that were received up to then and what they wait for, the first ones to arrive.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn parked_since(
    db: &impl ConnectionTrait,
    received_before: Timestamp,
    limit: u64,
) -> Result<Vec<(Telling, PaymentId)>, StoreError> {
    use event::Column;
    let rows = event::Entity::find().select_only();
    let rows = rows.columns([Column::Id, Column::ApiVersion, Column::WaitsFor]);
    let rows = rows.filter(Expr::cust(IS_OPEN)).filter(Column::Outcome.eq("parked"));
    let rows = rows.filter(Column::ReceivedAt.lte(received_before.unix()));
    let rows = rows.order_by_asc(Column::Number).limit(limit);
    let rows = rows.into_tuple::<(String, String, String)>().all(db).await?;
    let parked = rows.into_iter();
    Ok(parked.map(|(id, api_version, payment)| (telling(id, api_version), PaymentId::new(payment))).collect())
}

/// How many events are parked that were received up to then.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn count_parked(db: &impl ConnectionTrait, received_before: Timestamp) -> Result<u64, StoreError> {
    let parked =
        event::Entity::find().filter(Expr::cust(IS_OPEN)).filter(event::Column::Outcome.eq("parked"));
    Ok(parked.filter(event::Column::ReceivedAt.lte(received_before.unix())).count(db).await?)
}

/// True when events came in, but none of `refund.created`, `refund.updated` and `refund.failed`.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn lacks_refund_events(db: &impl ConnectionTrait) -> Result<bool, StoreError> {
    let head = ledger_head::Entity::find_by_id(1).one(db).await?;
    if head.is_none_or(|head| head.last_event_number == 0) {
        return Ok(false);
    }
    // Raw SQL: only with these very words, and not with parameters, does a planner see that the partial index fits.
    let sql = "SELECT 1 AS seen FROM event \
               WHERE event_type IN ('refund.created', 'refund.updated', 'refund.failed') LIMIT 1";
    let seen = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(seen.is_none())
}
