//! `program create|list|update`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::database;
use super::output::{self, Format};
use super::terms::{TermsArguments, sentence};
use crate::clock;
use crate::domain::{Terms, Timestamp};
use crate::service::{programs, queries};
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a program.
    Create(Create),
    /// Change the terms of a program from now on; referrals that exist keep those that they have.
    Update(Update),
    /// List the terms of all programs, all versions.
    List {
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("reward").required(true).args(["rate", "flat"]))]
pub struct Create {
    /// Its public name.
    key: String,
    #[command(flatten)]
    terms: TermsArguments,
    /// The time of the change instead of now (RFC 3339), for what is brought over from elsewhere.
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = super::refer::point_in_time)]
    now: Option<Timestamp>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
pub struct Update {
    /// Its public name.
    key: String,
    #[command(flatten)]
    terms: TermsArguments,
    /// The time of the change instead of now (RFC 3339), for what is brought over from elsewhere.
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = super::refer::point_in_time)]
    now: Option<Timestamp>,
    /// Whether it takes new referrals.
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(create) => {
            let db = database::migrated(settings).await?;
            let change = create.terms.change(None);
            let now = create.now.unwrap_or_else(clock::now);
            let terms = programs::create_program(&db, &create.key, &change, now).await?;
            made(create.format, create.key.trim(), &terms);
        }
        Command::Update(update) => {
            let db = database::migrated(settings).await?;
            let change = update.terms.change(update.active);
            let now = update.now.unwrap_or_else(clock::now);
            let terms = programs::update_program(&db, &update.key, &change, now).await?;
            made(update.format, update.key.trim(), &terms);
        }
        Command::List { format } => {
            let db = database::existing(settings).await?;
            let versions = queries::promoters::programs(&db).await?.into_iter().map(|version| {
                [
                    version.program.to_string(),
                    version.valid_from.to_string(),
                    version.terms.active.to_string(),
                    sentence(&version.terms),
                ]
            });
            output::print(format, ["program", "valid_from", "active", "terms"], versions.collect());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn made(format: Format, key: &str, terms: &Terms) {
    let text = sentence(terms);
    let json = json!({ "key": key, "active": terms.active, "terms": text });
    output::made(format, &format!("program {key}: {text}"), &json);
}
