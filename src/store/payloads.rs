//! The bodies of events, and dropping old ones: a sweep over the events in the order of their numbers, which needs no index by
//! time. How far it has come is kept in `payload_sweep`, one row. What it leaves on its way, because the event is still open or
//! a clock had dated it in the future, are the payloads up to there, and it comes back for them.
//!
//! An event is only reached after all that came before it are old or left behind: one that a clock dated too early keeps its
//! payload as long as its neighbours do.

use std::collections::BTreeMap;

use entity::{event, event_payload};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    Statement,
};

use super::database::Database;
use super::error::StoreError;
use super::select::{one_of, rows_in};
use crate::domain::Timestamp;
use crate::domain::inbox::PackedBody;

/// The bodies of the events of these numbers that have one.
///
/// # Errors
/// [`StoreError`] when the database is away.
pub async fn of(
    db: &impl ConnectionTrait,
    numbers: impl IntoIterator<Item = i64>,
) -> Result<BTreeMap<i64, PackedBody>, StoreError> {
    let rows = rows_in::<event_payload::Entity, _>(db, event_payload::Column::Number, numbers).await?;
    let body = |row: event_payload::Model| PackedBody { dictionary: row.dictionary, zstd: row.zstd };
    Ok(rows.into_iter().map(|row| (row.number, body(row))).collect())
}

/// What one step of the sweep has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Events that it has gone by.
    pub events: u64,
    /// Payloads that it has dropped, also of events that it went by before.
    pub dropped: u64,
}

/// An event that the sweep comes by: number, time of receipt, and outcome.
type Passed = (i64, i64, String);

/// Goes by at most `limit` further events, up to the first one that was received at `received_before` or later but not after
/// `now`, and drops their payloads; those of parked and quarantined events, and of events that were received in the future,
/// stay. Where there is no further one, it drops those payloads of events that it went by before that have become old or are
/// no longer open, `limit` in a transaction.
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
    let through = swept_through(db.reader()).await?;
    let next = event::Entity::find().filter(event::Column::Number.gt(through));
    let next = passed(db, next.order_by_asc(event::Column::Number).limit(limit)).await?;
    let is_young = |at: i64| (received_before.unix()..=now.unix()).contains(&at);
    let next: Vec<Passed> = next.into_iter().take_while(|(_, at, _)| !is_young(*at)).collect();
    let Some((last, ..)) = next.last() else {
        let dropped = drop_left_behind(db, through, received_before, limit).await?;
        return Ok(Swept { events: 0, dropped });
    };
    let (last, events) = (*last, u64::try_from(next.len()).unwrap_or(u64::MAX));
    let dropped = drop_old(db, next, received_before).await?;
    let sql = "UPDATE payload_sweep SET through = $1 WHERE id = 1 AND through < $1";
    db.bookkeep(Statement::from_sql_and_values(db.backend(), sql, [last.into()])).await?;
    Ok(Swept { events, dropped })
}

/// Drops what can be dropped by now of the payloads up to an event that the sweep has gone by: few are left.
async fn drop_left_behind(
    db: &Database,
    through: i64,
    received_before: Timestamp,
    limit: u64,
) -> Result<u64, StoreError> {
    use event_payload::{Column, Entity};
    let (mut dropped, mut after) = (0_u64, 0_i64);
    loop {
        let left = Entity::find().select_only().column(Column::Number);
        let left = left.filter(Column::Number.gt(after)).filter(Column::Number.lte(through));
        let left = left.order_by_asc(Column::Number).limit(limit);
        let left: Vec<i64> = left.into_tuple().all(db.reader()).await?;
        let Some(last) = left.last() else { return Ok(dropped) };
        after = *last;
        let events = event::Entity::find().filter(one_of(db.reader(), event::Column::Number, left));
        let events = passed(db, events).await?;
        dropped = dropped.saturating_add(drop_old(db, events, received_before).await?);
    }
}

async fn passed(db: &Database, events: Select<event::Entity>) -> Result<Vec<Passed>, StoreError> {
    use event::Column;
    let events = events.select_only().columns([Column::Number, Column::ReceivedAt, Column::Outcome]);
    Ok(events.into_tuple().all(db.reader()).await?)
}

/// Drops the payloads of those of these events that are old and that nobody will run again. Returns how many there were.
async fn drop_old(db: &Database, events: Vec<Passed>, received_before: Timestamp) -> Result<u64, StoreError> {
    let is_over = |outcome: &str| matches!(outcome, "posted" | "recorded" | "ignored");
    let is_old = |(_, at, outcome): &Passed| *at < received_before.unix() && is_over(outcome);
    let old: Vec<i64> = events.into_iter().filter(is_old).map(|(number, ..)| number).collect();
    if old.is_empty() {
        return Ok(0);
    }
    let old = one_of(db.reader(), event_payload::Column::Number, old);
    let old = event_payload::Entity::delete_many().filter(old);
    db.bookkeep(old.build(db.backend())).await
}

/// The number of the last event that the sweep has gone by; 0 before the first.
async fn swept_through(db: &impl ConnectionTrait) -> Result<i64, StoreError> {
    let sql = "SELECT through FROM payload_sweep WHERE id = 1";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(row.map(|row| row.try_get("", "through")).transpose()?.unwrap_or_default())
}
