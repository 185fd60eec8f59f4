//! The database of a command.

use anyhow::Context;

use crate::settings::Settings;
use crate::store::Database;

/// For a command that only reads: it must be there.
pub async fn existing(settings: &Settings) -> anyhow::Result<Database> {
    Database::connect_existing(&settings.database).await.context("database.url")
}

/// For a command that writes: with all migrations, and SQLite's is made when it is not there.
pub async fn migrated(settings: &Settings) -> anyhow::Result<Database> {
    let db = Database::connect(&settings.database).await.context("database.url")?;
    if settings.database.migrate_on_start {
        db.migrate().await.context("applying migrations")?;
    }
    Ok(db)
}
