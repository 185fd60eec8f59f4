//! The database of a command.

use anyhow::Context;

use crate::settings::{DatabaseSettings, Settings};
use crate::store::Database;

/// Milliseconds that a command waits for the lock of the ledger at least. Requests are sent again when they are refused; a
/// command that is refused beside a busy daemon is a person's to type again.
const PATIENCE_MS: u64 = 60_000;
/// Milliseconds that a statement of a command may take beyond that.
const STATEMENT_MS: u64 = 10_000;

/// For a command that only reads: it must be there.
pub async fn existing(settings: &Settings) -> anyhow::Result<Database> {
    Database::connect_existing(&settings.database).await.context("database.url")
}

/// For a command that writes to what is there.
pub async fn changing(settings: &Settings) -> anyhow::Result<Database> {
    let db = Database::connect_existing(&patient(settings)).await.context("database.url")?;
    Ok(db.with_notice(say))
}

/// For a command that writes: with all migrations, and SQLite's is made when it is not there.
pub async fn migrated(settings: &Settings) -> anyhow::Result<Database> {
    let db = Database::connect(&patient(settings)).await.context("database.url")?.with_notice(say);
    // Only what is missing is worth waiting for the lock.
    if settings.database.migrate_on_start && !db.is_migrated().await.unwrap_or(false) {
        db.migrate().await.context("applying migrations")?;
    }
    Ok(db)
}

fn patient(settings: &Settings) -> DatabaseSettings {
    let mut settings = settings.database.clone();
    let statement_ms = PATIENCE_MS.saturating_add(STATEMENT_MS);
    settings.lock_timeout_ms = settings.lock_timeout_ms.max(PATIENCE_MS);
    settings.acquire_timeout_ms = settings.acquire_timeout_ms.max(PATIENCE_MS);
    settings.statement_timeout_ms = settings.statement_timeout_ms.max(statement_ms);
    settings
}

fn say(what: &str) {
    eprintln!("referrald: {what}");
}
