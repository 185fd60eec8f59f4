//! Clicks on a code, counted on landing pages. Bookkeeping: written without the lock of the ledger.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Clicks on a code, counted on landing pages. Bookkeeping: written without the lock of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "code_click")]
pub struct Model {
    /// The code without case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_key: String,
    /// Clicks counted.
    pub clicks: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
