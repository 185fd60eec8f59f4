//! The writer: one batch after the other, each in a task of its own that nobody can cancel.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{IntakeError, Job};
use crate::clock;
use crate::service::Database;
use crate::service::post_events::post_events;
use crate::settings::IntakeSettings;

/// A batch that takes longer than this no longer holds up the next one. It goes on by itself, with its connection;
/// how many can do so is bounded by the connections of the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts what comes through the queue until it is closed and empty.
pub(super) async fn run(db: Database, mut jobs: mpsc::Receiver<Job>, settings: IntakeSettings) {
    let attempts = u32::from(settings.batch_attempts);
    loop {
        let mut batch = Vec::with_capacity(settings.batch_events);
        if jobs.recv_many(&mut batch, settings.batch_events).await == 0 {
            break;
        }
        let posting = tokio::spawn(post(db.clone(), batch, attempts));
        match tokio::time::timeout(PATIENCE, posting).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "a batch ended in a panic; its events are not acknowledged");
            }
            Err(_elapsed) => tracing::error!("a batch takes too long; the next one goes on beside it"),
        }
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
