//! The transaction that changes the ledger, on either database. It begins with the lock: `SELECT … FOR UPDATE` of the head on
//! PostgreSQL, `BEGIN IMMEDIATE` on SQLite.

use entity::ledger_head;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, FromQueryResult, Statement,
    TransactionTrait,
};

use super::batch::{Answers, BatchSelect, BatchUpsert, json};
use super::error::StoreError;
use super::fetch::Source;
use super::sqlite::{SqliteTxn, Writer};

/// What a transaction reads, it reads by key. PostgreSQL, when it has not analyzed a table yet, takes it for small, and
/// keeps a plan that looks at all of its rows, or joins all of them with the rows of a batch, long after it has grown; and
/// it would plan each statement anew, five times or for ever. These settings end with the transaction.
const PLANNER: &str = "set_config('enable_seqscan', 'off', TRUE), set_config('enable_hashjoin', 'off', TRUE), \
     set_config('enable_mergejoin', 'off', TRUE), set_config('plan_cache_mode', 'force_generic_plan', TRUE), \
     set_config('jit', 'off', TRUE)";

/// A transaction that may write. It ends by [`Self::commit`]; dropped, it rolls back.
#[derive(Debug)]
pub enum Txn {
    /// On the one connection that writes SQLite.
    Sqlite(SqliteTxn),
    /// On a connection of the pool.
    Postgres(DatabaseTransaction),
}

impl Txn {
    /// Begins on SQLite, with its write lock, and reads the head; `None` before the first migration.
    pub(super) async fn on_sqlite(writer: &Writer) -> Result<(Self, Option<ledger_head::Model>), StoreError> {
        let txn = SqliteTxn::begin(writer).await?;
        let head = txn.head().await?;
        Ok((Self::Sqlite(txn), head))
    }

    /// Begins on PostgreSQL, and locks and reads the head, in a statement of its own: PostgreSQL shows a statement what was
    /// committed when it began, but for the row that it locks.
    pub(super) async fn on_postgres(
        pool: &DatabaseConnection,
    ) -> Result<(Self, Option<ledger_head::Model>), StoreError> {
        let txn = pool.begin().await?;
        let sql = format!(
            "SELECT id, seq, writer, last_entry_id, last_event_number, last_posted_at, {PLANNER} \
             FROM ledger_head WHERE id = 1 FOR UPDATE"
        );
        let lock = Statement::from_string(DatabaseBackend::Postgres, sql);
        let head = ledger_head::Model::find_by_statement(lock).one(&txn).await?;
        Ok((Self::Postgres(txn), head))
    }

    /// Makes the writes: in one statement on PostgreSQL, unless some depend on others.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses a row; the transaction must then be rolled back.
    pub async fn write(&self, batch: BatchUpsert) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(txn) => txn.write(batch).await,
            Self::Postgres(txn) => {
                for writes in batch.into_statements() {
                    txn.execute_raw(json::writing(&writes)?).await?;
                }
                Ok(())
            }
        }
    }

    /// Commits.
    ///
    /// # Errors
    /// [`StoreError`] when the database did not say that it has.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(txn) => txn.commit().await,
            Self::Postgres(txn) => Ok(txn.commit().await?),
        }
    }

    /// Ends it and forgets what it wrote.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(txn) => txn.rollback().await,
            Self::Postgres(txn) => Ok(txn.rollback().await?),
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
            Self::Postgres(txn) => txn.answer(batch).await,
        }
    }
}
