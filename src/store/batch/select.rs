//! Many selections in one statement. What a transaction reads is spread over some twenty tables; selected one by one, the
//! way to the database and back would take longer than the looking up. Here each table answers with one JSON array, in
//! one row. The text of a statement does not depend on how many keys are selected by, so few are ever prepared:
//!
//! ```sql
//! -- SQLite
//! SELECT (SELECT json_group_array(json_array(id, payment_intent, …)) FROM payment
//!         WHERE id IN (SELECT value FROM json_each(?1))), …
//! -- PostgreSQL
//! SELECT (SELECT json_agg(json_build_array(id, payment_intent, …))::text FROM payment WHERE id = ANY($1)), …
//! ```
//!
//! Raw SQL: neither SeaORM nor its query builder has a word for this. Tables, columns and their types are the entities'.

use std::marker::PhantomData;

use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IdenStatic, Iterable, QueryResult, Statement,
    Value,
};
use serde::de::DeserializeOwned;

use super::column::{Holds, holds};
use crate::store::error::{StoreError, corrupt};

/// A statement that is being put together.
#[derive(Debug)]
pub struct BatchSelect {
    backend: DatabaseBackend,
    selections: Vec<String>,
    keys: Vec<Value>,
}

/// Keys, to be used in any number of selections.
#[derive(Debug, Clone, Copy)]
pub struct Keys(usize);

/// What was selected, to find its rows in the answer.
#[derive(Debug)]
pub struct Selection<T> {
    index: usize,
    table: &'static str,
    row: PhantomData<fn() -> T>,
}

/// What the database answered.
#[derive(Debug)]
pub struct Answers(Option<QueryResult>);

impl BatchSelect {
    /// Selects nothing yet.
    pub const fn new(backend: DatabaseBackend) -> Self {
        Self { backend, selections: Vec::new(), keys: Vec::new() }
    }

    /// Keys that are texts.
    pub fn texts<'k>(&mut self, keys: impl Iterator<Item = &'k str>) -> Keys {
        let value = if self.backend == DatabaseBackend::Postgres {
            let keys = keys.map(|key| Value::String(Some(key.to_owned()))).collect();
            Value::Array(ArrayType::String, Some(Box::new(keys)))
        } else {
            keys.collect::<serde_json::Value>().to_string().into()
        };
        // Several tables are selected by the same keys: they travel once.
        if let Some(known) = self.keys.iter().position(|known| *known == value) {
            return Keys(known.saturating_add(1));
        }
        self.keys.push(value);
        Keys(self.keys.len())
    }

    /// One number.
    pub fn number(&mut self, number: i64) -> String {
        self.keys.push(number.into());
        let place = self.keys.len();
        if self.backend == DatabaseBackend::Postgres { format!("${place}") } else { format!("?{place}") }
    }

    /// The condition that a column is one of these keys.
    pub fn is_in(&self, column: &str, keys: Keys) -> String {
        if self.backend == DatabaseBackend::Postgres {
            format!("{column} = ANY(${})", keys.0)
        } else {
            format!("{column} IN (SELECT value FROM json_each(?{}))", keys.0)
        }
    }

    /// The query that gives these keys, which are texts.
    pub fn listed(&self, keys: Keys) -> String {
        if self.backend == DatabaseBackend::Postgres {
            format!("SELECT unnest(${}::text[])", keys.0)
        } else {
            format!("SELECT value FROM json_each(?{})", keys.0)
        }
    }

    /// The condition that a column is one of what a query gives. PostgreSQL gets an array: it then asks the index for
    /// each, where it would otherwise compare all rows of the table with the query.
    pub fn is_among(&self, column: &str, query: &str) -> String {
        if self.backend == DatabaseBackend::Postgres {
            format!("{column} = ANY(ARRAY({query}))")
        } else {
            format!("{column} IN ({query})")
        }
    }

    /// All rows of an entity for which a condition holds.
    pub fn rows<E>(&mut self, condition: &str) -> Selection<E::Model>
    where
        E: EntityTrait,
        E::Model: DeserializeOwned,
    {
        let table = E::default().as_str();
        let columns: Vec<String> = E::Column::iter().map(|column| self.written(&column)).collect();
        let columns = columns.join(", ");
        self.tuples(table, &columns, &format!("{table} WHERE {condition}"))
    }

    /// All rows of an entity whose column is one of these keys.
    pub fn rows_in<E>(&mut self, column: E::Column, keys: Keys) -> Selection<E::Model>
    where
        E: EntityTrait,
        E::Model: DeserializeOwned,
    {
        let condition = self.is_in(column.as_str(), keys);
        self.rows::<E>(&condition)
    }

    /// These columns, separated by commas, of what stands behind `FROM`.
    pub fn tuples<T>(&mut self, table: &'static str, columns: &str, from: &str) -> Selection<T> {
        self.selections.push(if self.backend == DatabaseBackend::Postgres {
            format!("(SELECT json_agg(json_build_array({columns}))::text FROM {from})")
        } else {
            format!("(SELECT json_group_array(json_array({columns})) FROM {from})")
        });
        Selection { index: self.selections.len().saturating_sub(1), table, row: PhantomData }
    }

    fn written(&self, column: &impl ColumnTrait) -> String {
        let name = column.as_str();
        let is_postgres = self.backend == DatabaseBackend::Postgres;
        match holds(column) {
            Holds::Boolean if !is_postgres => {
                format!("json(CASE {name} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END)")
            }
            Holds::Bytes if is_postgres => format!("encode({name}, 'hex')"),
            Holds::Bytes => format!("hex({name})"),
            Holds::Boolean | Holds::Text | Holds::Integer | Holds::BigInteger => name.to_owned(),
        }
    }

    /// Sends it; no selections are answered without the database.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    pub async fn fetch(self, db: &impl ConnectionTrait) -> Result<Answers, StoreError> {
        if self.selections.is_empty() {
            return Ok(Answers(None));
        }
        Ok(Answers(db.query_one_raw(self.into_statement()).await?))
    }

    /// The statement as it is sent.
    pub fn into_statement(self) -> Statement {
        let sql = format!("SELECT {}", self.selections.join(", "));
        Statement::from_sql_and_values(self.backend, sql, self.keys)
    }
}

impl Answers {
    /// The rows of a selection, in no order.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when they are not what the entity says.
    #[expect(clippy::needless_pass_by_value, reason = "the rows of a selection are taken once")]
    pub fn take<T: DeserializeOwned>(&self, selection: Selection<T>) -> Result<Vec<T>, StoreError> {
        let Some(answer) = &self.0 else { return Ok(Vec::new()) };
        // Nothing at all is NULL on PostgreSQL, and an empty array on SQLite.
        let rows: Option<String> = answer.try_get_by_index(selection.index)?;
        let Some(rows) = rows else { return Ok(Vec::new()) };
        serde_json::from_str(&rows).map_err(|error| corrupt(selection.table, "rows", &error))
    }
}
