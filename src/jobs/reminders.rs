//! Reminders: the operator is told, at the start and every hour, what the ledger cannot know as it is set up.

use std::time::Duration;

use super::supervisor::{Job, RoundError, Stop};
use crate::clock;
use crate::service::redrive::{count_late, lacks_refund_events};
use crate::settings::{RedriveSettings, StripeSettings};
use crate::store::Database;

/// How often the operator is reminded.
const INTERVAL: Duration = Duration::from_hours(1);

/// The job. A round reads the inbox and writes log lines, nothing else.
#[derive(Debug, Clone)]
pub struct Reminders {
    db: Database,
    /// Parked events would be looked up at Stripe, were there a key.
    lacks_key: bool,
}

impl Reminders {
    /// Reminders that fit the settings.
    pub const fn new(db: Database, stripe: &StripeSettings, redrive: &RedriveSettings) -> Self {
        Self { db, lacks_key: redrive.enabled && stripe.secret_key.is_none() }
    }
}

impl Job for Reminders {
    const NAME: &'static str = "reminders";

    fn first_pause(&self) -> Duration {
        Duration::ZERO
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }

    async fn run(self, _: Stop) -> Result<(), RoundError> {
        let late = if self.lacks_key { count_late(&self.db, clock::now()).await? } else { 0 };
        if late > 0 {
            tracing::warn!(
                events = late,
                "refunds are parked for more than an hour, their invoices unknown; with stripe.secret_key set they would \
                 be looked up at Stripe"
            );
        }
        if lacks_refund_events(&self.db).await? {
            tracing::warn!(
                "no refund.created, refund.updated or refund.failed was ever received: subscribe the endpoint to them, \
                 without them a refund that fails stays booked"
            );
        }
        Ok(())
    }
}
