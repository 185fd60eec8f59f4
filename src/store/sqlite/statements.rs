//! Selections and writes, each table by a statement that the connection keeps prepared.

use entity::ledger_head;
use rusqlite::CachedStatement;
use rusqlite::types::Value as Cell;
use sea_orm::{Statement, Value};

use super::rows::{Parameter, Row, from_row};
use super::writer::Open;
use crate::store::batch::json::clause;
use crate::store::batch::{Answers, BatchSelect, BatchUpsert, Column, Step, Table, Write, columns};
use crate::store::error::StoreError;

impl Open {
    /// A statement, which is told at `trace` as sqlx tells those of the other connections.
    fn prepared(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        tracing::trace!(db.statement = sql);
        Ok(self.connection()?.prepare_cached(sql)?)
    }

    /// The head of the ledger, if there is one.
    pub(super) fn head(&self) -> Result<Option<ledger_head::Model>, StoreError> {
        let columns = columns::<ledger_head::Entity>();
        let head = self.rows(&Table { columns, from: "ledger_head WHERE id = 1".to_owned() }, &[])?.pop();
        head.map(|row| from_row("ledger_head", row)).transpose()
    }

    /// Answers each selection.
    pub(super) fn select(&self, batch: BatchSelect) -> Result<Answers, StoreError> {
        let (tables, values) = batch.into_parts();
        let rows = tables.iter().map(|table| self.rows(table, &values));
        Ok(Answers::Rows(rows.collect::<Result<_, _>>()?))
    }

    fn rows(&self, table: &Table, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.prepared(&selection(table))?;
        // A statement names only some of the values, by their numbers.
        for (place, value) in (1..=statement.parameter_count()).zip(values) {
            if statement.parameter_name(place).is_some() {
                statement.raw_bind_parameter(place, Parameter(value))?;
            }
        }
        let width = statement.column_count();
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let cells: Result<Row, _> = (0..width).map(|column| row.get::<_, Cell>(column)).collect();
            rows.push(cells?);
        }
        Ok(rows)
    }

    /// Makes all writes, in order.
    pub(super) fn write(&self, batch: BatchUpsert) -> Result<(), StoreError> {
        for write in batch.into_statements().iter().flatten() {
            let mut statement = self.prepared(&writing(write))?;
            for row in &write.rows {
                bind(&mut statement, row)?;
                statement.raw_execute()?;
            }
        }
        Ok(())
    }

    /// Runs one statement of SeaORM's. Returns how many rows it touched.
    pub(super) fn execute(&self, statement: &Statement) -> Result<u64, StoreError> {
        let mut prepared = self.prepared(&statement.sql)?;
        let values = statement.values.as_ref().map(|values| values.0.as_slice()).unwrap_or_default();
        bind(&mut prepared, values)?;
        Ok(u64::try_from(prepared.raw_execute()?).unwrap_or(u64::MAX))
    }
}

fn bind(statement: &mut CachedStatement<'_>, values: &[Value]) -> Result<(), StoreError> {
    for (place, value) in (1..).zip(values) {
        statement.raw_bind_parameter(place, Parameter(value))?;
    }
    Ok(())
}

/// The statement of a selection.
pub fn selection(Table { columns, from }: &Table) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    format!("SELECT {} FROM {from}", names.join(", "))
}

/// The statement that writes one row.
pub fn writing(Write { table, columns, key, step, .. }: &Write) -> String {
    match step {
        Step::Insert(on_conflict) => {
            let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
            let values = vec!["?"; columns.len()].join(", ");
            let on_conflict = clause(*on_conflict, columns, key);
            format!("INSERT INTO {table} ({}) VALUES ({values}){on_conflict}", names.join(", "))
        }
        Step::Update => {
            let assigned = |column: &Column| format!("{} = ?", column.name);
            let (same, set): (Vec<&Column>, Vec<&Column>) =
                columns.iter().partition(|column| key.contains(&column.name));
            let [set, same] = [set, same].map(|of| of.into_iter().map(assigned).collect::<Vec<_>>());
            // The columns of the key come last in the rows, too.
            format!("UPDATE {table} SET {} WHERE {}", set.join(", "), same.join(" AND "))
        }
    }
}
