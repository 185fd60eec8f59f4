//! Trying again when another transaction was in the way: a deadlock, or another replica that was first.

use std::time::Duration;

use super::error::ServiceError;
use crate::store::StoreError;

/// How often an act is tried by default.
pub const ATTEMPTS: u32 = 8;
/// The pause before it is tried again, times the attempt.
const PAUSE: Duration = Duration::from_millis(5);

/// Counts the attempts of one act. Each attempt must begin and end a transaction of its own.
#[derive(Debug)]
pub struct Contention {
    attempts: u32,
    attempt: u32,
}

impl Contention {
    /// At most so many attempts.
    pub const fn at_most(attempts: u32) -> Self {
        Self { attempts, attempt: 1 }
    }

    /// True, after a pause, when another transaction was in the way and an attempt is left; false for any other result.
    pub async fn is_worth_another_try<T>(&mut self, result: &Result<T, ServiceError>) -> bool {
        let pause = match result {
            Err(ServiceError::Store(StoreError::Contention(cause))) if self.attempt < self.attempts => {
                tracing::debug!(?cause, attempt = self.attempt, "another transaction was in the way");
                PAUSE.saturating_mul(self.attempt)
            }
            Ok(_) | Err(_) => return false,
        };
        self.attempt = self.attempt.saturating_add(1);
        tokio::time::sleep(pause).await;
        true
    }
}
