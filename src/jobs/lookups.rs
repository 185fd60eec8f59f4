//! Lookups: Stripe is asked for what events do not show of invoices.

use std::time::Duration;

use super::redrive::{pace, stripe_api};
use super::supervisor::{Job, RoundError, Stop};
use crate::clock;
use crate::service::lookups::{Asking, look_up};
use crate::service::redrive::Pace;
use crate::settings::Settings;
use crate::store::Database;
use crate::stripe::{ApiError, StripeApi};

/// The job. A round reads the lines and discounts of the invoices whose turn it is, and posts what they change.
#[derive(Debug, Clone)]
pub struct Lookups {
    db: Database,
    api: StripeApi,
    pace: Pace,
    lookback_s: i64,
}

impl Lookups {
    /// None when `redrive.enabled` is false, or without an API key: then nobody is asked anything.
    ///
    /// # Errors
    /// [`ApiError::Unusable`] when the settings of the API cannot be used.
    pub fn new(db: Database, settings: &Settings) -> Result<Option<Self>, ApiError> {
        let Some(api) = stripe_api(&settings.stripe, &settings.redrive)? else { return Ok(None) };
        let lookback_s = settings.attribution.lookback_s.into();
        Ok(Some(Self { db, api, pace: pace(&settings.redrive), lookback_s }))
    }
}

impl Job for Lookups {
    const NAME: &'static str = "lookups";

    fn first_pause(&self) -> Duration {
        self.interval()
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.pace.interval_s)
    }

    /// A stop is noticed while Stripe is asked.
    async fn run(self, stop: Stop) -> Result<(), RoundError> {
        let Self { db, api, pace, lookback_s } = &self;
        let asking = Asking { db, api, pace, lookback_s: *lookback_s, now: clock::now() };
        let looked = look_up(asking, stop.into_receiver()).await?;
        if looked.lines > 0 || looked.discounts > 0 {
            let (lines, discounts) = (looked.lines, looked.discounts);
            tracing::info!(
                lines,
                discounts,
                "what events did not show of invoices was read from Stripe's API"
            );
        }
        looked.stopped.map_or(Ok(()), |error| Err(error.into()))
    }
}
