//! Redrive: parked events are settled by asking Stripe for what they wait for.

use std::time::Duration;

use super::supervisor::{Job, RoundError, Stop};
use crate::clock;
use crate::service::redrive::{Pace, settle_parked};
use crate::settings::{RedriveSettings, StripeSettings};
use crate::store::Database;
use crate::stripe::{ApiError, StripeApi};

/// The job. A round asks Stripe about each parked event whose turn it is, and posts what Stripe answers.
#[derive(Debug, Clone)]
pub struct Redrive {
    db: Database,
    api: StripeApi,
    pace: Pace,
}

impl Redrive {
    /// None when it is switched off, or without an API key: then nobody is asked anything.
    ///
    /// # Errors
    /// [`ApiError::Unusable`] when the settings of the API cannot be used.
    pub fn new(
        db: Database,
        stripe: &StripeSettings,
        settings: &RedriveSettings,
    ) -> Result<Option<Self>, ApiError> {
        let api = stripe_api(stripe, settings)?;
        Ok(api.map(|api| Self { db, api, pace: pace(settings) }))
    }
}

/// Who is asked; none when it is switched off, or without an API key.
pub(super) fn stripe_api(
    stripe: &StripeSettings,
    settings: &RedriveSettings,
) -> Result<Option<StripeApi>, ApiError> {
    let Some(key) = stripe.secret_key.as_ref().filter(|_| settings.enabled) else { return Ok(None) };
    let timeout = Duration::from_millis(stripe.api_timeout_ms);
    StripeApi::new(key, &stripe.api_base, timeout, stripe.account.as_deref()).map(Some)
}

/// How fast Stripe is asked.
pub(super) const fn pace(settings: &RedriveSettings) -> Pace {
    Pace {
        interval_s: settings.interval_s,
        older_than_s: settings.older_than_s,
        batch: settings.batch,
        max_attempts: settings.max_attempts,
    }
}

impl Job for Redrive {
    const NAME: &'static str = "redrive";

    fn first_pause(&self) -> Duration {
        self.interval()
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.pace.interval_s)
    }

    /// A stop is noticed while Stripe is asked.
    async fn run(self, stop: Stop) -> Result<(), RoundError> {
        let receiver = stop.into_receiver();
        let round = settle_parked(&self.db, &self.api, &self.pace, clock::now(), receiver).await?;
        if round.events > 0 {
            let (settled, postponed) = (round.events, round.postponed);
            tracing::info!(settled, postponed, "parked events are settled by what Stripe's API says");
        }
        round.stopped.map_or(Ok(()), |error| Err(error.into()))
    }
}
