//! `replay`: stored events once more.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::database;
use super::output::{self, Format};
use crate::app::policy;
use crate::clock;
use crate::domain::EventId;
use crate::service::replay::{Which, replay};
use crate::settings::Settings;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["event", "quarantined", "parked"]))]
pub struct Arguments {
    /// One event, `evt_…`.
    event: Option<String>,
    /// All quarantined events.
    #[arg(long)]
    quarantined: bool,
    /// All parked events.
    #[arg(long)]
    parked: bool,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command; a second run does the same and changes nothing.
pub async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let db = database::changing(settings).await?;
    let which = match (&arguments.event, arguments.quarantined) {
        (Some(event), _) => Which::One(EventId::new(event)),
        (None, true) => Which::With("quarantined"),
        (None, false) => Which::With("parked"),
    };
    let mut rows = Vec::new();
    let row = |event: &crate::service::replay::Replayed| {
        rows.push([event.telling.to_string(), event.before.clone(), event.now.to_string()]);
    };
    let replayed = replay(&db, &which, &policy(settings), clock::now(), row).await?;
    if let (Which::One(id), 0) = (&which, replayed) {
        bail!("there is no event {id}");
    }
    output::print(arguments.format, ["event", "before", "now"], rows);
    Ok(ExitCode::SUCCESS)
}
