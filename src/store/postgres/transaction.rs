//! A transaction on the connection that changes the ledger: lock, read, write and commit are a round trip each.

use entity::ledger_head;
use sea_orm::sea_query::ArrayType;
use sea_orm::sqlx::postgres::{PgArguments, PgRow, Postgres};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{self, Arguments as _, AssertSqlSafe, Executor as _};
use sea_orm::{FromQueryResult, Statement, Value};
use tokio::sync::Mutex;

use super::writer::{Connected, Writer};
use crate::store::batch::{Answers, BatchSelect, BatchUpsert, json};
use crate::store::error::{StoreError, driver_error};

/// The head is locked and read in a statement of its own: PostgreSQL shows a statement what was committed when it began, but
/// for the row that it locks. Both go in one message.
const BEGIN: &str = "BEGIN; \
     SELECT id, seq, writer, last_entry_id, last_event_number, last_posted_at \
     FROM ledger_head WHERE id = 1 FOR UPDATE";

/// A transaction that holds the lock of the ledger. It ends by [`Self::commit`] or [`Self::rollback`]. Dropped, it takes its
/// connection with it: the server then rolls back, and nobody meets a connection of which nobody knows what it is doing.
#[derive(Debug)]
pub struct PostgresTxn {
    writer: Writer,
    connection: Mutex<Connected>,
}

impl PostgresTxn {
    /// Begins, and locks and reads the head of the ledger; `None` before the first migration.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process holds the lock for too long, else as the server answers.
    pub async fn begin(writer: &Writer) -> Result<(Self, Option<ledger_head::Model>), StoreError> {
        let mut connected = writer.take().await?;
        let rows = writer.answer(connected.connection.fetch_all(sqlx::raw_sql(BEGIN))).await?;
        let head = rows.into_iter().next().map(|row| ledger_head::Model::from_query_result(&row.into(), ""));
        let txn = Self { writer: writer.clone(), connection: Mutex::new(connected) };
        Ok((txn, head.transpose()?))
    }

    /// Answers the selections, all of them in one statement.
    ///
    /// # Errors
    /// [`StoreError`] when the server does not answer.
    pub async fn select(&self, batch: BatchSelect) -> Result<Answers, StoreError> {
        let Some(statement) = json::selection(batch) else { return Ok(Answers::Nothing) };
        let query = bound(statement)?;
        let row: Option<PgRow> = {
            let mut connected = self.connection.lock().await;
            self.writer.answer(connected.connection.fetch_optional(query)).await?
        };
        Ok(row.map_or(Answers::Nothing, |row| Answers::Json(row.into())))
    }

    /// Makes the writes: in one statement, unless some depend on others.
    ///
    /// # Errors
    /// [`StoreError`] when the server refuses a row or does not answer; the transaction must then be rolled back.
    pub async fn write(&self, batch: BatchUpsert) -> Result<(), StoreError> {
        for writes in batch.into_statements() {
            let query = bound(json::writing(&writes)?)?;
            let mut connected = self.connection.lock().await;
            self.writer.answer(connected.connection.execute(query)).await?;
        }
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    /// [`StoreError`] when the server did not say that it has.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.end("COMMIT").await
    }

    /// Ends it and forgets what it wrote.
    ///
    /// # Errors
    /// [`StoreError`] when the server is away.
    pub async fn rollback(self) -> Result<(), StoreError> {
        self.end("ROLLBACK").await
    }

    async fn end(self, word: &'static str) -> Result<(), StoreError> {
        let mut connected = self.connection.into_inner();
        self.writer.answer(connected.connection.execute(word)).await?;
        self.writer.give_back(connected);
        Ok(())
    }
}

/// A statement as the driver takes it; it is prepared once for each connection.
fn bound(statement: Statement) -> Result<Query<'static, Postgres, PgArguments>, StoreError> {
    let mut arguments = PgArguments::default();
    for value in statement.values.into_iter().flatten() {
        add(&mut arguments, value).map_err(|error| driver_error(sqlx::Error::Encode(error)))?;
    }
    Ok(sqlx::query_with(AssertSqlSafe(statement.sql), arguments))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the list of another crate, of which our statements use four"
)]
fn add(arguments: &mut PgArguments, value: Value) -> Result<(), sqlx::error::BoxDynError> {
    match value {
        Value::String(text) => arguments.add(text),
        Value::BigInt(number) => arguments.add(number),
        Value::Bytes(bytes) => arguments.add(bytes),
        Value::Array(ArrayType::String, Some(keys)) => {
            let text = |key: Value| if let Value::String(text) = key { text } else { None };
            arguments.add(keys.into_iter().map(text).collect::<Vec<_>>())
        }
        other => Err(format!("{other:?} cannot be sent").into()),
    }
}
