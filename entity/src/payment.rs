//! Totals of a payment, as charges show them, under the id by which they were named.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Totals of a payment, as charges show them, under the id by which they were named.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "payment")]
pub struct Model {
    /// `pi_…`, or `ch_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// For a charge: the payment intent that it belongs to; facts of both count as one.
    pub payment_intent: Option<String>,
    /// Captured amount, at least 0; 0 when unknown.
    pub captured_minor: i64,
    /// `charge.amount_refunded`, the greatest told; before 2025-03-31 less what was never captured.
    pub amount_refunded_minor: i64,
    /// The rest that was not captured, where it was told as refunded: before 2025-03-31.
    pub released_minor: Option<i64>,
    /// `charge.amount_captured` of the telling of that rest.
    pub released_captured_minor: Option<i64>,
    /// A charge shows that it has paid no invoice.
    pub no_invoice: bool,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
