//! Work of a job that is done in small batches, so that events come first.

use std::time::Duration;

use super::supervisor::{RoundError, Stop};
use crate::service::ServiceError;

/// Between two batches.
const PAUSE: Duration = Duration::from_millis(100);

/// Does batch after batch until one finds nothing to do, fails, or the daemon stops, which is noticed between two. Returns
/// how much was done, and how it ended.
pub async fn in_batches<B: Future<Output = Result<u64, ServiceError>>>(
    mut stop: Stop,
    batch: impl Fn() -> B,
) -> (u64, Result<(), RoundError>) {
    let mut done = 0_u64;
    loop {
        match batch().await {
            Ok(0) => return (done, Ok(())),
            Ok(some) => done = done.saturating_add(some),
            Err(error) => return (done, Err(error.into())),
        }
        if stop.comes_within(PAUSE).await {
            return (done, Ok(()));
        }
    }
}
