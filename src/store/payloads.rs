//! Dropping old payloads: a sweep over the events in the order of their numbers, which needs no index by time. How far it has
//! come is kept in `payload_sweep`, one row. What it leaves on its way, because the event is still open or a clock had dated it
//! in the future, it marks as passed over, and comes back for it.
//!
//! An event is only reached after all that came before it are old or passed over: one that a clock dated too early keeps its
//! payload as long as its neighbours do.

use entity::event;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Statement, UpdateMany,
};

use super::database::Database;
use super::error::StoreError;
use super::select::one_of;
use crate::domain::Timestamp;

const IS_DROPPABLE: &str = "has_payload AND outcome IN ('posted', 'recorded', 'ignored')";
// Only with these very words does a planner see that the partial index fits.
const IS_PASSED_OVER: &str = "passed_over";

/// What one step of the sweep has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Events that it has gone by.
    pub events: u64,
    /// Payloads that it has dropped, also of events that it went by before.
    pub dropped: u64,
}

/// Goes by at most `limit` further events, up to the first one that was received at `received_before` or later but not after
/// `now`, and drops their payloads; those of parked and quarantined events, and of events that were received in the future,
/// stay. Then drops at most `limit` payloads of events that it went by before and that have become old or are no longer open.
///
/// May be called by several replicas at once, and again after it broke off.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn sweep(
    db: &Database,
    received_before: Timestamp,
    now: Timestamp,
    limit: u64,
) -> Result<Swept, StoreError> {
    use event::Column;
    let after = swept_through(db.reader()).await?;
    let next = event::Entity::find().select_only().columns([Column::Number, Column::ReceivedAt]);
    let next = next.filter(Column::Number.gt(after)).order_by_asc(Column::Number).limit(limit);
    let next: Vec<(i64, i64)> = next.into_tuple().all(db.reader()).await?;
    let is_young = |at: i64| (received_before.unix()..=now.unix()).contains(&at);
    let passed: Vec<i64> =
        next.into_iter().take_while(|(_, at)| !is_young(*at)).map(|(number, _)| number).collect();
    let mut swept = Swept::default();
    if let Some(through) = passed.last().copied() {
        let is_passed = Column::Number.gt(after).and(Column::Number.lte(through));
        let old = droppable(received_before).filter(is_passed.clone());
        swept.dropped = db.bookkeep(old.build(db.backend())).await?;
        // Whatever has its payload now, also should it have changed since it was read.
        let rest = event::Entity::update_many().col_expr(Column::PassedOver, Expr::value(true));
        let rest = rest.filter(is_passed).filter(Column::HasPayload.eq(true));
        db.bookkeep(rest.build(db.backend())).await?;
        let sql = "UPDATE payload_sweep SET through = $1 WHERE id = 1 AND through < $1";
        db.bookkeep(Statement::from_sql_and_values(db.backend(), sql, [through.into()])).await?;
        swept.events = u64::try_from(passed.len()).unwrap_or(u64::MAX);
    }
    let late = event::Entity::find().select_only().column(Column::Number);
    let late = late.filter(Expr::cust(IS_PASSED_OVER)).filter(Expr::cust(IS_DROPPABLE));
    let late = late.filter(Column::ReceivedAt.lt(received_before.unix()));
    let late: Vec<i64> = late.order_by_asc(Column::Number).limit(limit).into_tuple().all(db.reader()).await?;
    if !late.is_empty() {
        let late = droppable(received_before).filter(one_of(db.reader(), Column::Number, late));
        let dropped = db.bookkeep(late.build(db.backend())).await?;
        swept.dropped = swept.dropped.saturating_add(dropped);
    }
    Ok(swept)
}

/// The number of the last event that the sweep has gone by; 0 before the first.
async fn swept_through(db: &impl ConnectionTrait) -> Result<i64, StoreError> {
    let sql = "SELECT through FROM payload_sweep WHERE id = 1";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(row.map(|row| row.try_get("", "through")).transpose()?.unwrap_or_default())
}

/// Drops payloads that are old and of events that nobody will run again; everything else about them stays.
fn droppable(received_before: Timestamp) -> UpdateMany<event::Entity> {
    use event::Column;
    event::Entity::update_many()
        .col_expr(Column::BodyZstd, Expr::value(Vec::<u8>::new()))
        .col_expr(Column::BodyDictionary, Expr::value(0))
        .col_expr(Column::HasPayload, Expr::value(false))
        .col_expr(Column::PassedOver, Expr::value(false))
        .filter(Expr::cust(IS_DROPPABLE))
        .filter(Column::ReceivedAt.lt(received_before.unix()))
}
