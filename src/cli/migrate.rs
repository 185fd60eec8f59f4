//! `migrate`: brings the database to this version.

use std::process::ExitCode;

use anyhow::Context;

use crate::settings::Settings;
use crate::store::Database;

/// Applies what is missing and prints its names.
pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let db = Database::connect(&settings.database).await.context("database.url")?;
    let applied = db.migrate().await.context("applying migrations")?;
    db.close().await.context("closing the database")?;
    if applied.is_empty() {
        println!("nothing to apply");
    }
    for migration in applied {
        println!("applied {migration}");
    }
    Ok(ExitCode::SUCCESS)
}
