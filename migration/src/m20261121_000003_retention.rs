//! Payloads of events may be dropped when they are old; ids, hashes, outcomes and facts stay.

use sea_orm_migration::prelude::*;

/// The migration of this file.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

const STATEMENTS: [&str; 2] = [
    "ALTER TABLE event ADD COLUMN has_payload BOOLEAN NOT NULL DEFAULT TRUE",
    // Grows at its end only, and shrinks as payloads are dropped.
    "CREATE INDEX event_payload ON event (received_at) WHERE has_payload",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    /// Forward-only: a ledger is never unmade by a program.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("migrations of referrald go forward only".to_owned()))
    }
}
