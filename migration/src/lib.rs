//! The schema of `referrald`: forward-only migrations, one file each.
//!
//! Depends on nothing of ours: what a migration did when it was written must never change with the entities.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::wildcard_imports
)]

pub use sea_orm_migration::prelude::{DbErr, MigratorTrait, SchemaManager};

use sea_orm_migration::prelude::*;

mod dialect;
mod m20261120_000001_ledger;
mod m20261121_000002_terms_and_attribution;
mod m20261121_000003_retention;

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_ledger::Migration),
            Box::new(m20261121_000002_terms_and_attribution::Migration),
            Box::new(m20261121_000003_retention::Migration),
        ]
    }
}
