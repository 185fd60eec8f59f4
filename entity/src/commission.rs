//! What one paid invoice earned: the present assessment, one row an invoice.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What one paid invoice earned: the present assessment, one row an invoice.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "commission")]
pub struct Model {
    /// The invoice; the unique key of a commission.
    #[sea_orm(primary_key, auto_increment = false)]
    pub invoice_id: String,
    /// The referral that earns; none when there is none.
    pub referral_id: Option<String>,
    /// Its promoter.
    pub promoter_id: Option<String>,
    /// Its program.
    pub program_key: Option<String>,
    /// The currency of the invoice.
    pub currency: String,
    /// What the share is taken of.
    pub base_minor: i64,
    /// The rate that `amount_minor` was computed with; none for a flat reward or mixed rates of products.
    pub rate_bps: Option<i32>,
    /// C: what the invoice earned before any loss.
    pub amount_minor: i64,
    /// What refunds and credit notes took of it, 0 or less.
    pub refund_minor: i64,
    /// What disputes took of it beyond refunds, 0 or less.
    pub dispute_minor: i64,
    /// From when on it may be paid out.
    pub available_at: i64,
    /// Why it earns nothing.
    pub reason: Option<String>,
    /// Rates of products were picked although the event did not show all lines.
    pub unseen_lines: bool,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
