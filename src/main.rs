//! The `referrald` command.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::wildcard_imports
)]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use referrald::cli::Cli;
use tokio::runtime::Runtime;

/// How long a thread that waits for the database may hold up the end of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    end_with_the_reader();
    let cli = Cli::parse();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("starting the runtime")),
    };
    let ended = runtime.block_on(referrald::cli::run(cli));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    ended.unwrap_or_else(|error| fail(&error))
}

/// A reader of the output that is gone, as `head` is after its lines, ends the command without a word. `println!` knows no
/// other way than to panic then.
fn end_with_the_reader() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if message.starts_with("failed printing to stdout") && message.contains("Broken pipe") {
            std::process::exit(1);
        }
        tell(panic);
    }));
}

/// One line: what failed, and why.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("referrald: {}", referrald::cli::one_line(error));
    ExitCode::FAILURE
}
