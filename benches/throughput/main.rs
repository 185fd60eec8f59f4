//! How fast events become commissions, against the same server without a database. `scripts/bench` runs it.
//!
//! The generator is `wrk`. It sends distinct, signed events of a real size, each once, and every run checks the ledger
//! afterwards: any answer but 2xx, and any sum that is not what was sent, fails the benchmark.

mod about;
mod against;
mod ceiling;
mod events;
mod ledger;
mod log_pages;
mod memory;
mod pages;
mod parts;
mod plan;
mod preload;
mod process;
mod reads;
mod replicas;
mod report;
mod sales;
mod standby;
mod statistics;
mod targets;
mod template;
mod wrk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;

use about::{about, results};
use ledger::Kind;
use plan::{Bench, Section, Size};
use process::Binary;
use report::Report;

/// Events whose pages are told: the log of so many has some hundred megabytes.
const PAGE_EVENTS: usize = 12_000;
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/RESULTS.md");

/// Measures how fast events become commissions.
#[derive(Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "they are switches")]
#[command(name = "scripts/bench")]
struct Arguments {
    /// Two minutes, for development: one round of few events, without the large ledger.
    #[arg(long)]
    quick: bool,
    /// Only this part of the report; may be repeated. Without it sales and replicas, or with --against that comparison.
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Section>,
    /// Compares this build with another binary of the daemon, in turn.
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
    /// Measures this binary of the daemon instead of the one that cargo has built.
    #[arg(long, value_name = "BINARY")]
    binary: Option<PathBuf>,
    /// Invoices of the large ledger; 0 leaves it out.
    #[arg(long, value_name = "N")]
    growth: Option<u64>,
    /// Rounds of all variants.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=20))]
    rounds: Option<u8>,
    /// Events of one run; with a transaction each and of replicas some fewer.
    #[arg(long, value_name = "N")]
    events: Option<usize>,
    /// One database only.
    #[arg(long, value_enum)]
    database: Option<Kind>,
    /// Of the sales only the ceiling and durable sales: for a profiler, or one change after the other.
    #[arg(long)]
    sales_only: bool,
    /// A setting of the daemons of this build, as a variable of the environment: `REFERRALD_INTAKE__BATCH_EVENTS=64`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Writes the parts that were measured to benches/RESULTS.md, too.
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
    let sections = arguments.sections();
    ensure!(
        arguments.against.is_some() || !sections.contains(&Section::Against),
        "--only against needs --against BINARY"
    );
    let write = arguments.write;
    let mut bench = arguments.bench(sections)?;
    let done = bench.run().await;
    std::fs::remove_dir_all(&bench.directory).ok();
    done?;
    let mut parts = Vec::new();
    for section in &bench.sections {
        let report = Report::new(&bench, *section);
        let about = about(&bench, *section, &wrk, started).await?;
        println!("\n{}\n{}\n\n{about}", section.title(), report.text());
        parts.push((*section, format!("{}\n\n{about}", report.markdown())));
    }
    if write {
        let before = std::fs::read_to_string(RESULTS).unwrap_or_default();
        std::fs::write(RESULTS, results(&before, &parts)).context("writing benches/RESULTS.md")?;
    }
    Ok(())
}

impl Arguments {
    fn sections(&self) -> Vec<Section> {
        match (self.only.as_slice(), &self.against) {
            ([], None) => vec![Section::Sales, Section::Replicas],
            ([], Some(_)) => vec![Section::Against],
            (only, _) => Section::ALL.into_iter().filter(|section| only.contains(section)).collect(),
        }
    }

    fn bench(self, sections: Vec<Section>) -> anyhow::Result<Bench> {
        // What a run leaves that was killed is in the way of no other.
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput");
        std::fs::remove_dir_all(&directory).ok();
        std::fs::create_dir_all(&directory)?;
        let this = self.binary.as_deref().map(Binary::at).transpose()?;
        Ok(Bench {
            directory,
            size: self.size(),
            kinds: self.database.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]),
            sections,
            sales_only: self.sales_only,
            settings: self.set,
            binary: this.unwrap_or_else(Binary::of_this_build),
            other: self.against.as_deref().map(Binary::at).transpose()?,
            log: self.log,
            seeds: Vec::new(),
            samples: Vec::new(),
            commits_ms: Vec::new(),
            written: Vec::new(),
            reads: Vec::new(),
            resident: Vec::new(),
            mean_body_bytes: 0,
        })
    }

    fn size(&self) -> Size {
        let (rounds, events, growth, half_s) =
            if self.quick { (1, 8_000, 0, 2.0) } else { (3, 48_000, 1_000_000, 5.0) };
        let events = self.events.unwrap_or(events);
        Size {
            rounds: self.rounds.map_or(rounds, usize::from),
            events,
            naive_events: events / 8,
            replica_events: events / 2,
            memory_events: self.events.unwrap_or(if self.quick { 24_000 } else { 300_000 }),
            page_events: events.min(PAGE_EVENTS),
            half_s,
            read_s: if self.quick { 1 } else { 3 },
            growth: self.growth.unwrap_or(growth),
        }
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is expected")?;
    Ok((name.to_owned(), value.to_owned()))
}
