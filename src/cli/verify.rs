//! `verify`: the ledger against the facts.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::database;
use super::output::Format;
use crate::domain::InvoiceId;
use crate::service::queries::verify;
use crate::settings::Settings;

/// How often the progress line moves by itself.
const TICK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct Arguments {
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command; exit code 1 when the ledger does not hold.
pub async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let db = database::existing(settings).await?;
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(TICK);
    let report = verify::verify(&db, |invoices| progress.set_message(format!("{invoices} invoices"))).await?;
    progress.finish_and_clear();
    match arguments.format {
        Format::Json => {
            let conflicts: Vec<&str> = report.conflicts.iter().map(InvoiceId::as_str).collect();
            let (invoices, violations) = (report.invoices, &report.violations);
            println!("{}", json!({ "invoices": invoices, "violations": violations, "conflicts": conflicts }));
        }
        Format::Table => {
            for violation in &report.violations {
                println!("violated: {violation}");
            }
            for invoice in &report.conflicts {
                println!("note: events contradict each other about {invoice}");
            }
            let decision = if report.holds() { "the ledger holds" } else { "the ledger does not hold" };
            println!("{} invoices checked: {decision}", report.invoices);
        }
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
