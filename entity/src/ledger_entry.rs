//! One signed amount for one promoter in one currency, with one cause. Only ever inserted: triggers refuse the rest.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One signed amount for one promoter in one currency, with one cause. Only ever inserted: triggers refuse the rest.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "ledger_entry")]
pub struct Model {
    /// Its number, in the order of commits, without gaps.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Who gains or loses.
    pub promoter_id: String,
    /// The invoice that it is about; none for entries about no invoice.
    pub invoice_id: Option<String>,
    /// `commission`, `refund` or `dispute`.
    pub kind: String,
    /// The signed amount, never 0.
    pub amount_minor: i64,
    /// Its currency.
    pub currency: String,
    /// From when on it may be paid out.
    pub available_at: i64,
    /// What it follows from: `event`, `claim`, `invoice`, `review`, `customer` or `promoter`.
    pub cause_kind: String,
    /// The id of that.
    pub cause_id: String,
    /// When it was posted; it never falls along the numbers.
    pub posted_at: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
