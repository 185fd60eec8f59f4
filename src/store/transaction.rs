//! The transaction that changes the ledger, on either database. It begins with the lock: `SELECT … FOR UPDATE` of the head on
//! PostgreSQL, `BEGIN IMMEDIATE` on SQLite.

use entity::ledger_head;
use sea_orm::DatabaseBackend;

use super::batch::{Answers, BatchSelect, BatchUpsert};
use super::error::StoreError;
use super::postgres::{self, PostgresTxn};
use super::source::Source;
use super::sqlite::{self, SqliteTxn};

/// A transaction that may write. It ends by [`Self::commit`]; dropped, it rolls back.
#[derive(Debug)]
pub enum Txn {
    /// On the one connection that writes SQLite.
    Sqlite(SqliteTxn),
    /// On the one connection that changes the ledger on PostgreSQL.
    Postgres(PostgresTxn),
}

impl Txn {
    /// Begins on SQLite, with its write lock, and reads the head; `None` before the first migration.
    pub(super) async fn on_sqlite(
        writer: &sqlite::Writer,
    ) -> Result<(Self, Option<ledger_head::Model>), StoreError> {
        let txn = SqliteTxn::begin(writer).await?;
        let head = txn.head().await?;
        Ok((Self::Sqlite(txn), head))
    }

    /// Begins on PostgreSQL, and locks and reads the head; `None` before the first migration.
    pub(super) async fn on_postgres(
        writer: &postgres::Writer,
    ) -> Result<(Self, Option<ledger_head::Model>), StoreError> {
        let (txn, head) = PostgresTxn::begin(writer).await?;
        Ok((Self::Postgres(txn), head))
    }

    /// Makes the writes.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses a row; the transaction must then be rolled back.
    pub async fn write(&self, batch: BatchUpsert) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(txn) => txn.write(batch).await,
            Self::Postgres(txn) => txn.write(batch).await,
        }
    }

    /// Commits.
    ///
    /// # Errors
    /// [`StoreError`] when the database did not say that it has.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(txn) => txn.commit().await,
            Self::Postgres(txn) => txn.commit().await,
        }
    }

    /// Ends it and forgets what it wrote.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(txn) => txn.rollback().await,
            Self::Postgres(txn) => txn.rollback().await,
        }
    }
}

impl Source for Txn {
    fn backend(&self) -> DatabaseBackend {
        match self {
            Self::Sqlite(_) => DatabaseBackend::Sqlite,
            Self::Postgres(_) => DatabaseBackend::Postgres,
        }
    }

    async fn answer(&self, batch: BatchSelect) -> Result<Answers, StoreError> {
        match self {
            Self::Sqlite(txn) => txn.select(batch).await,
            Self::Postgres(txn) => txn.select(batch).await,
        }
    }
}
