//! A promotion code of Stripe that a code carries, for good. Only ever inserted.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A promotion code of Stripe that a code carries, for good. Only ever inserted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "promotion_code")]
pub struct Model {
    /// `promo_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The code that carries it, without case.
    pub code_key: String,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
