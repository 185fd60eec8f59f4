//! How often Stripe was asked in vain for the lines of an invoice.

use sea_orm::entity::prelude::*;

/// How often Stripe was asked in vain for the lines of an invoice. Bookkeeping of the redrive job.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "line_lookup")]
pub struct Model {
    /// `in_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice_id: String,
    /// Questions so far.
    pub lookups: i32,
    /// The earliest time of the next one, Unix seconds.
    pub lookup_at: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
