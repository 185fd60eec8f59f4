//! How fast events become commissions, against the same server without a database. `scripts/bench` runs it.
//!
//! The generator is `wrk`. It sends distinct, signed events of a real size, each once, and every run checks the ledger
//! afterwards: any answer but 2xx, and any sum that is not what was sent, fails the benchmark.

mod ceiling;
mod events;
mod ledger;
mod plan;
mod preload;
mod process;
mod report;
mod template;
mod wrk;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;

use ledger::Kind;
use plan::{Bench, Size};
use report::Report;

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/RESULTS.md");

/// Measures how fast events become commissions.
#[derive(Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "they are switches")]
#[command(name = "scripts/bench")]
struct Arguments {
    /// About a minute, for development: one round of few events, without the large ledger.
    #[arg(long)]
    quick: bool,
    /// Invoices of the large ledger; 0 leaves it out.
    #[arg(long, value_name = "N")]
    growth: Option<u64>,
    /// Rounds of all variants.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=20))]
    rounds: Option<u8>,
    /// Events of one run.
    #[arg(long, value_name = "N")]
    events: Option<usize>,
    /// One database only.
    #[arg(long, value_enum)]
    database: Option<Kind>,
    /// Only the ceiling and durable sales: for a profiler, or one change after the other.
    #[arg(long)]
    sales_only: bool,
    /// A setting of the daemons, as a variable of the environment: `REFERRALD_INTAKE__WRITERS=2`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Writes the result to benches/RESULTS.md too.
    #[arg(long, conflicts_with_all = ["quick", "database", "sales_only", "set"])]
    write: bool,
    /// Appends what the daemons log to a file, which costs some speed.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// What cargo adds to say that this is not a test.
    #[arg(long, hide = true)]
    bench: bool,
    /// Serves as the ceiling.
    #[arg(long, hide = true)]
    ceiling: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test --all-targets` and the like run this too, without `--bench`.
    if !std::env::args().any(|argument| argument == "--bench") {
        eprintln!("a benchmark: run it with scripts/bench");
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let ended = if arguments.ceiling { ceiling::serve().await } else { measure(arguments).await };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scripts/bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: Arguments) -> anyhow::Result<()> {
    let wrk = wrk::version()?;
    let started = Instant::now();
    // What a run leaves that was killed is in the way of no other.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput");
    std::fs::remove_dir_all(&directory).ok();
    std::fs::create_dir_all(&directory)?;
    let mut size = if arguments.quick {
        Size { rounds: 1, events: 8_000, naive_events: 1_600, half_s: 2.0, growth: 0 }
    } else {
        Size { rounds: 3, events: 60_000, naive_events: 12_000, half_s: 5.0, growth: 1_000_000 }
    };
    size.events = arguments.events.unwrap_or(size.events);
    size.growth = arguments.growth.unwrap_or(size.growth);
    size.rounds = arguments.rounds.map_or(size.rounds, usize::from);
    let kinds = arguments.database.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
    let (log, sales_only) = (arguments.log, arguments.sales_only);
    let settings = arguments.set;
    let (samples, mean_body_bytes) = (Vec::new(), 0);
    let mut bench = Bench { directory, log, size, kinds, sales_only, settings, samples, mean_body_bytes };
    let done = bench.run().await;
    std::fs::remove_dir_all(&bench.directory).ok();
    done?;
    let report = Report::new(&bench);
    let about = about(&bench, &wrk, started).await?;
    println!("\n{}\n\n{about}", report.text());
    if arguments.write {
        let text =
            format!("# Throughput\n\nMade by `scripts/bench --write`.\n\n{}\n\n{about}", report.markdown());
        std::fs::write(RESULTS, text).context("writing benches/RESULTS.md")?;
    }
    Ok(())
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// When, where, and how much was measured.
async fn about(bench: &Bench, wrk: &str, started: Instant) -> anyhow::Result<String> {
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let gigabytes = kilobytes.context("MemTotal")?.parse::<f64>()? * 1_024.0 / 1e9;
    let mut databases = Vec::new();
    for kind in Kind::ALL {
        databases.push(ledger::version(kind).await?);
    }
    let Size { rounds, events, naive_events, .. } = bench.size;
    Ok(format!(
        "- {} UTC, {:.0} s\n- {cores} cores for the daemon, the generator and the database; {gigabytes:.0} GB; {}\n\
         - referrald {} ({}), {}, {}, {wrk}\n\
         - {rounds} rounds, medians; {events} events a run ({naive_events} with a transaction each) of {} bytes on \
         average, seeds 1, 2, 3, 101…; 64 connections\n\
         - half of the sales are of referred customers; each customer buys four times, so every fourth sale is of a new \
         one\n- ids count seconds, as Stripe's do (100 events a second, a backlog), but for \"ids in no order\"\n- half the capacity: exponential gaps at that rate over 256 connections\n\
         - after every run: only 2xx, the sums that the events earn, and `referrald verify`\n",
        command(&["date", "-u", "+%F %H:%M"])?,
        started.elapsed().as_secs_f64(),
        command(&["uname", "-sr"])?,
        env!("CARGO_PKG_VERSION"),
        command(&["git", "describe", "--always", "--dirty"]).unwrap_or_else(|_| "no git".to_owned()),
        databases[0],
        databases[1],
        bench.mean_body_bytes,
    ))
}

fn command(words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(words[0]).args(&words[1..]).output()?;
    ensure!(output.status.success(), "{words:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
