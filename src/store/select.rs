//! SeaORM's own statements over many keys, in few shapes: a connection keeps the statements that it has prepared, and
//! every new shape is parsed and planned anew. What every batch reads is selected by [`super::batch`].

use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{ArrayType, Expr};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, ExprTrait, QueryFilter, Value};

use super::error::StoreError;

/// Keys of a kind that are named in one statement, and rows of a table that are written by one: no statement comes near a
/// limit of time or size then, however much an act touches. Below the bind limit of SQLite (32 766), too.
pub const KEYS_PER_STATEMENT: usize = 1_024;

/// True for rows whose `column` is one of `keys`; as one array on PostgreSQL, and on SQLite, which has no arrays, as a list
/// whose length is a power of two: its last key is repeated.
pub fn one_of<K: Into<Value>>(
    db: &impl ConnectionTrait,
    column: impl ColumnTrait,
    keys: impl IntoIterator<Item = K>,
) -> Expr {
    let mut keys: Vec<Value> = keys.into_iter().map(Into::into).collect();
    if db.get_database_backend() == DatabaseBackend::Postgres {
        let numbers = matches!(keys.first(), Some(Value::BigInt(_)));
        let kind = if numbers { ArrayType::BigInt } else { ArrayType::String };
        return column.into_expr().eq(PgFunc::any(Value::Array(kind, Some(Box::new(keys)))));
    }
    if let Some(last) = keys.last().cloned() {
        keys.resize(keys.len().next_power_of_two(), last);
    }
    column.is_in(keys)
}

/// All rows whose `column` is one of `keys`; no statement when there are no keys.
pub async fn rows_in<E, K>(
    db: &impl ConnectionTrait,
    column: E::Column,
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<E::Model>, StoreError>
where
    E: EntityTrait,
    K: Into<Value>,
{
    let keys: Vec<Value> = keys.into_iter().map(Into::into).collect();
    let mut rows = Vec::new();
    for some in keys.chunks(KEYS_PER_STATEMENT) {
        let of_some = one_of(db, column, some.iter().cloned());
        rows.extend(E::find().filter(of_some).all(db).await?);
    }
    Ok(rows)
}
