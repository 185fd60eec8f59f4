//! A referral code: what a promoter shares.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// A referral code: what a promoter shares.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "code")]
pub struct Model {
    /// The code without case, by which codes are compared.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// The code as it was made and is shown.
    pub code: String,
    /// Whose it is.
    pub promoter_id: String,
    /// Under whose terms it earns.
    pub program_key: String,
    /// When it was made, or the earlier time that its maker gave.
    pub made_at: i64,
    /// Referrals that it may make; any number without.
    pub max_uses: Option<i64>,
    /// Redemptions so far; never given back.
    pub uses: i64,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
