//! A dispute and its state.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A dispute and its state.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "dispute")]
pub struct Model {
    /// `du_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The payment that it takes from, as it was named.
    pub payment_id: String,
    /// `dispute.amount`, at least 0.
    pub amount_minor: i64,
    /// `dispute.currency`, lower case.
    pub currency: String,
    /// `inquiry`, `open`, `returned` or `lost`.
    pub state: String,
    /// When its final state was told, by `event.created`.
    pub closed_at: Option<i64>,
    /// What it has moved on the balance, JSON: `[[txn, currency, minor units], …]`, negative when taken.
    pub transactions: Option<String>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
