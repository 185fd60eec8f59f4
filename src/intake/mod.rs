//! The queue in front of the ledger: a signed event goes in, the answer comes out once it is committed.
//!
//! One writer takes whatever has arrived since the last commit as one batch, so that the cost of a commit is shared
//! by all who wait for it, and nobody waits for a batch to fill. The queue is bounded; what does not fit is refused.

pub mod redrive;
pub mod retention;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::service::Database;
use crate::service::post_events::{Answer, Inbound, Policy, reduce};
use crate::settings::IntakeSettings;
use crate::stripe::SignedEvent;

/// Pauses a loop; true when the stop came first, or whoever could send it is gone.
async fn is_stopped_within(pause: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
    tokio::time::timeout(pause, stopping.wait_for(|stop| *stop)).await.is_ok()
}

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

/// The way into the ledger for signed events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: mpsc::Sender<Job>,
    policy: Arc<Policy>,
    /// One permit a byte of the bodies that wait.
    room: Arc<Semaphore>,
    answer_within: Duration,
}

/// An event that waits, and who waits for it.
#[derive(Debug)]
struct Job {
    inbound: Inbound,
    reply: oneshot::Sender<Result<Answer, IntakeError>>,
    /// Its place in the queue, given back when it is committed or refused.
    _room: OwnedSemaphorePermit,
}

impl Intake {
    /// Starts the writer on the current runtime. It ends when every clone of the intake is dropped and the queue
    /// is empty.
    pub fn start(db: Database, policy: Policy, settings: &IntakeSettings) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(settings.queue_events);
        let writer = tokio::spawn(writer::run(db, jobs, settings.clone()));
        let answer_within = Duration::from_millis(settings.answer_within_ms);
        let bytes = usize::try_from(settings.queue_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        (Self { queue, policy: Arc::new(policy), room, answer_within }, writer)
    }

    /// Reads a signed event.
    ///
    /// # Errors
    /// [`IntakeError::Unavailable`] when there is no memory to compress its body.
    pub fn read(&self, event: &SignedEvent) -> Result<Inbound, IntakeError> {
        reduce(event, &self.policy).map_err(|error| {
            tracing::error!(%error, "an event could not be compressed");
            IntakeError::Unavailable
        })
    }

    /// Takes in an event. `Ok` means committed. A caller that goes away while it waits changes nothing: the event is
    /// posted all the same.
    ///
    /// # Errors
    /// [`IntakeError`]; the event is then not acknowledged and may be sent again.
    pub async fn submit(&self, inbound: Inbound) -> Result<Answer, IntakeError> {
        let room = Arc::clone(&self.room).try_acquire_many_owned(inbound.body_bytes);
        let room = room.or(Err(IntakeError::Full))?;
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { inbound, reply, _room: room }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => IntakeError::Full,
            mpsc::error::TrySendError::Closed(_) => IntakeError::Unavailable,
        })?;
        match tokio::time::timeout(self.answer_within, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_writer_is_gone)) => Err(IntakeError::Unavailable),
            Err(_elapsed) => Err(IntakeError::Late),
        }
    }
}
