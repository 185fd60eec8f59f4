//! A program: the name under which terms are published.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A program: the name under which terms are published.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "program")]
pub struct Model {
    /// The public name. Chosen by the operator.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// When it was made.
    pub created_at: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
