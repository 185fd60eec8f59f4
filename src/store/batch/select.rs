//! Many selections, each of one table, to be answered together: what a transaction reads is spread over some twenty tables.
//! The text of a selection does not depend on how many keys it is made by, so few are ever prepared:
//!
//! ```sql
//! -- SQLite
//! SELECT id, payment_intent, … FROM payment WHERE id IN (SELECT value FROM json_each(?1))
//! -- PostgreSQL: see `json`
//! ```

use std::marker::PhantomData;

use sea_orm::sea_query::ArrayType;
use sea_orm::{DatabaseBackend, EntityTrait, IdenStatic, QueryResult, Value};
use serde::de::DeserializeOwned;

use super::column::{Column, columns};
use crate::store::error::{StoreError, corrupt};
use crate::store::sqlite::rows::{Row, from_row};

/// Selections that are being put together.
#[derive(Debug)]
pub struct BatchSelect {
    backend: DatabaseBackend,
    tables: Vec<Table>,
    keys: Vec<Value>,
}

/// What is selected from a table, or from a query over it.
#[derive(Debug)]
pub struct Table {
    /// Expressions, and what they hold.
    pub columns: Vec<Column>,
    /// What stands behind `FROM`; it names keys by their number, `$1` or `?1`.
    pub from: String,
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
pub enum Answers {
    /// Nothing was asked.
    Nothing,
    /// One row, with a JSON array of each table's rows.
    Json(QueryResult),
    /// The rows of each table.
    Rows(Vec<Vec<Row>>),
}

impl BatchSelect {
    /// Selects nothing yet.
    pub const fn new(backend: DatabaseBackend) -> Self {
        Self { backend, tables: Vec::new(), keys: Vec::new() }
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

    /// One value, as a condition names it.
    pub fn value(&mut self, value: impl Into<Value>) -> String {
        self.keys.push(value.into());
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

    /// All rows of an entity for which a condition holds; it may end with an order and a limit.
    pub fn rows<E>(&mut self, condition: &str) -> Selection<E::Model>
    where
        E: EntityTrait,
        E::Model: DeserializeOwned,
    {
        let table = E::default().as_str();
        self.select(table, columns::<E>(), format!("{table} WHERE {condition}"))
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

    /// Some columns of what stands behind `FROM`.
    pub fn tuples<T>(&mut self, table: &'static str, columns: &[Column], from: String) -> Selection<T> {
        self.select(table, columns.to_vec(), from)
    }

    fn select<T>(&mut self, table: &'static str, columns: Vec<Column>, from: String) -> Selection<T> {
        self.tables.push(Table { columns, from });
        Selection { index: self.tables.len().saturating_sub(1), table, row: PhantomData }
    }

    /// The selections, and the values that they name.
    pub fn into_parts(self) -> (Vec<Table>, Vec<Value>) {
        (self.tables, self.keys)
    }

    /// The database that is asked.
    pub const fn backend(&self) -> DatabaseBackend {
        self.backend
    }
}

impl Answers {
    /// The rows of a selection, in its order.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when they are not what the entity says.
    #[expect(clippy::needless_pass_by_value, reason = "the rows of a selection are taken once")]
    pub fn take<T: DeserializeOwned>(&mut self, selection: Selection<T>) -> Result<Vec<T>, StoreError> {
        let Selection { index, table, .. } = selection;
        match self {
            Self::Nothing => Ok(Vec::new()),
            Self::Rows(tables) => {
                let rows = tables.get_mut(index).map(std::mem::take).unwrap_or_default();
                rows.into_iter().map(|row| from_row(table, row)).collect()
            }
            Self::Json(answer) => {
                // Nothing at all is NULL on PostgreSQL, and an empty array on SQLite.
                let rows: Option<String> = answer.try_get_by_index(index)?;
                let Some(rows) = rows else { return Ok(Vec::new()) };
                serde_json::from_str(&rows).map_err(|error| corrupt(table, "rows", &error))
            }
        }
    }
}
