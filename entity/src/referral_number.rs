//! The number that was given to a referral of a customer among those of a promoter in a program. Only ever inserted.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The number that was given to a referral of a customer among those of a promoter in a program. Only ever inserted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "referral_number")]
pub struct Model {
    /// `user:<id>` or `customer:<cus_…>`, as the customer was named then.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer: String,
    /// The promoter.
    #[sea_orm(primary_key, auto_increment = false)]
    pub promoter_id: String,
    /// The program.
    #[sea_orm(primary_key, auto_increment = false)]
    pub program_key: String,
    /// The number, from 1, by arrival.
    pub number: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
