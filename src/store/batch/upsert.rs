//! Rows of many tables, to be written together.

use entity::ledger_head;
use sea_orm::{
    ActiveModelTrait, ActiveValue, DatabaseBackend, EntityTrait, IdenStatic, IntoActiveModel, Iterable, Value,
};

use super::column::{Column, columns, key};
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

/// What is done with the rows of a table.
#[derive(Debug)]
pub struct Write {
    /// The table.
    pub table: &'static str,
    /// The columns of `rows`.
    pub columns: Vec<Column>,
    /// Those of its key, or by which rows are found.
    pub key: Vec<&'static str>,
    /// What is done.
    pub step: Step,
    /// The values of the columns, row by row. No key is among them twice.
    pub rows: Vec<Vec<Value>>,
}

/// What is done with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// They are added.
    Insert(OnConflict),
    /// Those that have the key get the other columns.
    Update,
}

/// Writes that are being put together. Tables are written in the order in which they are added.
#[derive(Debug)]
pub struct BatchUpsert {
    backend: DatabaseBackend,
    /// What one statement of PostgreSQL may write at once: no row of it depends on another one.
    full: Vec<Vec<Write>>,
    writes: Vec<Write>,
}

impl BatchUpsert {
    /// Writes nothing yet.
    pub const fn new(backend: DatabaseBackend) -> Self {
        Self { backend, full: Vec::new(), writes: Vec::new() }
    }

    /// The database that is written to.
    pub const fn backend(&self) -> DatabaseBackend {
        self.backend
    }

    /// Adds rows of a table; no key may be among them twice.
    pub fn rows<E>(&mut self, rows: impl Iterator<Item = E::Model>, on_conflict: OnConflict)
    where
        E: EntityTrait,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let rows = rows.map(|row| values::<E>(row, E::Column::iter())).collect();
        self.add::<E>(&columns::<E>(), &key::<E>(), Step::Insert(on_conflict), rows);
    }

    /// Adds new values of the columns `set`, of the one row that the columns `key` name; a row of `rows` has first these, then
    /// those. One statement of PostgreSQL may touch a row once: whoever writes it again ends the statement between.
    pub fn update<E: EntityTrait>(&mut self, set: &[E::Column], key: &[E::Column], rows: Vec<Vec<Value>>) {
        let columns: Vec<Column> = set.iter().chain(key).map(Column::of).collect();
        let key: Vec<&str> = key.iter().map(IdenStatic::as_str).collect();
        self.add::<E>(&columns, &key, Step::Update, rows);
    }

    /// Writes the head of the ledger.
    pub fn head(&mut self, head: ledger_head::Model) {
        use ledger_head::{Column, Entity};
        let set =
            [Column::Seq, Column::Writer, Column::LastEntryId, Column::LastEventNumber, Column::LastPostedAt];
        let values = values::<Entity>(head, set.into_iter().chain([Column::Id]));
        self.update::<Entity>(&set, &[Column::Id], vec![values]);
    }

    fn add<E: EntityTrait>(
        &mut self,
        columns: &[Column],
        key: &[&'static str],
        step: Step,
        mut rows: Vec<Vec<Value>>,
    ) {
        while !rows.is_empty() {
            let later = rows.split_off(rows.len().min(KEYS_PER_STATEMENT));
            let (table, key, columns) = (E::default().as_str(), key.to_vec(), columns.to_vec());
            let is_full = rows.len() == KEYS_PER_STATEMENT;
            self.writes.push(Write { table, columns, key, step, rows });
            if is_full {
                self.end_statement();
            }
            rows = later;
        }
    }

    /// What follows goes into another statement: it sees what was written so far.
    pub fn end_statement(&mut self) {
        if !self.writes.is_empty() {
            self.full.push(std::mem::take(&mut self.writes));
        }
    }

    /// What each statement of PostgreSQL writes, in order.
    pub fn into_statements(mut self) -> Vec<Vec<Write>> {
        self.end_statement();
        self.full
    }
}

/// Values of a row.
fn values<E>(row: E::Model, columns: impl Iterator<Item = E::Column>) -> Vec<Value>
where
    E: EntityTrait,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    let mut row = row.into_active_model();
    let value = |column| match row.take(column) {
        ActiveValue::Set(value) | ActiveValue::Unchanged(value) => value,
        // A model has all of them.
        ActiveValue::NotSet => Value::BigInt(None),
    };
    columns.map(value).collect()
}
