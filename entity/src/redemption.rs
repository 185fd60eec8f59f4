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
    /// The code's promoter.
    pub promoter_id: String,
    /// The code's program.
    pub program_key: String,
    /// The referral's number among the promoter's referrals in that program, from 1, by arrival.
    pub referral_number: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
