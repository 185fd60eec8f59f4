//! Discounts of an invoice, of which an event told the ids only.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Discounts of an invoice, of which an event told the ids only.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "unread_discounts")]
pub struct Model {
    /// `in_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice_id: String,
    /// The event, whose claims the promotion codes among them are.
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: String,
    /// The customer of the invoice.
    pub stripe_customer_id: String,
    /// `event.created`.
    pub told_at: i64,
    /// How often Stripe was asked in vain. Written by the redrive job.
    pub lookups: i32,
    /// The earliest time of the next question, Unix seconds. Written by the redrive job.
    pub lookup_at: Option<i64>,
    /// True once Stripe has shown them. Written by the redrive job.
    pub is_read: bool,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
