//! The command line: one file a command.

mod code;
mod database;
mod demo;
mod event;
mod explain;
mod migrate;
mod output;
mod program;
mod promoter;
mod refer;
mod referral;
mod replay;
mod serve;
mod terms;
mod trigger;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::service::error::chain;
use crate::settings::Settings;
use crate::telemetry;

/// Keeps the commission ledger of a referral programme from Stripe's webhooks.
#[derive(Debug, Parser)]
#[command(name = "referrald", version, about, propagate_version = true)]
pub struct Cli {
    /// A settings file (TOML); also `REFERRALD_CONFIG`. The environment wins over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon. Applies migrations first, unless `database.migrate_on_start` is false.
    Serve,
    /// Apply migrations and say which.
    Migrate,
    /// Show everything at work in a throw-away directory, and check every figure.
    Demo,
    /// Send one signed sample event, like `stripe trigger`, without a Stripe account.
    Trigger(trigger::Arguments),
    /// Programs: the terms under which promoters earn.
    #[command(subcommand)]
    Program(program::Command),
    /// Promoters: who earns.
    #[command(subcommand)]
    Promoter(promoter::Command),
    /// Referral codes: what promoters share.
    #[command(subcommand)]
    Code(code::Command),
    /// Say that a customer was referred by a code.
    Refer(refer::Arguments),
    /// Referrals: list them, look at those that are held, release, refuse or move them.
    #[command(subcommand)]
    Referral(referral::Command),
    /// Tell in sentences why the ledger says what it says about an object of Stripe, a customer, a code or a promoter.
    Explain(explain::Arguments),
    /// Events: what became of them.
    #[command(subcommand)]
    Event(event::Command),
    /// Run stored events again, which changes nothing on a correct ledger.
    Replay(replay::Arguments),
    /// Check the ledger against the facts; exit 1 and the first violations when it does not hold.
    Verify(verify::Arguments),
}

/// Runs one command.
///
/// # Errors
/// What the command could not do; the exit code is then 1.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // One TLS provider for all clients; a second call of a test process finds it installed, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    if let Command::Demo = cli.command {
        return demo::run().await;
    }
    let settings = Settings::load(cli.config.as_deref())?;
    settings.validate_common()?;
    telemetry::init(&settings.log)?;
    match cli.command {
        Command::Demo => demo::run().await,
        Command::Serve => serve::run(&settings).await,
        Command::Trigger(arguments) => trigger::run(&settings, arguments).await,
        Command::Migrate => migrate::run(&settings).await,
        Command::Program(command) => program::run(&settings, command).await,
        Command::Promoter(command) => promoter::run(&settings, command).await,
        Command::Code(command) => code::run(&settings, command).await,
        Command::Refer(arguments) => refer::run(&settings, arguments).await,
        Command::Referral(command) => referral::run(&settings, command).await,
        Command::Explain(arguments) => explain::run(&settings, arguments).await,
        Command::Event(command) => event::run(&settings, command).await,
        Command::Replay(arguments) => replay::run(&settings, arguments).await,
        Command::Verify(arguments) => verify::run(&settings, &arguments).await,
    }
}

/// An error on one line, each cause once.
pub fn one_line(error: &anyhow::Error) -> String {
    chain(error.as_ref())
}
