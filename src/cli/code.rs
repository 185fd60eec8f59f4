//! `code create`.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::database;
use crate::clock;
use crate::service::programs;
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a code for a promoter.
    Create(Create),
}

#[derive(Debug, Args)]
pub struct Create {
    /// The code as it is shared, case-sensitive.
    code: String,
    /// Whose it is: the promoter's id or user id.
    #[arg(long)]
    promoter: String,
    /// The program under whose terms it earns.
    #[arg(long)]
    program: String,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    let db = database(settings).await?;
    let Command::Create(create) = command;
    let new =
        programs::create_code(&db, &create.code, &create.promoter, &create.program, clock::now()).await?;
    println!("code {} of {} in program {}", new.code, new.owner.promoter, new.owner.program);
    if new.settled_referrals > 0 {
        println!("{} customers had been referred by it before it existed", new.settled_referrals);
    }
    Ok(ExitCode::SUCCESS)
}
