//! The summary: one line a minute that says what became of the events that came in, and none when none came. Each event by
//! itself is a line only at debug.

use std::sync::Arc;
use std::time::Duration;

use super::supervisor::{Job, RoundError, Stop};
use crate::service::tally::Tally;

/// What one line sums up.
const INTERVAL: Duration = Duration::from_mins(1);

/// The job. A round writes one log line, nothing else.
#[derive(Debug, Clone)]
pub struct Summary(Arc<Tally>);

impl Summary {
    /// Sums up what is counted there.
    pub const fn new(tally: Arc<Tally>) -> Self {
        Self(tally)
    }
}

impl Job for Summary {
    const NAME: &'static str = "summary";

    fn first_pause(&self) -> Duration {
        INTERVAL
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }

    async fn run(self, _: Stop) -> Result<(), RoundError> {
        tell(&self.0);
        Ok(())
    }
}

/// Writes the line.
pub fn tell(tally: &Tally) {
    if let Some(events) = tally.take() {
        tracing::info!(events, "events since the last summary");
    }
}
