//! A paid invoice, merged from everything that Stripe has said about it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A paid invoice, merged from everything that Stripe has said about it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "invoice")]
pub struct Model {
    /// `in_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The event whose snapshot is in use.
    pub event_id: String,
    /// The API version of that event; empty when it has none.
    pub api_version: String,
    /// `invoice.customer`, else `customer_account`.
    pub stripe_customer_id: Option<String>,
    /// `invoice.currency`, lower case.
    pub currency: String,
    /// `invoice.amount_paid`, at least 0; before 2025-03-31 with `amount_remaining` where it was paid out of band.
    pub amount_paid_minor: i64,
    /// `invoice.total`.
    pub total_minor: i64,
    /// `invoice.total_excluding_tax`.
    pub total_excluding_tax_minor: Option<i64>,
    /// Sum of `total_taxes`, else of `total_tax_amounts`, else `tax`.
    pub tax_minor: Option<i64>,
    /// `invoice.shipping_cost.amount_total`; 0 without shipping.
    pub shipping_minor: i64,
    /// `invoice.shipping_cost.amount_tax`; 0 without.
    pub shipping_tax_minor: i64,
    /// The smallest `paid_at` of all snapshots.
    pub paid_at: i64,
    /// Snapshots differed in currency, customer or amount.
    pub conflict: bool,
    /// What its lines sold, JSON: `[[price, product, minor units], …]`.
    pub lines: Option<String>,
    /// There are lines that the event did not show.
    pub more_lines: bool,
    /// The lines are all of them, read from Stripe's API.
    pub lines_read: bool,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
