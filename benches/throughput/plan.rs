//! What is run and what it showed: every variant in every round, so that what else the machine does meets them all.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use referrald::clock;

use crate::events::{Gain, Mix, Part, Stream};
use crate::ledger::{Kind, Ledger};
use crate::memory::Resident;
use crate::pages::Written;
use crate::parts::Watch;
use crate::process::{Binary, Server, Used};
use crate::reads::Read;
use crate::wrk::{self, Pace, Seen};

/// Threads of the generator; each sends a slice of its own.
pub const THREADS: usize = 2;
/// Connections that ask for the next event once their answer is there.
pub const CLOSED: Pace = Pace { connections: 64, rate: None };

/// A part of the report, with runs of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Section {
    /// One daemon on each database, against the ceiling.
    Sales,
    /// One, two and three daemons on one PostgreSQL.
    Replicas,
    /// This build against another one.
    Against,
    /// To which trees the pages of SQLite's log go, on a small ledger and a large one.
    Pages,
    /// The routes and commands that read, on a small ledger and a large one.
    Reads,
    /// What one daemon has resident over 300 000 events.
    Memory,
}

impl Section {
    /// In the order of the report.
    pub const ALL: [Self; 6] =
        [Self::Sales, Self::Replicas, Self::Against, Self::Pages, Self::Reads, Self::Memory];

    /// Its heading in RESULTS.md.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sales => "Sales",
            Self::Replicas => "Replicas",
            Self::Against => "Against another build",
            Self::Pages => "Pages of the log",
            Self::Reads => "Reads",
            Self::Memory => "Memory",
        }
    }
}

/// How much is run.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub rounds: usize,
    /// Events of one run.
    pub events: usize,
    /// Events of one run with a transaction for each.
    pub naive_events: usize,
    /// Events of one run of replicas.
    pub replica_events: usize,
    /// Events of one run whose pages are told.
    pub page_events: usize,
    /// Events of the run over which memory is read.
    pub memory_events: usize,
    /// Seconds at half of the capacity.
    pub half_s: f64,
    /// Seconds for which a route is asked.
    pub read_s: u64,
    /// Invoices of the large ledger; 0 skips it.
    pub growth: u64,
}

/// Who confirms a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Commit {
    /// The server itself, when it has flushed.
    Flushed,
    /// A synchronous standby, some milliseconds after that.
    Standby,
}

impl Commit {
    pub const ALL: [Self; 2] = [Self::Flushed, Self::Standby];

    /// Who confirms it.
    pub fn in_words(self) -> String {
        match self {
            Self::Flushed => "flushed by the server".to_owned(),
            Self::Standby => format!("confirmed by a standby after {} ms", STANDBY_DELAY.as_millis()),
        }
    }
}

/// How long the standby takes.
pub const STANDBY_DELAY: Duration = Duration::from_millis(5);

/// Which of two builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Other,
    This,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    Ceiling,
    Durable(Kind),
    OneByOne(Kind),
    Scattered(Kind),
    Duplicates(Kind),
    Mixed(Kind),
    Half(Kind),
    Small(Kind),
    Large(Kind),
    /// So many daemons on PostgreSQL.
    Replicas(Commit, usize),
    Against(Kind, Side),
}

impl Variant {
    /// The part of the report that shows it.
    pub const fn section(self) -> Section {
        match self {
            Self::Ceiling
            | Self::Durable(_)
            | Self::OneByOne(_)
            | Self::Scattered(_)
            | Self::Duplicates(_)
            | Self::Mixed(_)
            | Self::Half(_)
            | Self::Small(_)
            | Self::Large(_) => Section::Sales,
            Self::Replicas(..) => Section::Replicas,
            Self::Against(..) => Section::Against,
        }
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Sample {
    pub round: usize,
    pub variant: Variant,
    pub seen: Seen,
    pub events: u64,
    pub used: Used,
    pub ready_s: f64,
    /// Disk that the events take; none where nothing is stored.
    pub bytes_per_event: Option<f64>,
    /// Events of the ledger, and how long `verify` took for it.
    pub verified: Option<(u64, f64)>,
}

/// What one run sends, and to how many daemons.
#[derive(Debug, Clone, Copy)]
pub struct Run<'r> {
    pub round: usize,
    pub variant: Variant,
    pub part: &'r Part<'r>,
    pub pace: Pace,
    pub replicas: usize,
    /// Settings of the daemons beside those of every run.
    pub environment: &'r [(&'r str, &'r str)],
}

impl<'r> Run<'r> {
    /// One daemon with its own settings, and 64 connections in a closed loop.
    pub const fn closed(round: usize, variant: Variant, part: &'r Part<'r>) -> Self {
        Self { round, variant, part, pace: CLOSED, replicas: 1, environment: &[] }
    }
}

/// The bench at work.
#[derive(Debug)]
pub struct Bench {
    pub directory: PathBuf,
    pub log: Option<PathBuf>,
    pub size: Size,
    pub kinds: Vec<Kind>,
    pub sections: Vec<Section>,
    /// Only the ceiling and durable sales.
    pub sales_only: bool,
    /// Further settings of the daemons of this build.
    pub settings: Vec<(String, String)>,
    /// What is measured.
    pub binary: Binary,
    /// What it is compared with.
    pub other: Option<Binary>,
    /// What every new ledger is a copy of, one for each binary and database.
    pub seeds: Vec<Ledger>,
    pub samples: Vec<Sample>,
    /// How long a commit took while replicas were measured.
    pub commits_ms: Vec<(Commit, f64)>,
    /// What was written to SQLite's log.
    pub written: Vec<Written>,
    /// What reading took.
    pub reads: Vec<Read>,
    /// What was resident.
    pub resident: Vec<Resident>,
    pub mean_body_bytes: usize,
}

impl Bench {
    /// Every round of every variant of the sections.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        for section in self.sections.clone() {
            match section {
                Section::Sales => self.sales().await,
                Section::Replicas => self.replicas().await,
                Section::Against => self.against().await,
                Section::Pages => self.pages().await,
                Section::Reads => self.reads().await,
                Section::Memory => self.memory().await,
            }
            .with_context(|| section.title().to_lowercase())?;
        }
        for seed in self.seeds.drain(..) {
            seed.drop().await?;
        }
        Ok(())
    }

    /// Writes signed events into a file.
    pub fn stream(
        &mut self,
        name: &str,
        mix: Mix,
        events: usize,
        threads: usize,
        seed: u64,
    ) -> anyhow::Result<Stream> {
        let stream = Stream::write(self.directory.join(name), mix, events, threads, seed, clock::now())?;
        eprintln!("{name}: {} events of {} bytes", stream.len(), stream.mean_body_bytes);
        if mix == Mix::Sales {
            self.mean_body_bytes = stream.mean_body_bytes;
        }
        Ok(stream)
    }

    /// A new ledger of a binary.
    pub async fn ledger(&mut self, binary: &Binary, kind: Kind) -> anyhow::Result<Ledger> {
        let is_seed = |seed: &&Ledger| seed.kind == kind && seed.binary() == binary;
        if let Some(seed) = self.seeds.iter().find(is_seed) {
            return seed.copy(&self.directory).await;
        }
        let seed = Ledger::seed(binary, kind, &self.directory).await;
        let seed = seed.with_context(|| format!("setting up a ledger on {}", kind.name()))?;
        let copy = seed.copy(&self.directory).await?;
        self.seeds.push(seed);
        Ok(copy)
    }

    /// Sends events to daemons of this build, and checks what the ledger made of them.
    pub async fn durable(&mut self, ledger: &Ledger, run: &Run<'_>) -> anyhow::Result<Seen> {
        let what = || format!("{:?}, round {}", run.variant, run.round);
        let (before, bytes) = (ledger.totals().await?, ledger.bytes().await?);
        let mut settings = run.environment.to_vec();
        settings.extend(self.settings());
        let (seen, used, ready_s) = self.serve(ledger, run, &settings).await.with_context(what)?;
        let gain = if let Variant::Duplicates(_) = run.variant { Gain::default() } else { run.part.gain };
        let checked = ledger.check(before, gain).await;
        checked.with_context(|| format!("{}: a fast wrong answer", what()))?;
        // The large ledger takes long, so it is looked at in the end.
        let is_due = !matches!(run.variant, Variant::Large(_)) || run.round == self.size.rounds;
        let verified = is_due.then(|| ledger.verify()).transpose().with_context(what)?;
        let stored = before.gain.events + gain.events;
        let verified = verified.map(|verified| (stored, verified.took.as_secs_f64()));
        let grown = ledger.bytes().await?.saturating_sub(bytes);
        let events = run.part.gain.events;
        let bytes_per_event = (gain.events > 0).then(|| figure(grown) / figure(events));
        let (round, variant) = (run.round, run.variant);
        self.take(Sample { round, variant, seen, events, used, ready_s, bytes_per_event, verified });
        Ok(seen)
    }

    /// Further settings of the daemons of this build.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Starts daemons on a ledger, sends the events of a run, and stops them.
    pub async fn serve(
        &self,
        ledger: &Ledger,
        run: &Run<'_>,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<(Seen, Used, f64)> {
        let start = || Server::daemon(ledger.binary(), &ledger.url, settings, self.log.as_deref());
        let servers = (0..run.replicas).map(|_| start()).collect::<anyhow::Result<Vec<_>>>()?;
        self.load(Some(ledger.kind), servers, run.part, run.pace).await
    }

    /// Sends events to servers on a database, if they are on one, and stops them.
    pub async fn load(
        &self,
        kind: Option<Kind>,
        servers: Vec<Server>,
        part: &Part<'_>,
        pace: Pace,
    ) -> anyhow::Result<(Seen, Used, f64)> {
        let ports: Vec<u16> = servers.iter().map(|server| server.port).collect();
        let watch = if kind == Some(Kind::Postgres) { Some(Watch::start().await?) } else { None };
        let seen = wrk::send(&ports, part, pace, &self.directory)?;
        let (mut used, mut ready_s) = (Used::default(), 0.0_f64);
        for server in &servers {
            let of_one = server.used()?;
            used.cpu_s += of_one.cpu_s;
            used.peak_mb = used.peak_mb.max(of_one.peak_mb);
            used.parts.extend(&of_one.parts);
            used.written_bytes += of_one.written_bytes;
            ready_s = ready_s.max(server.ready_s);
        }
        if let Some(watch) = watch {
            let (of_server, log_bytes) = watch.end().await?;
            used.parts.extend(&of_server);
            used.written_bytes = log_bytes;
        }
        used.parts.add("wrk", seen.cpu_s);
        servers.into_iter().try_for_each(Server::stop)?;
        Ok((seen, used, ready_s))
    }

    /// Keeps what was measured, and says it.
    pub fn take(&mut self, sample: Sample) {
        let Sample { round, variant, seen, .. } = sample;
        let verify = sample.verified.map_or(0.0, |(_, seconds)| seconds);
        eprintln!(
            "round {round}: {:<28} {:>7.0}/s  p50 {:>6.1} ms  p99 {:>6.1} ms  late {:>4.1} ms  verify {verify:.1} s",
            format!("{variant:?}"),
            seen.rate,
            seen.p50_ms,
            seen.p99_ms,
            seen.late_ms,
        );
        self.samples.push(sample);
    }
}

/// A count as a figure to divide.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub const fn figure(count: u64) -> f64 {
    count as f64
}
