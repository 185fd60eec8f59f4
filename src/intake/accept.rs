//! The entrance: an event is prepared, put into the queue if there is room, and waited for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::field::display;
use tracing::{Level, Span};

use super::queue::{IntakeError, Waiting};
use super::writer::{self, Watch};
use crate::domain::Outcome;
use crate::handlers::Policy;
use crate::service::inbound::InboundEvent;
use crate::service::post_events::Answer;
use crate::settings::IntakeSettings;
use crate::store::Database;
use crate::stripe::SignedEvent;

/// The way into the ledger for signed events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: mpsc::Sender<Waiting>,
    policy: Arc<Policy>,
    /// One permit a byte of the bodies that wait.
    room: Arc<Semaphore>,
    answer_within: Duration,
}

impl Intake {
    /// Starts the writer, and what watches it on the current runtime. It ends when every clone of the intake is dropped and
    /// the queue is empty.
    pub fn start(db: &Database, policy: Policy, settings: &IntakeSettings) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(settings.queue_events);
        let work = writer::run(db.clone(), waiting, settings.batch_events, Watch::start());
        let writer = db.spawn_writer(work);
        let answer_within = Duration::from_millis(settings.answer_within_ms);
        let bytes = usize::try_from(settings.queue_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        (Self { queue, policy: Arc::new(policy), room, answer_within }, writer)
    }

    /// Takes in a signed event. `Ok` means committed. A caller that goes away while it waits changes nothing: the event
    /// is posted all the same.
    ///
    /// # Errors
    /// [`IntakeError`]; the event is then not acknowledged and may be sent again.
    pub async fn accept(&self, signed: &SignedEvent) -> Result<Answer, IntakeError> {
        let inbound = InboundEvent::prepare(signed, &self.policy).map_err(|error| {
            tracing::error!(%error, "an event could not be compressed");
            IntakeError::Unavailable
        })?;
        let event = Arc::clone(&inbound.event);
        let answer = self.post(inbound).await;
        if tells(&answer) {
            Span::current().record("event_id", display(&event.telling.id));
        }
        answer
    }

    async fn post(&self, inbound: InboundEvent) -> Result<Answer, IntakeError> {
        let answer = self.enqueue(inbound)?;
        match tokio::time::timeout(self.answer_within, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_writer_is_gone)) => Err(IntakeError::Unavailable),
            Err(_elapsed) => Err(IntakeError::Late),
        }
    }

    /// Hands an event to the writer; what comes back is where its answer will be.
    fn enqueue(
        &self,
        inbound: InboundEvent,
    ) -> Result<oneshot::Receiver<Result<Answer, IntakeError>>, IntakeError> {
        let room = Arc::clone(&self.room).try_acquire_many_owned(inbound.body_bytes);
        let room = room.or(Err(IntakeError::Full))?;
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Waiting { inbound, reply, room }).map_err(|error| match error {
            TrySendError::Full(_) => IntakeError::Full,
            TrySendError::Closed(_) => IntakeError::Unavailable,
        })?;
        Ok(answer)
    }
}

/// True when a line of the log follows that must name the event: naming it in the span takes as long as reading it.
fn tells(answer: &Result<Answer, IntakeError>) -> bool {
    matches!(answer, Err(_) | Ok(Answer::New(Outcome::Quarantined(_)))) || tracing::enabled!(Level::DEBUG)
}
