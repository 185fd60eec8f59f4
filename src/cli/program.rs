//! `program create|list|update`.

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::database;
use super::output::{self, Format};
use super::terms::{self, TermsArguments, sentence};
use crate::clock;
use crate::domain::{Terms, TermsVersion, Timestamp};
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
    /// The time of the change, if earlier than now (RFC 3339), for what is brought over from elsewhere.
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
    /// The time of the change, if earlier than now (RFC 3339), for what is brought over from elsewhere.
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
            let change = create.terms.change(None)?;
            let now = time_of_change(create.now)?;
            let terms = programs::create_program(&db, &create.key, &change, now).await?;
            made(create.format, create.key.trim(), &terms);
        }
        Command::Update(update) => {
            let db = database::migrated(settings).await?;
            let change = update.terms.change(update.active)?;
            let now = time_of_change(update.now)?;
            let terms = programs::update_program(&db, &update.key, &change, now).await?;
            made(update.format, update.key.trim(), &terms);
        }
        Command::List { format } => {
            let db = database::existing(settings).await?;
            list(format, &queries::promoters::programs(&db).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A commit that is dated later than now would date all that follow it.
fn time_of_change(named: Option<Timestamp>) -> anyhow::Result<Timestamp> {
    let now = clock::now();
    let time = named.unwrap_or(now);
    ensure!(time <= now, "now: {time} is in the future");
    Ok(time)
}

fn list(format: Format, versions: &[TermsVersion]) {
    match format {
        Format::Table => {
            let row = |version: &TermsVersion| {
                let active = version.terms.active.to_string();
                [
                    version.program.to_string(),
                    version.valid_from.to_string(),
                    active,
                    sentence(&version.terms),
                ]
            };
            let head = ["program", "valid_from", "active", "terms"];
            println!("{}", output::table(head, versions.iter().map(row)));
        }
        Format::Json => {
            let object = |version: &TermsVersion| {
                json!({
                    "program": version.program.as_str(),
                    "version": version.id,
                    "valid_from": version.valid_from.to_string(),
                    "active": version.terms.active,
                    "summary": sentence(&version.terms),
                    "terms": terms::json(&version.terms),
                })
            };
            println!("{}", versions.iter().map(object).collect::<Value>());
        }
    }
}

fn made(format: Format, key: &str, terms: &Terms) {
    let text = sentence(terms);
    let machine = terms::json(terms);
    let json = json!({ "key": key, "active": terms.active, "summary": text, "terms": machine });
    output::made(format, &format!("program {key}: {text}"), &json);
}
