//! The last referral number that was given to a promoter's referrals in a program.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The last referral number that was given to a promoter's referrals in a program.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "referral_counter")]
pub struct Model {
    /// The promoter.
    #[sea_orm(primary_key, auto_increment = false)]
    pub promoter_id: String,
    /// The program.
    #[sea_orm(primary_key, auto_increment = false)]
    pub program_key: String,
    /// The number, from 1.
    pub last: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
