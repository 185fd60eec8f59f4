//! The bond between one customer of the host and one promoter: what the winning claim makes.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The bond between one customer of the host and one promoter: what the winning claim makes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "referral")]
pub struct Model {
    /// `ref_…`; it stays when an earlier claim moves the referral.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `user:<id>` or `customer:<cus_…>`; unique; none once it is merged into another.
    pub customer: Option<String>,
    /// The referral that took its place when its customer turned out to be a user with one.
    pub merged_into: Option<String>,
    /// The winning claim.
    pub claim_id: String,
    /// The source of that claim.
    pub precedence: i32,
    /// The code of that claim, as it was made.
    pub code: String,
    /// Who earns.
    pub promoter_id: String,
    /// Under which program.
    pub program_key: String,
    /// The terms, frozen at `claimed_at`.
    pub program_version: i64,
    /// `claimed_at` of the winning claim.
    pub claimed_at: i64,
    /// The attribution lookback in seconds, frozen.
    pub lookback_s: i64,
    /// Its number among the promoter's referrals in that program, from 1, once it was given one; never changed while the
    /// promoter stays.
    pub referral_number: Option<i64>,
    /// No claim is left that makes it.
    pub void: bool,
    /// The customer looks like its own promoter and no operator has released it.
    pub held: bool,
    /// When the invoice of `qualified_by` was paid.
    pub qualified_at: Option<i64>,
    /// The first invoice that earns but for `max_rewards_per_promoter`.
    pub qualified_by: Option<String>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
