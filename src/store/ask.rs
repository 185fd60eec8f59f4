//! Many selections in one statement. What a transaction reads is spread over some twenty tables; asked one by one, the
//! way to the database and back would take longer than the looking up. Here each table answers with one JSON array, in
//! one row. The text of a statement does not depend on how many keys are asked for, so few are ever prepared.
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
use super::error::StoreError;
use super::rows::corrupt;

/// A statement that is being put together.
#[derive(Debug)]
pub struct Ask {
    backend: DatabaseBackend,
    selections: Vec<String>,
    lists: Vec<Value>,
}

/// A list of keys, to be used in any number of selections.
#[derive(Debug, Clone, Copy)]
pub struct List(usize);

/// Where the rows of a selection will be.
#[derive(Debug)]
pub struct Place<T> {
    selection: usize,
    table: &'static str,
    row: PhantomData<fn() -> T>,
}

/// What the database answered.
#[derive(Debug)]
pub struct Answers(Option<QueryResult>);

impl Ask {
    /// Asks nothing yet.
    pub fn new(db: &impl ConnectionTrait) -> Self {
        Self { backend: db.get_database_backend(), selections: Vec::new(), lists: Vec::new() }
    }

    /// Keys that are texts.
    pub fn texts<'k>(&mut self, keys: impl Iterator<Item = &'k str>) -> List {
        let list = if self.backend == DatabaseBackend::Postgres {
            let keys = keys.map(|key| Value::String(Some(key.to_owned()))).collect();
            Value::Array(ArrayType::String, Some(Box::new(keys)))
        } else {
            keys.collect::<serde_json::Value>().to_string().into()
        };
        self.lists.push(list);
        List(self.lists.len())
    }

    /// Keys that are numbers of rows.
    pub fn numbers(&mut self, keys: impl Iterator<Item = i64>) -> List {
        let list = if self.backend == DatabaseBackend::Postgres {
            let keys = keys.map(|key| Value::BigInt(Some(key))).collect();
            Value::Array(ArrayType::BigInt, Some(Box::new(keys)))
        } else {
            keys.collect::<serde_json::Value>().to_string().into()
        };
        self.lists.push(list);
        List(self.lists.len())
    }

    /// The condition that a column is one of a list.
    pub fn is_in(&self, column: &str, list: List) -> String {
        if self.backend == DatabaseBackend::Postgres {
            format!("{column} = ANY(${})", list.0)
        } else {
            format!("{column} IN (SELECT value FROM json_each(?{}))", list.0)
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
    pub fn rows<E>(&mut self, condition: &str) -> Place<E::Model>
    where
        E: EntityTrait,
        E::Model: DeserializeOwned,
    {
        let table = E::default().as_str();
        let columns: Vec<String> = E::Column::iter().map(|column| self.written(&column)).collect();
        let columns = columns.join(", ");
        self.tuples(table, &columns, &format!("{table} WHERE {condition}"))
    }

    /// All rows of an entity whose column is one of a list.
    pub fn rows_in<E>(&mut self, column: E::Column, list: List) -> Place<E::Model>
    where
        E: EntityTrait,
        E::Model: DeserializeOwned,
    {
        let condition = self.is_in(column.as_str(), list);
        self.rows::<E>(&condition)
    }

    /// These columns, separated by commas, of what stands behind `FROM`.
    pub fn tuples<T>(&mut self, table: &'static str, columns: &str, from: &str) -> Place<T> {
        self.selections.push(if self.backend == DatabaseBackend::Postgres {
            format!("(SELECT json_agg(json_build_array({columns}))::text FROM {from})")
        } else {
            format!("(SELECT json_group_array(json_array({columns})) FROM {from})")
        });
        Place { selection: self.selections.len().saturating_sub(1), table, row: PhantomData }
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

    /// Asks; no selections are answered without the database.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    pub async fn send(self, db: &impl ConnectionTrait) -> Result<Answers, StoreError> {
        if self.selections.is_empty() {
            return Ok(Answers(None));
        }
        let sql = format!("SELECT {}", self.selections.join(", "));
        let statement = Statement::from_sql_and_values(self.backend, sql, self.lists);
        Ok(Answers(db.query_one_raw(statement).await?))
    }
}

impl Answers {
    /// The rows of a selection, in no order.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when they are not what the entity says.
    #[expect(clippy::needless_pass_by_value, reason = "the rows of a place are taken once")]
    pub fn take<T: DeserializeOwned>(&self, place: Place<T>) -> Result<Vec<T>, StoreError> {
        let Some(answer) = &self.0 else { return Ok(Vec::new()) };
        // Nothing at all is NULL on PostgreSQL, and an empty array on SQLite.
        let rows: Option<String> = answer.try_get_by_index(place.selection)?;
        let Some(rows) = rows else { return Ok(Vec::new()) };
        serde_json::from_str(&rows).map_err(|error| corrupt(place.table, "rows", &error))
    }
}
