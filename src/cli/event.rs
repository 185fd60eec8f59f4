//! `event`: what became of Stripe's events, without their bodies.

use std::process::ExitCode;

use super::database;
use super::output::{Format, table};
use crate::domain::Outcome;
use crate::domain::inbox::KeptEvent;
use crate::service::queries::events::{self, EventFilter};
use crate::service::queries::shown::EventBody;
use crate::settings::Settings;
use anyhow::bail;
use clap::Subcommand;

/// Events read at a time.
const PAGE: u64 = 500;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List events, the newest first.
    List {
        /// Only those with this outcome.
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(Outcome::WORDS))]
        outcome: Option<String>,
        /// Only those of this type, such as `charge.refunded`.
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// So many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show all tellings of one event: one for each API version in which it was delivered.
    Show {
        /// The event, `evt_…`.
        id: String,
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    let db = database::existing(settings).await?;
    let (found, format) = match command {
        Command::List { outcome, event_type, limit, format } => {
            let filter = EventFilter { outcome, event_type };
            let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let (page, next) = events::list(&db, &filter, before, PAGE).await?;
                found.extend(page);
                before = next;
                if before.is_none() || found.len() >= wanted {
                    break;
                }
            }
            found.truncate(wanted);
            (found, format)
        }
        Command::Show { id, format } => {
            let found = events::tellings(&db, id.trim()).await?;
            if found.is_empty() {
                bail!("there is no event {}", id.trim());
            }
            (found, format)
        }
    };
    print(found, format)?;
    Ok(ExitCode::SUCCESS)
}

fn print(found: Vec<KeptEvent>, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let shown: Vec<EventBody> = found.into_iter().map(EventBody::from).collect();
            println!("{}", serde_json::to_value(shown)?);
        }
        Format::Table => {
            let rows = found.iter().map(|event| {
                let why = event.reason.clone().unwrap_or_default();
                let waits_for = event.waits_for.as_ref().map(ToString::to_string).unwrap_or_default();
                let (telling, received_at) = (event.telling.to_string(), event.received_at.to_string());
                [telling, event.event_type.clone(), received_at, event.outcome.clone(), why, waits_for]
            });
            println!("{}", table(["event", "type", "received at", "outcome", "reason", "waits for"], rows));
        }
    }
    Ok(())
}
