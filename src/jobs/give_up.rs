//! Giving up: events that have waited for an invoice for very long are ignored. It asks nobody, so it needs no API key.

use std::time::Duration;

use super::batches::in_batches;
use super::supervisor::{Job, RoundError, Stop};
use crate::clock;
use crate::service::redrive::give_up_old;
use crate::settings::RedriveSettings;
use crate::store::Database;

/// How often such events are looked for.
const INTERVAL: Duration = Duration::from_hours(1);

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

    async fn run(self, stop: Stop) -> Result<(), RoundError> {
        let batch = || give_up_old(&self.db, self.give_up_days, clock::now());
        let (given_up, ended) = in_batches(stop, batch).await;
        if given_up > 0 {
            let days = self.give_up_days;
            tracing::info!(events = given_up, days, "events are ignored: no invoice of their payments came");
        }
        ended
    }
}
