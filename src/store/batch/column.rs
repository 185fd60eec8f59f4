//! The columns of an entity, and what they hold.

use sea_orm::{ColumnTrait, ColumnType, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// A number of 32 bits.
    Integer,
    /// A number of 64 bits.
    BigInteger,
    /// True or false, which is a number to SQLite.
    Boolean,
    /// Bytes, which JSON does not have.
    Bytes,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
}

impl Column {
    /// A column of an entity.
    pub fn of(column: &impl ColumnTrait) -> Self {
        Self { name: column.as_str(), holds: holds(column) }
    }
}

/// The columns of an entity, in the order of its model.
pub fn columns<E: EntityTrait>() -> Vec<Column> {
    E::Column::iter().map(|column| Column::of(&column)).collect()
}

/// The names of the columns of an entity's key.
pub fn key<E: EntityTrait>() -> Vec<&'static str> {
    E::PrimaryKey::iter().map(|key| key.into_column().as_str()).collect()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the list of another crate, of which our entities use five"
)]
fn holds(column: &impl ColumnTrait) -> Holds {
    match column.def().get_column_type() {
        ColumnType::Boolean => Holds::Boolean,
        ColumnType::Integer => Holds::Integer,
        ColumnType::BigInteger => Holds::BigInteger,
        ColumnType::VarBinary(_) => Holds::Bytes,
        _ => Holds::Text,
    }
}
