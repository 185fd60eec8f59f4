//! Giving up: events that have waited for an invoice for very long are ignored. It asks nobody, so it needs no API key.

use std::time::Duration;

use super::supervisor::{Job, RoundError, Stop};
use crate::clock;
use crate::service::redrive::give_up_old;
use crate::settings::RedriveSettings;
use crate::store::Database;

/// How often such events are looked for.
const INTERVAL: Duration = Duration::from_hours(1);
/// Between two batches, so that events come first.
const PAUSE_BETWEEN_BATCHES: Duration = Duration::from_millis(100);

/// The job. A round sets the outcome of all events that have been parked for long enough.
#[derive(Debug, Clone)]
pub struct GiveUp {
    db: Database,
    give_up_days: u16,
}

impl GiveUp {
    /// Gives up after `redrive.give_up_days`.
    pub const fn new(db: Database, settings: &RedriveSettings) -> Self {
        Self { db, give_up_days: settings.give_up_days }
    }
}

impl Job for GiveUp {
    const NAME: &'static str = "give_up";

    fn first_pause(&self) -> Duration {
        Duration::ZERO
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }

    /// A stop is noticed between two batches.
    async fn run(self, mut stop: Stop) -> Result<(), RoundError> {
        let mut given_up = 0_usize;
        let ended = loop {
            match give_up_old(&self.db, self.give_up_days, clock::now()).await {
                Ok(0) => break Ok(()),
                Ok(events) => given_up = given_up.saturating_add(events),
                Err(error) => break Err(error.into()),
            }
            if stop.comes_within(PAUSE_BETWEEN_BATCHES).await {
                break Ok(());
            }
        };
        if given_up > 0 {
            let days = self.give_up_days;
            tracing::info!(events = given_up, days, "events are ignored: no invoice of their payments came");
        }
        ended
    }
}
