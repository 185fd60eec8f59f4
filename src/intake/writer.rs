//! The writer: one batch after the other, and nobody can cancel what it does.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::queue::{IntakeError, Waiting};
use crate::clock;
use crate::service::post_events::post_events;
use crate::store::Database;

/// A batch that takes longer than this is told of; what waits behind it is answered 503 meanwhile.
const SLOW_BATCH: Duration = Duration::from_secs(5);
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Between two checkpoints of SQLite's log: many batches then share the pages that they changed.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(200);
/// Between two checkpoints that may wait for readers, while nobody writes.
const WAIT_INTERVAL: Duration = Duration::from_secs(5);

/// Posts what comes through the queue until it is closed and empty. It takes whatever has arrived as one batch. Runs where the
/// database wants to be written ([`Database::spawn_writer`]).
pub(super) async fn run(db: Database, waiting: mpsc::Receiver<Waiting>, batch_events: usize, watch: Watch) {
    if AssertUnwindSafe(write(db, waiting, batch_events, watch)).catch_unwind().await.is_err() {
        tracing::error!("the writer ended in a panic");
    }
}

async fn write(db: Database, mut waiting: mpsc::Receiver<Waiting>, batch_events: usize, watch: Watch) {
    let mut checkpointer = Checkpointer::start(&db, &watch);
    loop {
        let mut batch = Vec::with_capacity(batch_events);
        if waiting.recv_many(&mut batch, batch_events).await == 0 {
            break;
        }
        watch.begin();
        // Whatever happens: the log is told of a batch that ends in a panic.
        if AssertUnwindSafe(post(&db, batch)).catch_unwind().await.is_err() {
            tracing::error!("a batch ended in a panic; its events are not acknowledged");
        }
        watch.end();
        checkpointer.checkpoint_when_due(&db);
        // On SQLite the acts of operators and jobs are tasks of the same thread: they have their turn between two batches.
        tokio::task::yield_now().await;
    }
}

/// Tells the log of a batch that takes long, from beside the writer, which may sleep in the database meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    since: Arc<Mutex<Option<Instant>>>,
    /// The runtime beside the writer's.
    beside: Handle,
}

impl Watch {
    /// Starts to watch, on the current runtime, for as long as the writer is there.
    pub(super) fn start() -> Self {
        let since = Arc::new(Mutex::new(None));
        tokio::spawn(watch(Arc::downgrade(&since)));
        Self { since, beside: Handle::current() }
    }

    fn begin(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn end(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn watch(since: Weak<Mutex<Option<Instant>>>) {
    let mut told = None;
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let Some(since) = since.upgrade() else { return };
        let since = *since.lock().unwrap_or_else(PoisonError::into_inner);
        let is_slow = since.is_some_and(|since| since.elapsed() > SLOW_BATCH);
        if is_slow && told != since {
            tracing::error!("a batch takes longer than {} s", SLOW_BATCH.as_secs());
            told = since;
        }
    }
}

async fn post(db: &Database, batch: Vec<Waiting>) {
    let (mut events, mut replies) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    for Waiting { inbound, reply, room } in batch {
        events.push(inbound);
        replies.push((reply, room));
    }
    let answers = post_events(db, &events, clock::now()).await;
    for ((reply, _room), answer) in replies.into_iter().zip(answers) {
        // Whoever waited may have gone away; the event is committed all the same.
        drop(reply.send(answer.ok_or(IntakeError::Unavailable)));
    }
}

/// Moves the pages of SQLite's log into its file, beside the batches and one run at a time. Does nothing on PostgreSQL.
struct Checkpointer {
    running: JoinHandle<()>,
    /// The runtime beside the writer's: the log is written back while the next batch is posted.
    beside: Handle,
    since: Instant,
    /// When one may have waited.
    waited: Instant,
}

impl Checkpointer {
    /// What a process before this one has left in the log is moved first.
    fn start(db: &Database, watch: &Watch) -> Self {
        let (beside, now) = (watch.beside.clone(), Instant::now());
        Self { running: beside.spawn(checkpoint(db.clone(), true)), beside, since: now, waited: now }
    }

    fn checkpoint_when_due(&mut self, db: &Database) {
        if self.since.elapsed() > CHECKPOINT_INTERVAL && self.running.is_finished() {
            let may_wait = self.waited.elapsed() > WAIT_INTERVAL;
            self.running = self.beside.spawn(checkpoint(db.clone(), may_wait));
            self.since = Instant::now();
            if may_wait {
                self.waited = self.since;
            }
        }
    }
}

async fn checkpoint(db: Database, may_wait: bool) {
    if let Err(error) = db.checkpoint(may_wait).await {
        tracing::warn!(
            ?error,
            "the log of the database could not be written back; it will be with a later batch"
        );
    }
}
