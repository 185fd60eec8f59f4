//! A transaction on the one connection that writes.

use entity::ledger_head;
use sea_orm::Statement;

use super::writer::{Open, Writer};
use crate::store::batch::{Answers, BatchSelect, BatchUpsert};
use crate::store::error::StoreError;

/// A transaction that holds SQLite's write lock. It ends by [`Self::commit`]; dropped, it rolls back.
#[derive(Debug)]
pub struct SqliteTxn {
    writer: Writer,
    number: u64,
    is_open: bool,
}

impl SqliteTxn {
    /// Begins with the write lock, which another process may have for as long as the connection waits.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when it has it longer.
    pub async fn begin(writer: &Writer) -> Result<Self, StoreError> {
        let owner = writer.clone();
        // Made in that thread: should nobody wait for it any more, it is dropped there, and rolls back.
        writer.run(move |open| Ok(Self { number: begin(open)?, writer: owner, is_open: true })).await
    }

    /// The head of the ledger; `None` before the first migration.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn head(&self) -> Result<Option<ledger_head::Model>, StoreError> {
        self.run(|open| open.head()).await
    }

    /// Answers the selections.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn select(&self, batch: BatchSelect) -> Result<Answers, StoreError> {
        self.run(|open| open.select(batch)).await
    }

    /// Makes the writes.
    ///
    /// # Errors
    /// [`StoreError`] when the database refuses a row or the file cannot be written: the transaction must then end.
    pub async fn write(&self, batch: BatchUpsert) -> Result<(), StoreError> {
        self.run(|open| open.write(batch)).await
    }

    /// Runs one statement. Returns how many rows it touched.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn execute(&self, statement: Statement) -> Result<u64, StoreError> {
        self.run(move |open| open.execute(&statement)).await
    }

    /// Commits: what was written is flushed.
    ///
    /// # Errors
    /// [`StoreError`] when that is not certain.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        let done = self.run(|open| open.end("COMMIT")).await;
        self.is_open = done.is_err();
        done
    }

    /// Ends the transaction and forgets what it wrote.
    ///
    /// # Errors
    /// [`StoreError`] when the connection is broken.
    pub async fn rollback(mut self) -> Result<(), StoreError> {
        let number = self.number;
        let done = self.writer.run(move |open| open.roll_back_only(number)).await;
        self.is_open = done.is_err();
        done
    }

    /// Does something within this transaction, and neither within one that was begun after it nor within none: some errors,
    /// a full disk for one, make SQLite roll back by itself, and what followed would be committed by itself.
    async fn run<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Open) -> Result<T, StoreError> + Send + 'static,
    {
        let number = self.number;
        self.writer
            .run(move |open| if open.is_in(number)? { act(open) } else { Err(StoreError::Closed) })
            .await
    }
}

impl Drop for SqliteTxn {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let number = self.number;
        self.writer.run_later(move |open| {
            if let Err(error) = open.roll_back_only(number) {
                tracing::error!(?error, "a transaction could not be rolled back");
            }
        });
    }
}

fn begin(open: &mut Open) -> Result<u64, StoreError> {
    // What was dropped and has not been rolled back yet.
    open.roll_back()?;
    open.connection()?.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    open.transaction = open.transaction.wrapping_add(1);
    Ok(open.transaction)
}

impl Open {
    fn end(&mut self, word: &str) -> Result<(), StoreError> {
        self.connection()?.prepare_cached(word)?.execute([])?;
        Ok(())
    }

    fn is_in(&self, number: u64) -> Result<bool, StoreError> {
        Ok(self.transaction == number && !self.connection()?.is_autocommit())
    }

    /// Rolls back this transaction, unless SQLite has done so by itself, or whoever began after it.
    fn roll_back_only(&mut self, number: u64) -> Result<(), StoreError> {
        if self.transaction == number { self.roll_back() } else { Ok(()) }
    }

    fn roll_back(&mut self) -> Result<(), StoreError> {
        if self.connection()?.is_autocommit() { Ok(()) } else { self.end("ROLLBACK") }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sea_orm::DatabaseBackend;

    use super::*;

    fn sql(text: &str) -> Statement {
        Statement::from_string(DatabaseBackend::Sqlite, text)
    }

    #[tokio::test]
    async fn after_sqlite_has_rolled_back_by_itself_nothing_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let writer = Writer::open(&directory.path().join("test.db"), Duration::ZERO).unwrap();
        let txn = SqliteTxn::begin(&writer).await.unwrap();
        txn.execute(sql("CREATE TABLE t (x INTEGER PRIMARY KEY)")).await.unwrap();
        txn.commit().await.unwrap();

        let txn = SqliteTxn::begin(&writer).await.unwrap();
        txn.execute(sql("INSERT INTO t VALUES (1)")).await.unwrap();
        // As it does by itself when the disk is full.
        assert!(txn.execute(sql("INSERT OR ROLLBACK INTO t VALUES (1)")).await.is_err());
        assert!(matches!(txn.execute(sql("INSERT INTO t VALUES (2)")).await, Err(StoreError::Closed)));
        txn.rollback().await.unwrap();

        let txn = SqliteTxn::begin(&writer).await.unwrap();
        assert_eq!(txn.execute(sql("DELETE FROM t")).await.unwrap(), 0);
        txn.commit().await.unwrap();
    }
}
