//! The raw body of an event, until retention deletes the row.

use sea_orm::entity::prelude::*;

/// The raw body of an event, until retention deletes the row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_payload")]
pub struct Model {
    /// The number of its event.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// The id of the dictionary without which `zstd` cannot be unpacked; 0 for none.
    pub dictionary: i32,
    /// The body as a zstd frame with a checksum.
    #[sea_orm(column_type = "VarBinary(StringLen::None)")]
    pub zstd: Vec<u8>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
