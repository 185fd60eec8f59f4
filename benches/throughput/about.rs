//! When, where, with what and how much was measured; and RESULTS.md, of which a run replaces the parts that it measured.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::ledger::{self, Kind};
use crate::plan::{Bench, Commit, Section};
use crate::replicas::REPLICA_PACE;
use crate::statistics::middle;

const HEAD: &str =
    "# Throughput\n\nMade by `scripts/bench --write`, which replaces the parts that it measures.\n";

/// What a part of the report says beside its tables.
pub async fn about(bench: &Bench, section: Section, wrk: &str, started: Instant) -> anyhow::Result<String> {
    let mut lines = vec![
        format!(
            "{} UTC, {:.0} s in all",
            command(&["date", "-u", "+%F %H:%M"])?,
            started.elapsed().as_secs_f64()
        ),
        machine()?,
        format!("{}, {wrk}", programs().await?),
        format!("this build: {}", bench.binary.about()?),
    ];
    lines.extend(of_section(bench, section)?);
    Ok(format!("- {}\n", lines.join("\n- ")))
}

fn of_section(bench: &Bench, section: Section) -> anyhow::Result<Vec<String>> {
    let size = bench.size;
    let bytes = bench.mean_body_bytes;
    let half = "half of the sales are of referred customers; each customer buys four times, so every fourth sale is of a \
                new one; ids count seconds, as Stripe's do (100 events a second, a backlog)";
    let parts = "CPU by part: threads of the daemon by name and `other` for those that have ended, processes of PostgreSQL, and \
                 the generator; written: what the daemon had written to disk, on PostgreSQL what its log grew by";
    let lines = match section {
        Section::Sales => vec![
            format!(
                "{} rounds, medians; {} events a run ({} with a transaction each) of {bytes} bytes on average, seeds 1, 2, \
                 3, 101…; 64 connections",
                size.rounds, size.events, size.naive_events
            ),
            format!("{half}, but for \"ids in no order\""),
            parts.to_owned(),
            "a transaction each: batches of one event in the one writer".to_owned(),
            "half the capacity: exponential gaps at that rate over 256 connections".to_owned(),
            "after every run: only 2xx, the sums that the events earn, and `referrald verify`".to_owned(),
        ],
        Section::Replicas => vec![
            format!(
                "{} rounds, medians; {} sales a run of {bytes} bytes on average, seed 4; {} connections in all, spread \
                 evenly",
                size.rounds,
                events_of(bench, section),
                REPLICA_PACE.connections
            ),
            half.to_owned(),
            parts.to_owned(),
            format!("one commit of one row: {}", commits(bench)),
            "the standby is a stand-in: it is sent the log, throws it away, and confirms it after that time".to_owned(),
            "after every run: only 2xx, the sums that the events earn, and `referrald verify`".to_owned(),
        ],
        Section::Pages => vec![
            format!("{} sales of {bytes} bytes on each ledger, seeds 200, 201; 64 connections", size.page_events),
            half.to_owned(),
            "the log is held by a reader, so that every page of it is seen; `dbstat` tells whose it is".to_owned(),
        ],
        Section::Memory => vec![
            format!("one daemon on a new ledger, sales of {bytes} bytes, seeds 301 to 312; 64 connections"),
            half.to_owned(),
            "at the end: only 2xx, the sums that the events earn, and `referrald verify`".to_owned(),
        ],
        Section::Reads => vec![
            format!("4 connections that ask again once they are answered, {} s a route; nothing is written meanwhile", size.read_s),
            "all referrals are of ten promoters, so of 1 000 000 invoices each has 50 000 entries".to_owned(),
            "pages of 50; \"from a cursor on\" and single rows: 100 of them, evenly spread over the table".to_owned(),
            "commands: with their start, medians of 5 runs; `verify` once, its rate in invoices".to_owned(),
        ],
        Section::Against => vec![
            format!("the other build: {}", bench.other.as_ref().context("no other build")?.about()?),
            format!(
                "{} rounds in turn, medians (the ratio is that of one round); {} sales a run of {bytes} bytes on average, \
                 seed 1; 64 connections",
                size.rounds,
                events_of(bench, section)
            ),
            half.to_owned(),
            parts.to_owned(),
            "each build with ledgers of its own, made by its own commands; after every run: only 2xx, what its promoters \
             earned as it shows it, and its own `verify`"
                .to_owned(),
        ],
    };
    Ok(lines)
}

/// Events of one run: whole blocks of sales, so somewhat more than were asked for.
fn events_of(bench: &Bench, section: Section) -> u64 {
    let samples = bench.samples.iter().filter(|sample| sample.variant.section() == section);
    samples.map(|sample| sample.events).max().unwrap_or(0)
}

fn commits(bench: &Bench) -> String {
    let of_one = |commit| {
        let times = bench.commits_ms.iter().filter(|(of, _)| *of == commit).map(|(_, ms)| *ms);
        Some(format!("{:.1} ms, {}", middle(times.collect())?, commit.in_words()))
    };
    Commit::ALL.into_iter().filter_map(of_one).collect::<Vec<_>>().join("; ")
}

fn machine() -> anyhow::Result<String> {
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    let gigabytes = kilobytes.context("MemTotal")?.parse::<f64>()? * 1_024.0 / 1e9;
    let system = command(&["uname", "-sr"])?;
    Ok(format!("{cores} cores for the daemons, the generator and the database; {gigabytes:.0} GB; {system}"))
}

async fn programs() -> anyhow::Result<String> {
    let mut programs = vec![format!(
        "referrald {} ({})",
        env!("CARGO_PKG_VERSION"),
        command(&["git", "describe", "--always", "--dirty"]).unwrap_or_else(|_| "no git".to_owned())
    )];
    for kind in Kind::ALL {
        programs.push(ledger::version(kind).await?);
    }
    Ok(programs.join(", "))
}

/// RESULTS.md with these parts anew and the others as they were.
pub fn results(before: &str, parts: &[(Section, String)]) -> String {
    let part = |section: Section| {
        let new = parts.iter().find(|(of, _)| *of == section).map(|(_, part)| part.trim());
        let part = new.or_else(|| part_of(before, section))?;
        Some(format!("\n## {}\n\n{part}\n", section.title()))
    };
    [Some(HEAD.to_owned())].into_iter().chain(Section::ALL.map(part)).flatten().collect()
}

fn part_of(text: &str, section: Section) -> Option<&str> {
    let (_, behind) = text.split_once(&format!("\n## {}\n", section.title()))?;
    Some(behind.split_once("\n## ").map_or(behind, |(part, _)| part).trim())
}

fn command(words: &[&str]) -> anyhow::Result<String> {
    let (program, arguments) = words.split_first().context("no program")?;
    let output = Command::new(program).args(arguments).output()?;
    ensure!(output.status.success(), "{words:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
