//! Selections and writes of many tables as one statement each. The rows of a table travel as one JSON array, so that the text of
//! a statement does not depend on how many there are:
//!
//! ```sql
//! SELECT (SELECT json_agg(json_build_array(id, payment_intent, …))::text FROM payment WHERE id = ANY($1)), …
//!
//! WITH t0 AS (INSERT INTO commission (invoice_id, …) SELECT incoming.invoice_id, … FROM
//!   json_to_recordset($1::text::json) AS incoming (invoice_id text, …) ON CONFLICT …), …
//! UPDATE ledger_head SET …
//! ```
//!
//! Raw SQL because of what it saves of PostgreSQL's own processor time, which is 110 µs an event so: reading by a statement a
//! table takes 23 to 28 more, writing by a statement a table 28 to 35, and so do SeaORM's rows of `VALUES` (31). UNNEST of typed
//! arrays instead of JSON saves nothing (`benches/NOTES.md`). Neither SeaORM nor its query builder has a word for this. Tables, columns and their types are the entities'.
//! SQLite is asked like this where it is read beside the writer, by whoever looks at one moment of the ledger.

use sea_orm::{DatabaseBackend, Statement, Value};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};

use super::column::{Column, Holds};
use super::select::{BatchSelect, Table};
use super::upsert::{OnConflict, Step, Write};
use crate::store::error::{StoreError, corrupt};

/// One statement that answers all selections; `None` when there are none.
pub fn selection(batch: BatchSelect) -> Option<Statement> {
    let backend = batch.backend();
    let (tables, keys) = batch.into_parts();
    if tables.is_empty() {
        return None;
    }
    let selections: Vec<String> = tables.iter().map(|table| array(backend, table)).collect();
    let sql = format!("SELECT {}", selections.join(", "));
    Some(Statement::from_sql_and_values(backend, sql, keys))
}

fn array(backend: DatabaseBackend, Table { columns, from }: &Table) -> String {
    let columns: Vec<String> = columns.iter().map(|column| written(backend, *column)).collect();
    let columns = columns.join(", ");
    // An order and a limit hold for rows, not for the one array of them.
    let names_order = from.contains(" ORDER BY ");
    let from = if names_order { format!("(SELECT * FROM {from}) AS ordered") } else { from.clone() };
    if backend == DatabaseBackend::Postgres {
        format!("(SELECT json_agg(json_build_array({columns}))::text FROM {from})")
    } else {
        format!("(SELECT json_group_array(json_array({columns})) FROM {from})")
    }
}

fn written(backend: DatabaseBackend, Column { name, holds }: Column) -> String {
    let is_postgres = backend == DatabaseBackend::Postgres;
    match holds {
        Holds::Boolean if !is_postgres => {
            format!("json(CASE {name} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END)")
        }
        Holds::Bytes if is_postgres => format!("encode({name}, 'hex')"),
        Holds::Bytes => format!("hex({name})"),
        Holds::Boolean | Holds::Text | Holds::Integer | Holds::BigInteger => name.to_owned(),
    }
}

/// One statement of PostgreSQL that makes all these writes.
///
/// # Errors
/// [`StoreError::Corrupt`] when a row cannot be written as JSON.
pub fn writing(writes: &[Write]) -> Result<Statement, StoreError> {
    let mut values = Vec::new();
    let mut statements = Vec::new();
    for write in writes {
        statements.push(statement(write, &mut values)?);
    }
    let last = statements.pop().unwrap_or_default();
    let sql = if statements.is_empty() {
        last
    } else {
        let others = statements.iter().enumerate().map(|(place, sql)| format!("t{place} AS ({sql})"));
        format!("WITH {} {last}", others.collect::<Vec<_>>().join(", "))
    };
    Ok(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values))
}

fn statement(write: &Write, values: &mut Vec<Value>) -> Result<String, StoreError> {
    let Write { table, columns, key, step, .. } = write;
    let (rows, bytes) = rows(write)?;
    values.push(rows.into());
    let rows = format!("${}", values.len());
    let mut piece = String::new();
    if columns.iter().any(|column| column.holds == Holds::Bytes) {
        values.push(bytes.into());
        piece = format!("${}", values.len());
    }
    let types: Vec<String> = columns.iter().map(|column| typed(*column)).collect();
    let source = format!("json_to_recordset({rows}::text::json) AS incoming ({})", types.join(", "));
    let incoming = |column: &Column| match column.holds {
        Holds::Bytes => {
            let name = column.name;
            format!("substring({piece}::bytea FROM incoming.{name}_from FOR incoming.{name}_length)")
        }
        Holds::Text | Holds::Integer | Holds::BigInteger | Holds::Boolean => {
            format!("incoming.{}", column.name)
        }
    };
    let others = columns.iter().filter(|column| !key.contains(&column.name));
    Ok(match step {
        Step::Insert(on_conflict) => {
            let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
            let incoming: Vec<String> = columns.iter().map(incoming).collect();
            let on_conflict = clause(*on_conflict, columns, key);
            let (names, incoming) = (names.join(", "), incoming.join(", "));
            format!("INSERT INTO {table} ({names}) SELECT {incoming} FROM {source}{on_conflict}")
        }
        Step::Update => {
            let set: Vec<String> =
                others.map(|column| format!("{} = {}", column.name, incoming(column))).collect();
            let same: Vec<String> =
                key.iter().map(|name| format!("{table}.{name} = incoming.{name}")).collect();
            format!("UPDATE {table} SET {} FROM {source} WHERE {}", set.join(", "), same.join(" AND "))
        }
    })
}

/// What follows the rows of an insert, with a space before it.
pub fn clause(on_conflict: OnConflict, columns: &[Column], key: &[&str]) -> String {
    match on_conflict {
        OnConflict::Refuse => String::new(),
        OnConflict::Keep => format!(" ON CONFLICT ({}) DO NOTHING", key.join(", ")),
        OnConflict::Overwrite => {
            let others = columns.iter().map(|column| column.name).filter(|name| !key.contains(name));
            let others: Vec<String> = others.map(|name| format!("{name} = excluded.{name}")).collect();
            format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), others.join(", "))
        }
    }
}

/// A column as `json_to_recordset` types it.
fn typed(Column { name, holds }: Column) -> String {
    match holds {
        Holds::Boolean => format!("{name} boolean"),
        Holds::Integer => format!("{name} integer"),
        Holds::BigInteger => format!("{name} bigint"),
        Holds::Text => format!("{name} text"),
        Holds::Bytes => format!("{name}_from integer, {name}_length integer"),
    }
}

/// The rows as a JSON array. Bytes travel in one piece, of which each row names its part: in JSON they would be twice as long.
fn rows(write: &Write) -> Result<(String, Vec<u8>), StoreError> {
    let mut bytes = Vec::new();
    let mut rows = Vec::with_capacity(write.rows.len());
    for values in &write.rows {
        let mut parts = Vec::new();
        for value in values {
            if let Value::Bytes(Some(part)) = value {
                // The first byte is number 1.
                parts.push((bytes.len().saturating_add(1), part.len()));
                bytes.extend_from_slice(part);
            }
        }
        rows.push(Row { columns: &write.columns, values, parts });
    }
    let json = serde_json::to_string(&rows).map_err(|error| corrupt(write.table, "rows", &error))?;
    Ok((json, bytes))
}

struct Row<'r> {
    columns: &'r [Column],
    values: &'r [Value],
    parts: Vec<(usize, usize)>,
}

impl Serialize for Row<'_> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the list of another crate, of which our entities use five"
    )]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        let mut parts = self.parts.iter();
        for (Column { name, .. }, value) in self.columns.iter().zip(self.values) {
            match value {
                Value::Bool(value) => row.serialize_entry(name, value)?,
                Value::Int(value) => row.serialize_entry(name, value)?,
                Value::BigInt(value) => row.serialize_entry(name, value)?,
                Value::String(value) => row.serialize_entry(name, value)?,
                Value::Bytes(Some(_)) => {
                    let (from, length) = parts.next().ok_or_else(|| S::Error::custom("bytes"))?;
                    row.serialize_entry(&format!("{name}_from"), from)?;
                    row.serialize_entry(&format!("{name}_length"), length)?;
                }
                Value::Bytes(None) => {}
                other => return Err(S::Error::custom(format!("{name}: {other:?}"))),
            }
        }
        row.end()
    }
}
