//! An e-mail ever known of a promoter.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// An e-mail ever known of a promoter.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "promoter_email")]
pub struct Model {
    /// The promoter.
    #[sea_orm(primary_key, auto_increment = false)]
    pub promoter_id: String,
    /// The address, trimmed and in lower case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub email: String,
    /// When it became known.
    pub known_since: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
