//! The `referrald` command.

use std::process::ExitCode;

use clap::Parser;
use referrald::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match referrald::cli::run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            // One line: what failed, and why.
            eprintln!("referrald: {}", referrald::cli::one_line(&error));
            ExitCode::FAILURE
        }
    }
}
