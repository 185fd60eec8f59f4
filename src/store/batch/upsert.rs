//! Rows of many tables, written in one statement, for the reasons of [`super::select`]. The rows of a table travel as one
//! JSON array, so that the text of a statement does not depend on how many there are:
//!
//! ```sql
//! -- SQLite; several such statements, separated by semicolons
//! INSERT INTO commission (invoice_id, …) SELECT incoming.invoice_id, … FROM
//!   (SELECT value ->> 'invoice_id' AS invoice_id, … FROM jsonb_each(?)) AS incoming WHERE TRUE
//!   ON CONFLICT (invoice_id) DO UPDATE SET referral_id = excluded.referral_id, …
//! -- PostgreSQL; all but the last as `WITH t0 AS (…)`
//! INSERT INTO commission (invoice_id, …) SELECT incoming.invoice_id, … FROM
//!   json_to_recordset($1::text::json) AS incoming (invoice_id text, …) WHERE TRUE ON CONFLICT …
//! ```
//!
//! Raw SQL: neither SeaORM nor its query builder has a word for this. Tables, columns and their types are the entities'.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn,
    Statement, Value,
};
use serde::Serialize;

use super::column::{Holds, holds};
use crate::store::database::Txn;
use crate::store::error::{StoreError, corrupt};
use crate::store::select::KEYS_PER_STATEMENT;

/// What becomes of a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It is an error.
    Refuse,
    /// It stays as it is.
    Keep,
    /// It is overwritten.
    Overwrite,
}

/// A statement that is being put together; several, when there are very many rows. Tables are written in the order in
/// which they are added.
#[derive(Debug)]
pub struct BatchUpsert {
    backend: DatabaseBackend,
    full: Vec<Statement>,
    statements: Vec<String>,
    values: Vec<Value>,
}

impl BatchUpsert {
    /// Writes nothing yet.
    pub const fn new(backend: DatabaseBackend) -> Self {
        Self { backend, full: Vec::new(), statements: Vec::new(), values: Vec::new() }
    }

    /// Adds rows of a table; no key may be among them twice.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a row cannot be written as JSON.
    pub fn rows<E>(
        &mut self,
        rows: impl Iterator<Item = E::Model>,
        on_conflict: OnConflict,
    ) -> Result<(), StoreError>
    where
        E: EntityTrait,
        E::Model: Serialize,
    {
        let rows: Vec<E::Model> = rows.collect();
        let table = E::default().as_str();
        for some in rows.chunks(KEYS_PER_STATEMENT) {
            let rows = self.json(table, some)?;
            let insert = self.insert::<E>(table, &rows, on_conflict);
            self.push(insert);
            if some.len() == KEYS_PER_STATEMENT {
                self.end_statement();
            }
        }
        Ok(())
    }

    /// Adds a value, in the order of the text: the placeholder by which SQL names it.
    pub fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        if self.backend == DatabaseBackend::Postgres {
            format!("${}", self.values.len())
        } else {
            // Each statement takes its own parameters in turn.
            "?".to_owned()
        }
    }

    /// Adds rows as one value: the placeholder of their JSON array.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a row cannot be written as JSON.
    pub fn json<R: Serialize>(&mut self, table: &'static str, rows: &[R]) -> Result<String, StoreError> {
        let json = serde_json::to_string(rows).map_err(|error| corrupt(table, "rows", &error))?;
        Ok(self.value(json.into()))
    }

    /// Adds a statement that names its values by the placeholders that were given for them.
    pub fn push(&mut self, sql: String) {
        self.statements.push(sql);
    }

    /// The database that is written to.
    pub const fn backend(&self) -> DatabaseBackend {
        self.backend
    }

    fn insert<E: EntityTrait>(&self, table: &str, rows: &str, on_conflict: OnConflict) -> String {
        let key: Vec<&str> = E::PrimaryKey::iter().map(|key| key.into_column().as_str()).collect();
        let columns: Vec<&str> = E::Column::iter().map(|column| column.as_str()).collect();
        let on_conflict = match on_conflict {
            OnConflict::Refuse => String::new(),
            OnConflict::Keep => format!("ON CONFLICT ({}) DO NOTHING", key.join(", ")),
            OnConflict::Overwrite => {
                let others = columns.iter().filter(|name| !key.contains(name));
                let others: Vec<String> = others.map(|name| format!("{name} = excluded.{name}")).collect();
                format!("ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), others.join(", "))
            }
        };
        let values: Vec<String> = E::Column::iter().map(|column| self.incoming(&column)).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        let source = incoming(self.backend, rows, &E::Column::iter().map(of_column).collect::<Vec<_>>());
        // SQLite would take ON for a part of a join if there were no WHERE.
        format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {source} WHERE TRUE {on_conflict}")
    }

    /// Adds an update of `table` by rows of these columns: `set` and `condition` name them as `incoming.<column>`. One
    /// statement may touch a row once: whoever writes it again ends the statement between.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a row cannot be written as JSON.
    pub fn update<R: Serialize>(
        &mut self,
        table: &'static str,
        set: &str,
        columns: &[(&str, &str)],
        condition: &str,
        rows: &[R],
    ) -> Result<(), StoreError> {
        for some in rows.chunks(KEYS_PER_STATEMENT) {
            let rows = self.json(table, some)?;
            let source = incoming(self.backend, &rows, columns);
            self.push(format!("UPDATE {table} SET {set} FROM {source} WHERE {condition}"));
            if some.len() == KEYS_PER_STATEMENT {
                self.end_statement();
            }
        }
        Ok(())
    }

    /// A column of an incoming row.
    fn incoming(&self, column: &impl ColumnTrait) -> String {
        let name = column.as_str();
        match holds(column) {
            Holds::Bytes if self.backend == DatabaseBackend::Postgres => {
                format!("decode(incoming.{name}, 'hex')")
            }
            Holds::Bytes => format!("unhex(incoming.{name})"),
            Holds::Text | Holds::Integer | Holds::BigInteger | Holds::Boolean => format!("incoming.{name}"),
        }
    }

    /// What follows goes into another statement: it sees what was written so far.
    pub fn end_statement(&mut self) {
        let (mut statements, values) =
            (std::mem::take(&mut self.statements), std::mem::take(&mut self.values));
        let Some(last) = statements.pop() else { return };
        let sql = if self.backend == DatabaseBackend::Postgres && !statements.is_empty() {
            let others = statements.iter().enumerate().map(|(place, sql)| format!("t{place} AS ({sql})"));
            format!("WITH {} {last}", others.collect::<Vec<_>>().join(", "))
        } else {
            statements.push(last);
            statements.join("; ")
        };
        self.full.push(Statement::from_sql_and_values(self.backend, sql, values));
    }

    /// Writes everything, in order.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses a row; the transaction must then be rolled back.
    pub async fn write(self, txn: &Txn) -> Result<(), StoreError> {
        for statement in self.into_statements() {
            txn.execute_raw(statement).await?;
        }
        Ok(())
    }

    /// The statements as they are sent.
    pub fn into_statements(mut self) -> Vec<Statement> {
        self.end_statement();
        self.full
    }
}

/// A parameter with rows as a JSON array, as a table `incoming` of these columns and their types in PostgreSQL.
pub fn incoming(backend: DatabaseBackend, parameter: &str, columns: &[(&str, &str)]) -> String {
    let is_postgres = backend == DatabaseBackend::Postgres;
    let columns = columns.iter().map(|(name, of_type)| {
        if is_postgres { format!("{name} {of_type}") } else { format!("value ->> '{name}' AS {name}") }
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    if is_postgres {
        format!("json_to_recordset({parameter}::text::json) AS incoming ({columns})")
    } else {
        format!("(SELECT {columns} FROM jsonb_each({parameter})) AS incoming")
    }
}

/// A column and its type in PostgreSQL, as JSON gives it.
fn of_column(column: impl ColumnTrait) -> (&'static str, &'static str) {
    let of_type = match holds(&column) {
        Holds::Boolean => "boolean",
        Holds::Integer => "integer",
        Holds::BigInteger => "bigint",
        Holds::Text | Holds::Bytes => "text",
    };
    (column.as_str(), of_type)
}
