//! `program create|list`.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::json;

use super::{Format, database, existing_database, output};
use crate::clock;
use crate::domain::CommissionBase;
use crate::service::{programs, show};
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a program.
    Create(Create),
    /// List the terms of all programs.
    List {
        /// How to print.
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub struct Create {
    /// Its public name.
    key: String,
    /// The share of every paid invoice in per cent, such as 10 or 12.5.
    #[arg(long, value_name = "PERCENT", value_parser = basis_points)]
    rate: u16,
    /// What the share is taken of.
    #[arg(long, value_enum, default_value = "net-of-tax")]
    base: Base,
    /// Days between payment and the moment an amount may be paid out.
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    hold_days: u16,
    /// How to print.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Base {
    /// What was paid, less tax.
    NetOfTax,
    /// What was paid, tax included.
    AmountPaid,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(create) => {
            let db = database(settings).await?;
            let base = match create.base {
                Base::NetOfTax => CommissionBase::NetOfTax,
                Base::AmountPaid => CommissionBase::AmountPaid,
            };
            let (rate, hold_days) = (create.rate, create.hold_days);
            let terms =
                programs::create_program(&db, &create.key, rate, base, hold_days, clock::now()).await?;
            let (key, base) = (create.key.trim(), base.as_str());
            let text = format!("program {key}: {} of {base}, held for {hold_days} days", terms.rate);
            let json = json!({ "key": key, "rate_bps": rate, "base": base, "hold_days": hold_days });
            output::made(create.format, &text, &json);
        }
        Command::List { format } => {
            let db = existing_database(settings).await?;
            let versions = show::programs(&db).await?.into_iter().map(|version| {
                [
                    version.program.to_string(),
                    version.valid_from.to_string(),
                    version.terms.rate.to_string(),
                    version.terms.base.as_str().to_owned(),
                    version.terms.hold_days.to_string(),
                ]
            });
            output::print(format, ["program", "valid_from", "rate", "base", "hold_days"], versions.collect());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Per cent with at most two decimals, as basis points.
fn basis_points(percent: &str) -> anyhow::Result<u16> {
    let rule = "between 0 and 100, with at most two decimals";
    let percent: Decimal = percent.trim().trim_end_matches('%').trim().parse().context(rule)?;
    let bps = percent.checked_mul(Decimal::ONE_HUNDRED).context(rule)?;
    let whole = bps.is_integer() && bps <= Decimal::from(10_000);
    bps.to_u16().filter(|_| whole).context(rule)
}

#[cfg(test)]
mod tests {
    use super::basis_points;

    #[test]
    fn a_rate_is_per_cent_with_two_decimals_at_most() {
        for (text, bps) in [("10", 1_000), ("12.5", 1_250), ("0.01", 1), ("100", 10_000), ("7.25 %", 725)] {
            assert_eq!(basis_points(text).ok(), Some(bps), "{text}");
        }
        for text in ["", "-1", "100.01", "1.005", "ten", "1e1000"] {
            assert!(basis_points(text).is_err(), "{text}");
        }
    }
}
