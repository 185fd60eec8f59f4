//! What stands in the queue.

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::service::inbound::InboundEvent;
use crate::service::post_events::Answer;

/// Why an event is not acknowledged. Stripe sends it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IntakeError {
    /// The queue is full.
    #[error("too many events are waiting")]
    Full,
    /// The database is away, or the daemon is stopping.
    #[error("the database is not available")]
    Unavailable,
    /// The commit did not happen in time; it may still happen, and then the event sent again is a duplicate.
    #[error("the event was not committed in time")]
    Late,
}

/// An event that waits, and who waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The event.
    pub inbound: InboundEvent,
    /// Where the answer goes; who waits may have gone away.
    pub reply: oneshot::Sender<Result<Answer, IntakeError>>,
    /// One permit a byte of its body, given back when it is committed or refused.
    pub room: OwnedSemaphorePermit,
}
