//! A code redeemed by a customer, when the code made a referral of it. Only ever inserted.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A code redeemed by a customer, when the code made a referral of it. Only ever inserted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "redemption")]
pub struct Model {
    /// `user:<id>` or `customer:<cus_…>`, as the customer was named then.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer: String,
    /// The code without case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_key: String,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
