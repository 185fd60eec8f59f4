//! A refund and its state.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A refund and its state.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "refund")]
pub struct Model {
    /// `re_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The payment that it takes from, as it was named.
    pub payment_id: String,
    /// `refund.amount`, at least 0.
    pub amount_minor: i64,
    /// `pending`, `succeeded` or `failed`.
    pub state: String,
    /// `refund.created`, else when it was told first.
    pub created_at: Option<i64>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
