//! Reading rows by many keys.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::error::StoreError;

/// Keys named in one statement: below the bind limits of SQLite (32 766) and PostgreSQL (65 535).
pub const KEYS_PER_STATEMENT: usize = 5_000;
/// Rows written by one statement: the widest table has 11 columns.
pub const ROWS_PER_STATEMENT: usize = 1_000;

/// All rows whose `column` is one of `keys`; no statement when there are no keys.
pub async fn rows_in<E, K>(
    db: &impl ConnectionTrait,
    column: E::Column,
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<E::Model>, StoreError>
where
    E: EntityTrait,
    K: Into<sea_orm::Value>,
{
    let keys: Vec<sea_orm::Value> = keys.into_iter().map(Into::into).collect();
    let mut rows = Vec::new();
    for chunk in keys.chunks(KEYS_PER_STATEMENT) {
        rows.extend(E::find().filter(column.is_in(chunk.iter().cloned())).all(db).await?);
    }
    Ok(rows)
}
