//! A Stripe customer of which more is known than its id: its user, or of which customer it is another name.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A Stripe customer of which more is known than its id: its user, or of which customer it is another name.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "stripe_customer")]
pub struct Model {
    /// `cus_…`, or `acct_…` for a `customer_account`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The user of the host, from the API call that named both.
    pub user_id: Option<String>,
    /// Of an account the customer that it was named beside; the smallest of several.
    pub alias_of: Option<String>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
