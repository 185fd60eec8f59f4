//! The inbox: one row an event. Its key is the check that an event counts once.

use std::collections::BTreeMap;

use entity::event;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::database::Txn;
use super::error::StoreError;
use crate::domain::{EventId, Outcome, Timestamp};

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
    let rows = rows.filter(event::Column::Id.is_in(ids)).into_tuple::<(String, String)>().all(db).await?;
    Ok(rows.into_iter().map(|(id, event_type)| (EventId::new(id), event_type)).collect())
}

/// Stores new events with their outcomes, ids ascending.
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
    let rows = events.iter().map(|(event, outcome)| {
        let (outcome, reason, parked_on) = outcome_columns(outcome);
        event::ActiveModel {
            id: Set(event.id.to_string()),
            event_type: Set(event.event_type.clone()),
            api_version: Set(event.api_version.clone()),
            created_at: Set(event.created_at.map(Timestamp::unix)),
            received_at: Set(received_at.unix()),
            outcome: Set(outcome),
            reason: Set(reason),
            parked_on: Set(parked_on),
            body_sha256: Set(event.body_sha256.to_vec()),
            body_zstd: Set(event.body_zstd.clone()),
        }
    });
    let once = OnConflict::column(event::Column::Id).do_nothing().to_owned();
    let inserted = match event::Entity::insert_many(rows).on_conflict(once).exec_without_returning(txn).await
    {
        Err(DbErr::RecordNotInserted) => 0,
        inserted => inserted?,
    };
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
        event::Entity::update_many()
            .col_expr(event::Column::Outcome, Expr::value(outcome))
            .col_expr(event::Column::Reason, Expr::value(None::<String>))
            .col_expr(event::Column::ParkedOn, Expr::value(None::<String>))
            .filter(event::Column::Id.is_in(ids))
            .exec(txn)
            .await?;
    }
    Ok(())
}

fn outcome_columns(outcome: &Outcome) -> (String, Option<String>, Option<String>) {
    let parked_on = match outcome {
        Outcome::Parked(payment) => Some(payment.to_string()),
        Outcome::Posted | Outcome::Recorded | Outcome::Ignored(_) | Outcome::Quarantined(_) => None,
    };
    (outcome.as_str().to_owned(), outcome.reason().map(ToOwned::to_owned), parked_on)
}
