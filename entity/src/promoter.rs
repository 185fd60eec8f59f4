//! Who earns. One for each user of the host application.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Who earns. One for each user of the host application.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "promoter")]
pub struct Model {
    /// `prm_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The promoter as a user of the host application; unique.
    pub user_id: String,
    /// The present e-mail: trimmed, lower case. Only used to find self-referrals; never logged.
    pub email: Option<String>,
    /// When it was made.
    pub created_at: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
