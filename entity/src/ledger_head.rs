//! The head of the ledger, one row: the lock of whoever writes, and the clock of what was written.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The head of the ledger, one row: the lock of whoever writes, and the clock of what was written.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "ledger_head")]
pub struct Model {
    /// Always 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// The number of the last commit that changed the ledger.
    pub seq: i64,
    /// The process that made it: a random name for each start.
    pub writer: String,
    /// The number of the last ledger entry; 0 before the first.
    pub last_entry_id: i64,
    /// The number of the last event; 0 before the first.
    pub last_event_number: i64,
    /// The time of the last commit; it never falls.
    pub last_posted_at: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
