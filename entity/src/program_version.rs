//! One version of a program's terms; only ever added, never changed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One version of a program's terms; only ever added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Deserialize, Serialize)]
#[sea_orm(table_name = "program_version")]
pub struct Model {
    /// Row number; later versions are greater.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The program.
    pub program_key: String,
    /// From when on new claims are judged by it; the first version counts for all earlier times.
    pub valid_from: i64,
    /// The share of every paid invoice in basis points, 0 to 10 000.
    pub rate_bps: i32,
    /// What the share is taken of: `net_of_tax` or `amount_paid`.
    pub commission_base: String,
    /// Days between `paid_at` and the moment an amount may be paid out, 0 to 3650.
    pub hold_days: i32,
    /// False while the program takes no new referrals.
    pub active: bool,
    /// A fixed amount for each invoice instead of a share, in minor units of `currency`.
    pub flat_minor: Option<i64>,
    /// The currency of the amounts of these terms, lower case.
    pub currency: Option<String>,
    /// Only the first invoice of a referral earns.
    pub one_time: bool,
    /// So many calendar months from the first invoice earn.
    pub limit_months: Option<i32>,
    /// So many invoices of a referral earn.
    pub limit_invoices: Option<i64>,
    /// Rates by ordinal, JSON: `[[from_ordinal, rate_bps], …]`, ascending.
    pub tiers: Option<String>,
    /// Rates by price or product, JSON: `{"price_…": rate_bps, …}`.
    pub product_rates: Option<String>,
    /// What one invoice earns at most, in minor units of `currency`.
    pub cap_minor: Option<i64>,
    /// Of a promoter's referrals, so many earn.
    pub max_rewards_per_promoter: Option<i32>,
    /// Days from `claimed_at` in which the first invoice must be paid.
    pub conversion_window_days: Option<i32>,
    /// The smallest `amount_paid` that earns, in minor units of `currency`.
    pub min_invoice_minor: i64,
    /// The smallest payout by currency, JSON: `{"usd": 5000, …}`, minor units.
    pub min_payout: Option<String>,
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
