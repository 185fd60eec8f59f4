//! `explain`: why the ledger says what it says.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::database;
use super::output::Format;
use crate::app::policy;
use crate::clock;
use crate::service::queries::explain::explain;
use crate::settings::Settings;

#[derive(Debug, Args)]
pub struct Arguments {
    /// An object of Stripe (in_…, pi_…, ch_…, re_…, du_…, cn_…, sub_…, cus_…, evt_…), a referral (ref_…), a promoter (prm_…, or
    /// its user id), a user of the host, or a code.
    id: String,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let db = database::existing(settings).await?;
    let id = arguments.id.trim();
    let Some(story) = explain(&db, id, &policy(settings), clock::now()).await? else {
        bail!(
            "nothing of the name {id} is known here, or it is of a kind that explain does not tell (see explain --help)"
        );
    };
    match arguments.format {
        Format::Table => story.sentences.iter().for_each(|sentence| println!("{sentence}")),
        Format::Json => {
            println!("{}", json!({ "object": story.about, "id": story.id, "story": story.sentences }));
        }
    }
    Ok(ExitCode::SUCCESS)
}
