//! A use of a code: what a party was given when the code made a referral of it. Only ever inserted.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A use of a code: what a party was given when the code made a referral of it. Only ever inserted.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "code_use")]
pub struct Model {
    /// `user:<id>` or `customer:<cus_…>`, as the party was named then.
    #[sea_orm(primary_key, auto_increment = false)]
    pub party: String,
    /// The code.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code: String,
    /// The code's promoter.
    pub promoter_id: String,
    /// The code's program.
    pub program_key: String,
    /// The referral's place among the promoter's referrals in that program, from 1, by arrival.
    pub ordinal: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
