//! A payment pays (part of) an invoice. Many to many.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A payment pays (part of) an invoice. Many to many.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "payment_link")]
pub struct Model {
    /// The invoice.
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice_id: String,
    /// The payment, as it was named.
    #[sea_orm(primary_key, auto_increment = false)]
    pub payment_id: String,
    /// The part that it pays, when told.
    pub amount_minor: Option<i64>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
