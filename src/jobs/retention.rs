//! Dropping payloads that are old, in small batches, so that nobody waits for it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::is_stopped_within;
use crate::clock;
use crate::service::retention::drop_payloads;
use crate::store::Database;

/// How often old payloads are looked for.
const INTERVAL: Duration = Duration::from_hours(1);
/// Between two batches, so that events come first.
const PAUSE: Duration = Duration::from_millis(100);

/// The running loop. It ends by [`Retention::stop`], or when this is dropped.
#[derive(Debug)]
pub struct Retention {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Retention {
    /// Starts the loop on the current runtime; `payload_days` 0 keeps payloads for ever.
    pub fn start(db: Database, payload_days: u16) -> Self {
        let (stop, stopping) = watch::channel(false);
        Self { stop, task: tokio::spawn(run(db, payload_days, stopping)) }
    }

    /// Asks the loop to end; [`Retention::ended`] waits for it.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the loop has ended; a batch that it has begun is committed first.
    pub async fn ended(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the retention loop ended in a panic");
        }
    }
}

async fn run(db: Database, payload_days: u16, mut stopping: watch::Receiver<bool>) {
    if payload_days == 0 {
        return;
    }
    loop {
        let mut dropped = 0_u64;
        let pause = loop {
            match drop_payloads(&db, payload_days, clock::now()).await {
                Ok(0) => break INTERVAL,
                Ok(payloads) => dropped = dropped.saturating_add(payloads),
                Err(error) => {
                    tracing::warn!(?error, "old payloads could not be dropped; they will be later");
                    break INTERVAL;
                }
            }
            if is_stopped_within(PAUSE, &mut stopping).await {
                break Duration::ZERO;
            }
        };
        if dropped > 0 {
            tracing::info!(dropped, payload_days, "old payloads were dropped; what they said is kept");
        }
        if is_stopped_within(pause, &mut stopping).await {
            return;
        }
    }
}
