//! Rows of many tables, written in one statement, for the reasons of [`super::ask`]. The rows of a table travel as one
//! JSON array, so that the text of a statement does not depend on how many there are.
//!
//! Raw SQL: neither SeaORM nor its query builder has a word for this. Tables, columns and their types are the entities'.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn,
    PrimaryKeyTrait, Statement, Value,
};
use serde::Serialize;

use super::column::{Holds, holds};
use super::database::Txn;
use super::error::StoreError;
use super::rows::corrupt;
use super::select::KEYS_PER_STATEMENT;

/// What becomes of a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is an error.
    Refused,
    /// It stays as it is.
    Kept,
    /// It is overwritten.
    Overwritten,
}

/// A statement that is being put together; several, when there are very many rows. Tables are written in the order in
/// which they are told.
#[derive(Debug)]
pub struct Tell {
    backend: DatabaseBackend,
    full: Vec<Statement>,
    inserts: Vec<String>,
    rows: Vec<Value>,
}

impl Tell {
    /// Tells nothing yet.
    pub fn new(txn: &Txn) -> Self {
        Self { backend: txn.get_database_backend(), full: Vec::new(), inserts: Vec::new(), rows: Vec::new() }
    }

    /// Adds rows of a table; no key may be among them twice. A key that the database gives is not read from the rows.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a row cannot be written as JSON.
    pub fn rows<E>(
        &mut self,
        rows: impl Iterator<Item = E::Model>,
        known: Known,
    ) -> Result<&mut Self, StoreError>
    where
        E: EntityTrait,
        E::Model: Serialize,
    {
        let rows: Vec<E::Model> = rows.collect();
        let table = E::default().as_str();
        for some in rows.chunks(KEYS_PER_STATEMENT) {
            let json = serde_json::to_string(some).map_err(|error| corrupt(table, "rows", &error))?;
            self.rows.push(json.into());
            self.inserts.push(self.insert::<E>(table, known));
            if some.len() == KEYS_PER_STATEMENT {
                self.fill();
            }
        }
        Ok(self)
    }

    fn insert<E: EntityTrait>(&self, table: &str, known: Known) -> String {
        let key: Vec<&str> = E::PrimaryKey::iter().map(|key| key.into_column().as_str()).collect();
        let given_by_database = <E::PrimaryKey as PrimaryKeyTrait>::auto_increment();
        let is_written = |name: &&str| !(given_by_database && key.contains(name));
        let columns = || E::Column::iter().map(|column| column.as_str()).filter(is_written);
        let on_conflict = match known {
            Known::Refused => String::new(),
            Known::Kept => format!("ON CONFLICT ({}) DO NOTHING", key.join(", ")),
            Known::Overwritten => {
                let others = columns().filter(|name| !key.contains(name));
                let others: Vec<String> = others.map(|name| format!("{name} = excluded.{name}")).collect();
                format!("ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), others.join(", "))
            }
        };
        let written = E::Column::iter().filter(|column| is_written(&column.as_str()));
        let values: Vec<String> = written.map(|column| self.value(&column)).collect();
        let names: Vec<&str> = columns().collect();
        let (names, values) = (names.join(", "), values.join(", "));
        let source = self.source(&E::Column::iter().map(of_column).collect::<Vec<_>>());
        // SQLite would take ON for a part of a join if there were no WHERE.
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {source} WHERE TRUE {on_conflict}")
    }

    /// Updates `table` by further rows of these columns: `set` and `condition` name them as `told.<column>`. To be sent
    /// alone, when it matters how many rows it met.
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
    ) -> Result<&mut Self, StoreError> {
        let json = serde_json::to_string(rows).map_err(|error| corrupt(table, "rows", &error))?;
        self.rows.push(json.into());
        let source = self.source(columns);
        self.inserts.push(format!("UPDATE {table} SET {set} FROM {source} WHERE {condition}"));
        Ok(self)
    }

    /// The rows of the last parameter as a table.
    fn source(&self, columns: &[(&str, &str)]) -> String {
        if self.backend == DatabaseBackend::Postgres {
            told(self.backend, &format!("${}", self.rows.len()), columns)
        } else {
            // Each statement takes its one parameter in turn.
            told(self.backend, "?", columns)
        }
    }

    /// A column of a row that comes.
    fn value(&self, column: &impl ColumnTrait) -> String {
        let name = column.as_str();
        match holds(column) {
            Holds::Bytes if self.backend == DatabaseBackend::Postgres => {
                format!("decode(told.{name}, 'hex')")
            }
            Holds::Bytes => format!("unhex(told.{name})"),
            Holds::Text | Holds::Integer | Holds::BigInteger | Holds::Boolean => format!("told.{name}"),
        }
    }

    /// What follows goes into another statement.
    fn fill(&mut self) {
        let (mut inserts, rows) = (std::mem::take(&mut self.inserts), std::mem::take(&mut self.rows));
        let Some(last) = inserts.pop() else { return };
        let sql = if self.backend == DatabaseBackend::Postgres && !inserts.is_empty() {
            let others = inserts.iter().enumerate().map(|(place, insert)| format!("t{place} AS ({insert})"));
            format!("WITH {} {last}", others.collect::<Vec<_>>().join(", "))
        } else {
            inserts.push(last);
            inserts.join("; ")
        };
        self.full.push(Statement::from_sql_and_values(self.backend, sql, rows));
    }

    /// Writes everything. Returns the number of rows that the last table met.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses a row; the transaction must then be rolled back.
    pub async fn send(mut self, txn: &Txn) -> Result<u64, StoreError> {
        self.fill();
        let mut met = 0;
        for statement in self.full {
            met = txn.execute_raw(statement).await?.rows_affected();
        }
        Ok(met)
    }
}

/// A parameter with rows as a JSON array, as a table `told` of these columns and their types in PostgreSQL.
pub fn told(backend: DatabaseBackend, parameter: &str, columns: &[(&str, &str)]) -> String {
    let is_postgres = backend == DatabaseBackend::Postgres;
    let columns = columns.iter().map(|(name, of_type)| {
        if is_postgres { format!("{name} {of_type}") } else { format!("value ->> '{name}' AS {name}") }
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    if is_postgres {
        format!("json_to_recordset({parameter}::text::json) AS told ({columns})")
    } else {
        format!("(SELECT {columns} FROM jsonb_each({parameter})) AS told")
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
