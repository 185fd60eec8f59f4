//! The writer: one batch after the other, and nobody can cancel what it does.

use std::panic::AssertUnwindSafe;
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
/// Between two checkpoints of SQLite's log: many batches then share the pages that they changed.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(200);

/// Posts what comes through the queue until it is closed and empty. It takes whatever has arrived as one batch.
///
/// The writer is a thread that sleeps until the database has answered: a task would be handed from thread to thread with
/// every answer, which takes longer than most answers do.
pub(super) async fn run(db: Database, waiting: mpsc::Receiver<Waiting>, batch_events: usize) {
    let writer = write(db, waiting, batch_events);
    let writer = tokio::task::spawn_blocking(|| Handle::current().block_on(writer));
    if let Err(error) = writer.await {
        tracing::error!(%error, "the writer ended in a panic");
    }
}

async fn write(db: Database, mut waiting: mpsc::Receiver<Waiting>, batch_events: usize) {
    let mut checkpointer = Checkpointer::start(&db);
    loop {
        let mut batch = Vec::with_capacity(batch_events);
        if waiting.recv_many(&mut batch, batch_events).await == 0 {
            break;
        }
        post_watched(&db, batch).await;
        checkpointer.checkpoint_when_due(&db);
    }
}

/// Posts a batch whatever happens: the log is told of one that takes long, and of one that ends in a panic.
async fn post_watched(db: &Database, batch: Vec<Waiting>) {
    let posting = AssertUnwindSafe(post(db, batch)).catch_unwind();
    let mut posting = Box::pin(posting.map(|ended| {
        if ended.is_err() {
            tracing::error!("a batch ended in a panic; its events are not acknowledged");
        }
    }));
    if tokio::time::timeout(SLOW_BATCH, &mut posting).await.is_err() {
        tracing::error!("a batch takes longer than {} s", SLOW_BATCH.as_secs());
        posting.await;
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
    since: Instant,
}

impl Checkpointer {
    /// What a process before this one has left in the log is moved first.
    fn start(db: &Database) -> Self {
        Self { running: tokio::spawn(checkpoint(db.clone())), since: Instant::now() }
    }

    fn checkpoint_when_due(&mut self, db: &Database) {
        if self.since.elapsed() > CHECKPOINT_INTERVAL && self.running.is_finished() {
            *self = Self::start(db);
        }
    }
}

async fn checkpoint(db: Database) {
    if let Err(error) = db.checkpoint().await {
        tracing::warn!(
            ?error,
            "the log of the database could not be written back; it will be with a later batch"
        );
    }
}
