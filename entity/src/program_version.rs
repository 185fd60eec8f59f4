//! One version of a program's terms; only ever added, never changed.

use sea_orm::entity::prelude::*;

/// One version of a program's terms; only ever added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
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
}

/// Relations are followed by key in the store's statements; none is declared.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
