//! The redrive loop: parked events are settled by asking Stripe for what they wait for.
//!
//! Each round is a task of its own that nobody cancels, so no transaction is ever cut in half; a stop is noticed
//! between two rounds, and within one while Stripe is asked.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::is_stopped_within;
use crate::clock;
use crate::service::backoff::pause_s;
use crate::service::redrive::{Pace, count_late, lacks_refund_events, settle_parked};
use crate::settings::{RedriveSettings, StripeSettings};
use crate::store::Database;
use crate::stripe::{ApiError, StripeApi};

/// How often the operator is reminded.
const REMINDER: Duration = Duration::from_hours(1);
/// Rounds in a row that ended early and still lengthen the pause: five make it up to sixteen times as long.
const BACKOFF_LIMIT: u16 = 5;

/// The running loop, and the reminders. They end by [`Redrive::stop`], or when this is dropped.
#[derive(Debug)]
pub struct Redrive {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Redrive {
    /// Starts the loop on the current runtime, when it is enabled and there is an API key; without a key it asks nobody
    /// anything. The operator is reminded of what is missing in any case.
    ///
    /// # Errors
    /// [`ApiError::Unusable`] when the settings of the API cannot be used.
    pub fn start(
        db: Database,
        stripe: &StripeSettings,
        settings: &RedriveSettings,
    ) -> Result<Self, ApiError> {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = Vec::new();
        let waits_in_vain = settings.enabled && stripe.secret_key.is_none();
        tasks.push(tokio::spawn(remind(db.clone(), waits_in_vain, stopping.clone())));
        if let Some(key) = stripe.secret_key.as_ref().filter(|_| settings.enabled) {
            let timeout = Duration::from_millis(stripe.api_timeout_ms);
            let api = StripeApi::new(key, &stripe.api_base, timeout, stripe.account.as_deref())?;
            let pace = Pace {
                interval_s: settings.interval_s,
                older_than_s: settings.older_than_s,
                batch: settings.batch,
                max_attempts: settings.max_attempts,
            };
            tasks.push(tokio::spawn(run(Rounds { db, api, pace }, stopping)));
        }
        Ok(Self { stop, tasks })
    }

    /// Asks the loop to end; [`Redrive::ended`] waits for it.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the loop has ended; a transaction that it has begun is committed first.
    pub async fn ended(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "the redrive loop ended in a panic");
            }
        }
    }
}

/// What every round needs.
#[derive(Debug, Clone)]
struct Rounds {
    db: Database,
    api: StripeApi,
    pace: Pace,
}

async fn run(rounds: Rounds, mut stopping: watch::Receiver<bool>) {
    let interval_s = rounds.pace.interval_s;
    let mut failures: u16 = 0;
    loop {
        let pause_s = match failures {
            0 => interval_s,
            failures => pause_s(interval_s, failures).max(interval_s),
        };
        if is_stopped_within(Duration::from_secs(pause_s), &mut stopping).await {
            return;
        }
        let round = tokio::spawn(rounds.clone().round(stopping.clone()));
        let went_well = round.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a redrive round ended in a panic");
            false
        });
        failures = if went_well { 0 } else { failures.saturating_add(1).min(BACKOFF_LIMIT) };
    }
}

impl Rounds {
    /// One round; false when it ended before its time.
    async fn round(self, stopping: watch::Receiver<bool>) -> bool {
        match settle_parked(&self.db, &self.api, &self.pace, clock::now(), stopping).await {
            Ok(round) => {
                if round.events > 0 {
                    let (settled, postponed) = (round.events, round.postponed);
                    tracing::info!(settled, postponed, "parked events are settled by what Stripe's API says");
                }
                if let Some(error) = &round.stopped {
                    tracing::warn!(?error, "{error}; parked events wait for the next round");
                }
                round.stopped.is_none()
            }
            Err(error) => {
                tracing::error!(?error, "a redrive round failed");
                false
            }
        }
    }
}

/// Tells the operator, now and every hour, what the ledger cannot know.
async fn remind(db: Database, waits_in_vain: bool, mut stopping: watch::Receiver<bool>) {
    loop {
        if waits_in_vain {
            remind_of_parked(&db).await;
        }
        match lacks_refund_events(&db).await {
            Ok(false) => {}
            Ok(true) => tracing::warn!(
                "no refund.created, refund.updated or refund.failed was ever received: subscribe the endpoint to them, \
                 without them a refund that fails stays booked"
            ),
            Err(error) => tracing::error!(?error, "the events of refunds could not be looked for"),
        }
        if is_stopped_within(REMINDER, &mut stopping).await {
            return;
        }
    }
}

async fn remind_of_parked(db: &Database) {
    match count_late(db, clock::now()).await {
        Ok(0) => {}
        Ok(events) => tracing::warn!(
            events,
            "refunds are parked for more than an hour, their invoices unknown; with stripe.secret_key set they would be \
             looked up at Stripe"
        ),
        Err(error) => tracing::error!(?error, "parked events could not be counted"),
    }
}
