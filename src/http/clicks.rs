//! How many clicks are counted: the one route without a token that writes.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// When to come again where no click is ever counted: 1 hour.
const NEVER_COUNTED_RETRY_S: u32 = 3_600;

/// The limit of clicks of this process; over all codes, so that made-up codes take no memory.
#[derive(Debug, Clone)]
pub struct ClickLimit(Option<Arc<DefaultDirectRateLimiter>>);

impl ClickLimit {
    /// At most so many a minute; none at all for 0.
    pub fn per_minute(clicks: u32) -> Self {
        Self(NonZeroU32::new(clicks).map(|clicks| Arc::new(RateLimiter::direct(Quota::per_minute(clicks)))))
    }

    /// Takes one; `Some` when it must not be counted: the seconds after which to come again.
    pub fn refuse(&self) -> Option<u32> {
        let Some(limiter) = &self.0 else { return Some(NEVER_COUNTED_RETRY_S) };
        let until = limiter.check().err()?;
        let wait_s = until.wait_time_from(DefaultClock::default().now()).as_secs().saturating_add(1);
        Some(u32::try_from(wait_s).unwrap_or(u32::MAX))
    }
}
