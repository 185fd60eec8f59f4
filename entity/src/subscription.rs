//! A subscription, from which the status of a referral follows.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A subscription, from which the status of a referral follows.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "subscription")]
pub struct Model {
    /// Its customer.
    #[sea_orm(primary_key, auto_increment = false)]
    pub stripe_customer_id: String,
    /// `sub_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// True once it has ended.
    pub ended: bool,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
