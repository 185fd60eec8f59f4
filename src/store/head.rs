//! The head of the ledger: one row that is lock, fence and clock. Every transaction that changes the ledger locks it
//! first, loads everything else after it, and ends by raising `seq` and naming its process.
//!
//! - Lock: nobody else changes the ledger meanwhile, so what is loaded stays true and nothing is tried again.
//! - Fence: while the head says what this process wrote last, nobody else has written since, and what it remembers is true.
//! - Clock: numbers of events and entries, and the times at which entries are posted, are given under it, in the order of
//!   commits.

use std::sync::Arc;

use entity::ledger_head;
use tokio::sync::OwnedMutexGuard;

use super::database::Database;
use super::error::StoreError;
use super::memory::Memory;
use super::storage::Storage;
use super::transaction::Txn;
use crate::domain::Timestamp;
use crate::domain::ledger::{Changes, Stamp};

/// Seconds that a clock may be behind the last commit without a word.
const CLOCK_TOLERANCE_S: i64 = 60;

/// The head as it was locked.
pub type Head = ledger_head::Model;

/// A transaction that holds the lock of the ledger. Dropped, it rolls back.
#[derive(Debug)]
pub struct LedgerTxn {
    /// The transaction.
    pub txn: Txn,
    /// What this process remembers; true while the lock is held.
    pub memory: OwnedMutexGuard<Memory>,
    head: Head,
    /// Where it notes whether it could write.
    pub(super) storage: Storage,
    /// The head that it leaves when it commits.
    pub(super) next: Next,
}

/// The head that a transaction leaves, and the time at which it does so.
#[derive(Debug)]
pub struct Next {
    head: Head,
    now: Timestamp,
}

impl Database {
    /// Begins the only kind of transaction that changes the ledger: it holds the lock until it ends.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the lock is not had within `database.lock_timeout_ms`, else as the database answers.
    pub async fn begin_exclusive(&self, now: Timestamp) -> Result<LedgerTxn, StoreError> {
        let mut memory = self.turn().await?;
        let locked = async {
            let begun = self.begin().await.inspect_err(|error| self.storage.note(Err(error)));
            let (txn, head) = begun?;
            Ok::<_, StoreError>((txn, head.ok_or_else(|| StoreError::NotMigrated)?))
        };
        let (txn, head) = self.waiting(locked).await?;
        memory.begin(&head);
        let behind_s = head.last_posted_at.saturating_sub(now.unix());
        if behind_s > CLOCK_TOLERANCE_S {
            tracing::warn!(
                behind_s,
                "this machine's clock is behind the last commit of the ledger: entries are dated like that commit"
            );
        }
        let next = Next::after(&head, &self.writer, now);
        Ok(LedgerTxn { txn, memory, head, storage: self.storage.clone(), next })
    }

    /// Waits for a turn among the tasks of this process, so that only one of them waits at the database.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when it does not come within `database.lock_timeout_ms`.
    pub(super) async fn turn(&self) -> Result<OwnedMutexGuard<Memory>, StoreError> {
        let turn = tokio::time::timeout(self.lock_timeout, Arc::clone(&self.memory).lock_owned());
        turn.await.map_err(|_elapsed| StoreError::Busy(None))
    }
}

impl Next {
    /// The head that `writer` leaves when it commits after this one.
    pub(super) fn after(head: &Head, writer: &str, now: Timestamp) -> Self {
        let next = Head {
            id: head.id,
            seq: head.seq.saturating_add(1),
            writer: writer.to_owned(),
            last_entry_id: head.last_entry_id,
            last_event_number: head.last_event_number,
            last_posted_at: head.last_posted_at.max(now.unix()),
        };
        Self { head: next, now }
    }

    /// When the transaction is done.
    pub(super) const fn stamp(&self) -> Stamp {
        Stamp { now: self.now, at: Timestamp::from_unix(self.head.last_posted_at), seq: self.head.seq }
    }

    /// The number of the next ledger entry.
    pub(super) const fn next_entry_id(&mut self) -> i64 {
        self.head.last_entry_id = self.head.last_entry_id.saturating_add(1);
        self.head.last_entry_id
    }

    /// The number of the next event.
    pub(super) const fn next_event_number(&mut self) -> i64 {
        self.head.last_event_number = self.head.last_event_number.saturating_add(1);
        self.head.last_event_number
    }

    /// The head itself, which is written last.
    pub(super) fn head(&self) -> Head {
        self.head.clone()
    }
}

impl LedgerTxn {
    /// When this transaction is done, for the ids and times that it gives.
    pub const fn stamp(&self) -> Stamp {
        self.next.stamp()
    }

    /// Commits what was written together with the raised head.
    ///
    /// # Errors
    /// [`StoreError::Unanswered`] when the database did not say whether it committed: what this process remembered is
    /// forgotten then.
    pub(super) async fn commit(self, changes: &Changes) -> Result<(), StoreError> {
        let Self { txn, mut memory, next, .. } = self;
        match txn.commit().await {
            Ok(()) => {
                memory.follow(changes);
                memory.set_head(next.head);
                Ok(())
            }
            Err(error) => {
                memory.clear();
                Err(error.unanswered())
            }
        }
    }

    /// Ends a transaction of which a write was refused. Should that fail, the connection goes with it.
    pub(super) async fn undo(self) {
        if let Err(error) = self.txn.rollback().await {
            tracing::warn!(?error, "a transaction could not be rolled back in order");
        }
    }

    /// Ends a transaction that has written nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    pub async fn end(self) -> Result<(), StoreError> {
        let Self { txn, mut memory, head, .. } = self;
        memory.set_head(head);
        txn.rollback().await
    }
}
