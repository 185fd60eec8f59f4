//! Retention: payloads of events are dropped when they are old, in small batches, so that nobody waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::batches::in_batches;
use super::supervisor::{Job, RoundError, Stop};
use crate::clock;
use crate::service::retention::drop_payloads;
use crate::settings::RetentionSettings;
use crate::store::Database;

/// How often old payloads are looked for.
const INTERVAL: Duration = Duration::from_hours(1);

/// The job. A round deletes the rows of `event_payload` of all events that are old enough.
#[derive(Debug, Clone)]
pub struct Retention {
    db: Database,
    payload_days: u16,
}

impl Retention {
    /// None when payloads are kept for ever (`retention.payload_days` 0).
    pub fn new(db: Database, settings: &RetentionSettings) -> Option<Self> {
        let payload_days = settings.payload_days;
        (payload_days > 0).then_some(Self { db, payload_days })
    }
}

impl Job for Retention {
    const NAME: &'static str = "retention";

    fn first_pause(&self) -> Duration {
        Duration::ZERO
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }

    async fn run(self, stop: Stop) -> Result<(), RoundError> {
        let dropped = AtomicU64::new(0);
        let batch = || async {
            let swept = drop_payloads(&self.db, self.payload_days, clock::now()).await?;
            dropped.fetch_add(swept.dropped, Ordering::Relaxed);
            Ok(swept.events.saturating_add(swept.dropped))
        };
        let (_, ended) = in_batches(stop, batch).await;
        let dropped = dropped.into_inner();
        if dropped > 0 {
            let payload_days = self.payload_days;
            tracing::info!(dropped, payload_days, "old payloads were dropped; what they said is kept");
        }
        ended
    }
}
