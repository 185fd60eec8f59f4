//! What the daemon does by itself, beside answering requests.

pub mod redrive;
pub mod retention;

use std::time::Duration;

use tokio::sync::watch;

/// Pauses a loop; true when the stop came first, or whoever could send it is gone.
async fn is_stopped_within(pause: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
    tokio::time::timeout(pause, stopping.wait_for(|stop| *stop)).await.is_ok()
}
