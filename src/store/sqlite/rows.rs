//! Rows of SQLite as the models of the entities, and their values as parameters.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value as Cell, ValueRef};
use sea_orm::Value;
use serde::de::value::{Error, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::store::error::{StoreError, corrupt};

/// The values of a row, in the order of the columns.
pub type Row = Vec<Cell>;

/// Reads a row: a model has its columns in the order in which they are selected.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is not what the entity says.
pub fn from_row<T: DeserializeOwned>(table: &'static str, row: Row) -> Result<T, StoreError> {
    let cells = SeqDeserializer::new(row.into_iter().map(Column));
    T::deserialize(cells).map_err(|error| corrupt(table, "row", &error))
}

struct Column(Cell);

impl IntoDeserializer<'_, Error> for Column {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Column {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cell::Null => visitor.visit_unit(),
            Cell::Integer(number) => visitor.visit_i64(number),
            Cell::Real(number) => visitor.visit_f64(number),
            Cell::Text(text) => visitor.visit_string(text),
            // The models read bytes as JSON gives them.
            Cell::Blob(bytes) => visitor.visit_string(hex::encode(bytes)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0 == Cell::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cell::Integer(0) => visitor.visit_bool(false),
            Cell::Integer(1) => visitor.visit_bool(true),
            Cell::Null | Cell::Integer(_) | Cell::Real(_) | Cell::Text(_) | Cell::Blob(_) => {
                self.deserialize_any(visitor)
            }
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A value as a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'v>(pub &'v Value);

impl ToSql for Parameter<'_> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the list of another crate, of which our statements use five"
    )]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self.0 {
            Value::Bool(Some(value)) => ValueRef::Integer(i64::from(*value)),
            Value::Int(Some(value)) => ValueRef::Integer(i64::from(*value)),
            Value::BigInt(Some(value)) => ValueRef::Integer(*value),
            Value::String(Some(value)) => ValueRef::Text(value.as_bytes()),
            Value::Bytes(Some(value)) => ValueRef::Blob(value),
            Value::Bool(None)
            | Value::Int(None)
            | Value::BigInt(None)
            | Value::String(None)
            | Value::Bytes(None) => ValueRef::Null,
            other => {
                let what = format!("{other:?} cannot be stored");
                return Err(rusqlite::Error::ToSqlConversionFailure(what.into()));
            }
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}
