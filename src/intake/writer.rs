//! The writers: one batch after the other, each on a thread of its own, and nobody can cancel what it does.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{IntakeError, Job};
use crate::clock;
use crate::service::Database;
use crate::service::post_events::post_events;
use crate::settings::IntakeSettings;

/// A batch that takes longer than this no longer holds up the next one. It goes on by itself, with its connection;
/// how many can do so is bounded by the connections of the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two rounds of [`Database::write_back`]: many batches then share the pages that they changed.
const WRITE_BACK: Duration = Duration::from_millis(200);

/// Posts what comes through the queue until it is closed and empty, by as many writers as the settings say. They take
/// turns at the queue: each takes whatever has arrived, and posts it while the next one takes its own.
///
/// A writer is a thread that sleeps until the database has answered: a task would be handed from thread to thread with
/// every answer, which takes longer than most answers do.
pub(super) async fn run(db: Database, jobs: mpsc::Receiver<Job>, settings: IntakeSettings) {
    let jobs = Arc::new(Mutex::new(jobs));
    let mut writers = JoinSet::new();
    for number in 0..settings.writers {
        // One of them is enough to see that the log is written back.
        let writer = write(db.clone(), Arc::clone(&jobs), settings.clone(), number == 0);
        writers.spawn_blocking(|| Handle::current().block_on(writer));
    }
    while let Some(ended) = writers.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a writer ended in a panic");
        }
    }
}

async fn write(
    db: Database,
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    settings: IntakeSettings,
    writes_back: bool,
) {
    let attempts = u32::from(settings.batch_attempts);
    let mut writing_back = tokio::spawn(write_back(db.clone()));
    let mut since = Instant::now();
    loop {
        let mut batch = Vec::with_capacity(settings.batch_events);
        if jobs.lock().await.recv_many(&mut batch, settings.batch_events).await == 0 {
            break;
        }
        let posting = AssertUnwindSafe(post(db.clone(), batch, attempts)).catch_unwind();
        let mut posting = Box::pin(posting.map(|ended| {
            if ended.is_err() {
                tracing::error!("a batch ended in a panic; its events are not acknowledged");
            }
        }));
        if tokio::time::timeout(PATIENCE, &mut posting).await.is_err() {
            tracing::error!("a batch takes too long; the next one goes on beside it");
            tokio::spawn(posting);
        }
        if writes_back && since.elapsed() > WRITE_BACK && writing_back.is_finished() {
            writing_back = tokio::spawn(write_back(db.clone()));
            since = Instant::now();
        }
    }
}

async fn write_back(db: Database) {
    if let Err(error) = db.write_back().await {
        tracing::warn!(
            ?error,
            "the log of the database could not be written back; it will be with a later batch"
        );
    }
}

async fn post(db: Database, batch: Vec<Job>, attempts: u32) {
    let (mut events, mut waiting) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    for Job { inbound, reply, _room: room } in batch {
        events.push(inbound);
        waiting.push((reply, room));
    }
    let answers = post_events(&db, &events, clock::now(), attempts).await;
    for ((reply, _room), answer) in waiting.into_iter().zip(answers) {
        // Whoever waited may have gone away; the event is committed all the same.
        drop(reply.send(answer.ok_or(IntakeError::Unavailable)));
    }
}
