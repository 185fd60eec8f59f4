//! `code create`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::database;
use super::output::{self, Format};
use crate::clock;
use crate::domain::Timestamp;
use crate::service::codes::{self, CodeChange};
use crate::service::fields::Limit;
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a code for a promoter.
    Create(Create),
}

#[derive(Debug, Args)]
pub struct Create {
    /// The code as it is shared, compared without case.
    code: String,
    /// Whose it is: the promoter's id or user id.
    #[arg(long)]
    promoter: String,
    /// The program under whose terms it earns.
    #[arg(long)]
    program: String,
    /// Referrals that it may make; any number without.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_uses: Option<u32>,
    /// From when on it makes none (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = super::refer::point_in_time)]
    expires_at: Option<Timestamp>,
    /// The promotion code of Stripe that it carries (`promo_…`).
    #[arg(long, value_name = "PROMO")]
    promotion_code: Option<String>,
    /// When it was made, if earlier than now (RFC 3339): references of checkout sessions count for it from then on.
    #[arg(long, value_name = "TIME", value_parser = super::refer::point_in_time)]
    made_at: Option<Timestamp>,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    let db = database::migrated(settings).await?;
    let Command::Create(create) = command;
    let change = CodeChange {
        active: None,
        expires_at: create.expires_at.map(|at| Limit(Some(at))),
        max_uses: create.max_uses.map(|uses| Limit(Some(uses))),
        promotion_code: create.promotion_code,
        made_at: create.made_at,
    };
    let (promoter, program) = (&create.promoter, &create.program);
    let new = codes::create_code(&db, &create.code, promoter, program, &change, clock::now()).await?;
    let (code, owner) = (&new.code, &new.owner);
    let mut text = format!("code {code} of {} in program {}", owner.promoter, owner.program);
    if new.settled_referrals > 0 {
        text = format!("{text}; referrals that had named it before it existed: {}", new.settled_referrals);
    }
    let json = json!({
        "code": code.as_str(),
        "promoter": owner.promoter.as_str(),
        "program": owner.program.as_str(),
        "settled_referrals": new.settled_referrals,
    });
    output::made(create.format, &text, &json);
    Ok(ExitCode::SUCCESS)
}
