//! What the columns of an entity hold, as far as JSON has to know.

use sea_orm::{ColumnTrait, ColumnType};

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
    /// Bytes, which JSON does not have: they travel as hex.
    Bytes,
}

/// What a column of an entity holds.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the list of another crate, of which our entities use five"
)]
pub fn holds(column: &impl ColumnTrait) -> Holds {
    match column.def().get_column_type() {
        ColumnType::Boolean => Holds::Boolean,
        ColumnType::Integer => Holds::Integer,
        ColumnType::BigInteger => Holds::BigInteger,
        ColumnType::VarBinary(_) => Holds::Bytes,
        _ => Holds::Text,
    }
}
