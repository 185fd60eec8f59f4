//! Dropping payloads of events that nobody will need again.

use super::error::ServiceError;
use crate::domain::Timestamp;
use crate::store::Database;
use crate::store::payloads::{self, Swept};

/// Payloads dropped in one transaction: some 0.5 MB.
const BATCH: u64 = 250;

/// Goes by one batch of events that are older than so many days, and drops their payloads. Those of parked and quarantined
/// events stay, because they may have to be run again, and are dropped later. There is no more to do when it has neither gone
/// by an event nor dropped a payload.
///
/// # Errors
/// [`ServiceError`] when the database is away.
pub async fn drop_payloads(db: &Database, payload_days: u16, now: Timestamp) -> Result<Swept, ServiceError> {
    Ok(payloads::sweep(db, now.minus_days(payload_days), now, BATCH).await?)
}
