//! A credit note, as far as it takes money that no refund shows.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A credit note, as far as it takes money that no refund shows.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "credit_note")]
pub struct Model {
    /// `cn_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The invoice that it credits.
    pub invoice_id: String,
    /// `out_of_band_amount` and refunds of payment records, at least 0.
    pub amount_minor: i64,
    /// It was voided and takes nothing.
    pub void: bool,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
