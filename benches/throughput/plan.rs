//! The runs: every variant in every round, so that what else the machine does meets them all.

use std::path::PathBuf;

use anyhow::Context;
use referrald::clock;

use crate::events::{Gain, Mix, Part, Stream};
use crate::ledger::{Kind, Ledger};
use crate::preload::preload;
use crate::process::{Server, Used};
use crate::wrk::{self, Pace, Seen};

/// Connections that ask for the next event once their answer is there.
const CLOSED: Pace = Pace { connections: 64, rate: None };
/// Connections that a schedule may use at once: enough that it need not wait for a free one.
const OPEN_CONNECTIONS: usize = 256;
/// Nobody is refused while one transaction a request is measured, however long it takes.
const PATIENT: (&str, &str) = ("REFERRALD_INTAKE__ANSWER_WITHIN_MS", "60000");
const SMALL_LEDGER: u64 = 1_000;

/// How much is run.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub rounds: usize,
    /// Events of one run.
    pub events: usize,
    /// Events of one run with a transaction for each.
    pub naive_events: usize,
    /// Seconds at half of the capacity.
    pub half_s: f64,
    /// Invoices of the large ledger; 0 skips it.
    pub growth: u64,
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
}

/// One run.
#[derive(Debug, Clone, Copy)]
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

/// The bench at work.
#[derive(Debug)]
pub struct Bench {
    pub directory: PathBuf,
    pub log: Option<PathBuf>,
    pub size: Size,
    pub kinds: Vec<Kind>,
    /// Only the ceiling and durable sales.
    pub sales_only: bool,
    /// Further settings of the daemons.
    pub settings: Vec<(String, String)>,
    pub samples: Vec<Sample>,
    pub mean_body_bytes: usize,
}

impl Bench {
    /// Every round of every variant.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        let sales = self.stream("sales", Mix::Sales, self.size.events, 1)?;
        let mixed = self.stream("mixed", Mix::All, self.size.events, 2)?;
        let scattered = self.stream("scattered", Mix::Scattered, self.size.events, 3)?;
        self.mean_body_bytes = sales.mean_body_bytes;
        eprintln!("{} sales of {} bytes, {} mixed events", sales.len(), sales.mean_body_bytes, mixed.len());
        for round in 1..=self.size.rounds {
            self.ceiling(round, &sales.all())?;
            for kind in self.kinds.clone() {
                let ledger = Ledger::new(kind, &self.directory).await?;
                let capacity =
                    self.durable(round, Variant::Durable(kind), &ledger, &sales.all(), CLOSED, &[]).await?;
                if self.sales_only {
                    ledger.drop().await?;
                    continue;
                }
                self.duplicates(round, &ledger, &sales.all()).await?;
                ledger.drop().await?;
                self.on_new(round, Variant::Mixed(kind), &mixed.all(), CLOSED, &[]).await?;
                self.on_new(round, Variant::Scattered(kind), &scattered.all(), CLOSED, &[]).await?;
                let few = sales.first(self.size.naive_events);
                self.on_new(round, Variant::OneByOne(kind), &few, CLOSED, one_by_one(kind)).await?;
                let rate = capacity.seen.rate / 2.0;
                let part = sales.first(whole(rate * self.size.half_s));
                let pace = Pace { connections: OPEN_CONNECTIONS, rate: Some(rate) };
                self.on_new(round, Variant::Half(kind), &part, pace, &[]).await?;
            }
        }
        drop((sales, mixed, scattered));
        if self.size.growth > 0 && !self.sales_only {
            for kind in self.kinds.clone() {
                self.growth(kind).await.with_context(|| format!("growth on {}", kind.name()))?;
            }
        }
        Ok(())
    }

    fn stream(&self, name: &str, mix: Mix, events: usize, seed: u64) -> anyhow::Result<Stream> {
        Stream::write(self.directory.join(name), mix, events, seed, clock::now())
    }

    fn ceiling(&mut self, round: usize, part: &Part<'_>) -> anyhow::Result<()> {
        let server = Server::ceiling(self.log.as_deref())?;
        let (seen, used, ready_s) = self.load(server, part, CLOSED)?;
        let events = part.gain.events;
        let (variant, bytes_per_event, verified) = (Variant::Ceiling, None, None);
        self.take(Sample { round, variant, seen, events, used, ready_s, bytes_per_event, verified });
        Ok(())
    }

    async fn on_new(
        &mut self,
        round: usize,
        variant: Variant,
        part: &Part<'_>,
        pace: Pace,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let (Variant::Durable(kind)
        | Variant::OneByOne(kind)
        | Variant::Scattered(kind)
        | Variant::Duplicates(kind)
        | Variant::Mixed(kind)
        | Variant::Half(kind)
        | Variant::Small(kind)
        | Variant::Large(kind)) = variant
        else {
            return Ok(());
        };
        let ledger = Ledger::new(kind, &self.directory).await?;
        self.durable(round, variant, &ledger, part, pace, environment).await?;
        ledger.drop().await
    }

    /// Sends events to a daemon, and checks what the ledger made of them.
    async fn durable(
        &mut self,
        round: usize,
        variant: Variant,
        ledger: &Ledger,
        part: &Part<'_>,
        pace: Pace,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Sample> {
        let (before, bytes) = (ledger.totals().await?, ledger.bytes().await?);
        let mut settings = environment.to_vec();
        settings.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let server = Server::daemon(&ledger.url, &settings, self.log.as_deref())?;
        let loaded = self.load(server, part, pace);
        let (seen, used, ready_s) = loaded.with_context(|| format!("{variant:?}, round {round}"))?;
        let gain = if let Variant::Duplicates(_) = variant { Gain::default() } else { part.gain };
        let stored = before.gain.events + gain.events;
        let checked = ledger.check(before, gain).await;
        checked.with_context(|| format!("{variant:?}, round {round}: a fast wrong answer"))?;
        // The large ledger takes long, so it is looked at in the end.
        let is_due = !matches!(variant, Variant::Large(_)) || round == self.size.rounds;
        let verified = is_due.then(|| ledger.verify()).transpose();
        let verified = verified.with_context(|| format!("{variant:?}, round {round}"))?;
        let grown = ledger.bytes().await?.saturating_sub(bytes);
        let events = part.gain.events;
        let bytes_per_event = (gain.events > 0).then(|| figure(grown) / figure(events));
        let verified = verified.map(|took| (stored, took.as_secs_f64()));
        let sample = Sample { round, variant, seen, events, used, ready_s, bytes_per_event, verified };
        self.take(sample);
        Ok(sample)
    }

    /// The same events once more change nothing.
    async fn duplicates(&mut self, round: usize, ledger: &Ledger, part: &Part<'_>) -> anyhow::Result<()> {
        let variant = Variant::Duplicates(ledger.kind);
        self.durable(round, variant, ledger, part, CLOSED, &[]).await?;
        Ok(())
    }

    /// The rate with a large ledger against that with a small one, in turn.
    async fn growth(&mut self, kind: Kind) -> anyhow::Result<()> {
        eprintln!("{}: storing {} invoices", kind.name(), self.size.growth);
        let body = zstd::bulk::compress(include_bytes!("templates/invoice_paid.json"), 1)?;
        let now = clock::now().unix();
        let large = Ledger::new(kind, &self.directory).await?;
        preload(&large, self.size.growth, &body, now).await?;
        // What the preload left to be written must not be written while rates are measured.
        std::process::Command::new("sync").status()?;
        for round in 1..=self.size.rounds {
            let seed = 100 + u64::try_from(round)?;
            let stream = self.stream("growth", Mix::Sales, self.size.events / 2, seed)?;
            let small = Ledger::new(kind, &self.directory).await?;
            preload(&small, SMALL_LEDGER, &body, now).await?;
            let mut turns = [(Variant::Small(kind), &small), (Variant::Large(kind), &large)];
            if round % 2 == 0 {
                turns.reverse();
            }
            for (variant, ledger) in turns {
                self.durable(round, variant, ledger, &stream.all(), CLOSED, &[]).await?;
            }
            small.drop().await?;
        }
        large.drop().await
    }

    fn load(&self, server: Server, part: &Part<'_>, pace: Pace) -> anyhow::Result<(Seen, Used, f64)> {
        let seen = wrk::send(server.port, part, pace, &self.directory)?;
        let (used, ready_s) = (server.used()?, server.ready_s);
        server.stop()?;
        Ok((seen, used, ready_s))
    }

    fn take(&mut self, sample: Sample) {
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

/// One transaction a request, and on PostgreSQL many of them at once, as a server without a queue would.
const fn one_by_one(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Sqlite => &[("REFERRALD_INTAKE__BATCH_EVENTS", "1"), PATIENT],
        Kind::Postgres => &[
            ("REFERRALD_INTAKE__BATCH_EVENTS", "1"),
            ("REFERRALD_INTAKE__WRITERS", "16"),
            ("REFERRALD_DATABASE__MAX_CONNECTIONS", "20"),
            PATIENT,
        ],
    }
}

/// A count as a figure to divide.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub const fn figure(count: u64) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of events, which is neither negative nor large"
)]
const fn whole(figure: f64) -> usize {
    figure as usize
}
