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
mod m20261127_000001_ledger;

/// Makes the table of the head, so that one row can be locked before the migrations; safe to repeat.
pub const MAKE_HEAD: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS ledger_head (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        seq BIGINT NOT NULL,
        writer TEXT NOT NULL,
        last_entry_id BIGINT NOT NULL,
        last_event_number BIGINT NOT NULL,
        last_posted_at BIGINT NOT NULL
    )",
    "INSERT INTO ledger_head (id, seq, writer, last_entry_id, last_event_number, last_posted_at) VALUES (1, 0, '', 0, 0, 0)
        ON CONFLICT (id) DO NOTHING",
];

/// All migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261127_000001_ledger::Migration)]
    }
}
