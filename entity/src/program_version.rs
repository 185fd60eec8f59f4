//! One version of a program's terms; only ever added, never changed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One version of a program's terms; only ever added, never changed.
#[expect(clippy::struct_excessive_bools, reason = "each is a column, independent of the others")]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "program_version")]
pub struct Model {
    /// The program.
    #[sea_orm(primary_key, auto_increment = false)]
    pub program_key: String,
    /// Its number in the program, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// From when on new claims are judged by it; the first version counts for all earlier times.
    pub valid_from: i64,
    /// False while the program takes no new referrals.
    pub active: bool,
    /// The share of every paid invoice in basis points, 0 to 10 000; 0 for a flat reward.
    pub rate_bps: i32,
    /// A fixed amount for each invoice instead of a share, in minor units of `currency`.
    pub flat_minor: Option<i64>,
    /// What the share is taken of: `net_of_tax` or `amount_paid`.
    pub commission_base: String,
    /// What was paid for shipping is no part of the base.
    pub exclude_shipping: bool,
    /// The currency of a flat reward, lower case.
    pub currency: Option<String>,
    /// Only the first invoice of a referral earns.
    pub one_time: bool,
    /// So many calendar months from the first invoice earn.
    pub limit_months: Option<i32>,
    /// So many invoices of a referral earn.
    pub limit_invoices: Option<i64>,
    /// Rates by referral number, JSON: `[[from_number, rate_bps], …]`, ascending.
    pub tiers: Option<String>,
    /// When a referral is given the number that tiers go by: `customers` or `signups`.
    pub tiers_by: String,
    /// Rates by price or product, JSON: `{"price_…": rate_bps, …}`.
    pub product_rates: Option<String>,
    /// What one invoice earns at most, by currency, JSON: `{"usd": 5000, …}`, minor units.
    pub caps: Option<String>,
    /// The smallest `amount_paid` that earns, by currency, JSON: `{"usd": 500, …}`, minor units.
    pub min_invoices: Option<String>,
    /// The smallest payout, by currency, JSON: `{"usd": 5000, …}`, minor units.
    pub min_payouts: Option<String>,
    /// Customers that have paid before their referral never earn.
    pub new_customers_only: bool,
    /// Of a promoter's referrals, so many earn.
    pub max_rewards_per_promoter: Option<i32>,
    /// Days from `claimed_at` in which the first invoice must be paid.
    pub conversion_window_days: Option<i32>,
    /// Days between `paid_at` and the moment an amount may be paid out, 0 to 3650.
    pub hold_days: i32,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
