//! Dropping payloads of events that nobody will need again.

use super::error::ServiceError;
use crate::domain::Timestamp;
use crate::store::{Database, events};

/// Payloads dropped in one transaction: some 0.5 MB.
const BATCH: u64 = 250;

/// Drops one batch of payloads that are older than so many days. Those of parked and quarantined events stay: they may
/// have to be run again. Returns how many were dropped.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn drop_payloads(db: &Database, payload_days: u16, now: Timestamp) -> Result<u64, ServiceError> {
    let before = now.minus_days(payload_days);
    let old = events::with_old_payload(db.reader(), before, BATCH).await?;
    if old.is_empty() {
        return Ok(0);
    }
    Ok(events::drop_payloads(db, &old, before).await?)
}
