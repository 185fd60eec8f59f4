//! Reading stored events, and the bookkeeping about them: lookups of parked events, and payloads that are old.

use entity::event;
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select, Statement,
};

use super::database::Database;
use super::error::StoreError;
use super::inbox::telling;
use super::select::one_of;
use crate::domain::inbox::{Arrival, KeptEvent, PackedBody, Telling};
use crate::domain::{EventId, PaymentId, Timestamp};

// Only with these very words, and not with a parameter, does a planner see that a partial index fits.
const IS_PARKED: &str = "outcome = 'parked'";
const IS_OPEN: &str = "outcome IN ('parked', 'quarantined')";
const HAS_DROPPABLE_PAYLOAD: &str = "has_payload AND outcome IN ('posted', 'recorded', 'ignored')";

/// A telling of an event in the inbox, with its body.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// What is kept of it for good.
    pub kept: KeptEvent,
    /// Its raw body.
    pub body: PackedBody,
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
    let rows = event::Entity::find().filter(event::Column::Id.eq(id.as_str()));
    let rows = rows.order_by_asc(event::Column::ReceivedAt).order_by_asc(event::Column::ApiVersion);
    Ok(rows.all(db).await?.into_iter().map(stored_event).collect())
}

/// All tellings of an event without their bodies, in the order of arrival.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn kept_tellings(db: &impl ConnectionTrait, id: &EventId) -> Result<Vec<KeptEvent>, StoreError> {
    let rows = kept_columns(event::Entity::find()).filter(event::Column::Id.eq(id.as_str()));
    let rows = rows.order_by_asc(event::Column::ReceivedAt).order_by_asc(event::Column::ApiVersion);
    Ok(rows.into_tuple().all(db).await?.into_iter().map(kept_event).collect())
}

/// Events that are `parked`, or `quarantined`, with their bodies, in the order of arrival, at most `limit` after that one.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn stored_with(
    db: &impl ConnectionTrait,
    outcome: &str,
    after: Option<&Arrival>,
    limit: u64,
) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = event::Entity::find().filter(Expr::cust(IS_OPEN)).filter(event::Column::Outcome.eq(outcome));
    let rows = match after {
        Some(after) => rows.filter(arrived(after, Direction::Later)),
        None => rows,
    };
    let rows = in_order(rows, Direction::Later).limit(limit).all(db).await?;
    Ok(rows.into_iter().map(stored_event).collect())
}

/// Events without their bodies, the newest first, at most `limit` before that one; only those with this outcome, which must
/// be `parked` or `quarantined`: of these alone there is an index.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn newest(
    db: &impl ConnectionTrait,
    open: Option<&str>,
    before: Option<&Arrival>,
    limit: u64,
) -> Result<Vec<KeptEvent>, StoreError> {
    let mut rows = kept_columns(event::Entity::find());
    if let Some(outcome) = open {
        rows = rows.filter(Expr::cust(IS_OPEN)).filter(event::Column::Outcome.eq(outcome));
    }
    if let Some(before) = before {
        rows = rows.filter(arrived(before, Direction::Earlier));
    }
    let rows = in_order(rows, Direction::Earlier).limit(limit).into_tuple().all(db).await?;
    Ok(rows.into_iter().map(kept_event).collect())
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Later,
    Earlier,
}

/// What arrived later, or earlier, than that one. The first condition is what an index finds; the rest sorts out one second.
fn arrived((at, telling): &Arrival, direction: Direction) -> Expr {
    use event::Column;
    let (id, api_version) = (telling.id.as_str(), telling.api_version.as_str());
    let same_id = Column::Id.eq(id);
    match direction {
        Direction::Later => {
            let behind = Column::Id.gt(id).or(same_id.and(Column::ApiVersion.gt(api_version)));
            Column::ReceivedAt.gte(at.unix()).and(Column::ReceivedAt.gt(at.unix()).or(behind))
        }
        Direction::Earlier => {
            let behind = Column::Id.lt(id).or(same_id.and(Column::ApiVersion.lt(api_version)));
            Column::ReceivedAt.lte(at.unix()).and(Column::ReceivedAt.lt(at.unix()).or(behind))
        }
    }
}

fn in_order(rows: Select<event::Entity>, direction: Direction) -> Select<event::Entity> {
    use event::Column;
    let key = [Column::ReceivedAt, Column::Id, Column::ApiVersion];
    key.into_iter().fold(rows, |rows, column| match direction {
        Direction::Later => rows.order_by_asc(column),
        Direction::Earlier => rows.order_by_desc(column),
    })
}

/// A row without its body, which is most of it.
type KeptRow = (String, String, String, Option<i64>, i64, String, Option<String>, Option<String>);

fn kept_columns(rows: Select<event::Entity>) -> Select<event::Entity> {
    use event::Column;
    let columns = [Column::Id, Column::ApiVersion, Column::EventType, Column::CreatedAt, Column::ReceivedAt];
    rows.select_only().columns(columns).columns([Column::Outcome, Column::Reason, Column::WaitsFor])
}

fn kept_event(row: KeptRow) -> KeptEvent {
    let (id, api_version, event_type, created_at, received_at, outcome, reason, waits_for) = row;
    KeptEvent {
        telling: telling(id, api_version),
        event_type,
        created_at: created_at.map(Timestamp::from_unix),
        received_at: Timestamp::from_unix(received_at),
        outcome,
        reason,
        waits_for: waits_for.map(PaymentId::new),
    }
}

fn stored_event(row: event::Model) -> StoredEvent {
    let event::Model { id, api_version, event_type, created_at, received_at, .. } = row;
    let (outcome, reason, waits_for) = (row.outcome, row.reason, row.waits_for);
    let kept = (id, api_version, event_type, created_at, received_at, outcome, reason, waits_for);
    let body = PackedBody { dictionary: row.body_dictionary, zstd: row.body_zstd };
    StoredEvent { kept: kept_event(kept), body }
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
        .order_by_asc(Column::Id)
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
    let rows = rows.order_by_asc(Column::ReceivedAt).limit(limit);
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

/// Events received before then whose payload may be dropped: not parked, not quarantined, oldest first.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn with_old_payload(
    db: &impl ConnectionTrait,
    received_before: Timestamp,
    limit: u64,
) -> Result<Vec<EventId>, StoreError> {
    use event::Column;
    let rows =
        event::Entity::find().select_only().column(Column::Id).filter(Expr::cust(HAS_DROPPABLE_PAYLOAD));
    let rows = rows.filter(Column::ReceivedAt.lt(received_before.unix())).order_by_asc(Column::ReceivedAt);
    let ids = rows.limit(limit).into_tuple::<String>().all(db).await?;
    Ok(ids.into_iter().map(EventId::new).collect())
}

/// Drops the payloads of these events, as far as [`with_old_payload`] finds them; everything else about them stays.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn drop_payloads(
    db: &Database,
    ids: &[EventId],
    received_before: Timestamp,
) -> Result<u64, StoreError> {
    let dropped = event::Entity::update_many()
        .col_expr(event::Column::BodyZstd, Expr::value(Vec::<u8>::new()))
        .col_expr(event::Column::BodyDictionary, Expr::value(0))
        .col_expr(event::Column::HasPayload, Expr::value(false))
        .filter(one_of(db.reader(), event::Column::Id, ids.iter().map(EventId::as_str)))
        // Another telling of the same event may be younger, or parked.
        .filter(Expr::cust(HAS_DROPPABLE_PAYLOAD))
        .filter(event::Column::ReceivedAt.lt(received_before.unix()));
    db.bookkeep(dropped.build(db.backend())).await
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
