//! What is asked for, and what was measured: the table of speeds in the promises.

use crate::ledger::Kind;
use crate::plan::{Bench, Commit, Section, Variant};
use crate::report::thousands;
use crate::sales::SMALL_LEDGER;
use crate::statistics::{median, most, rate, ratio, share};

/// A figure with its target.
#[derive(Debug)]
pub struct Target {
    pub what: String,
    pub asked: String,
    pub measured: String,
    /// The rate that a share or a ratio is one of.
    pub rate: String,
    pub met: bool,
}

/// The targets of a part of the report, as far as they were measured.
pub fn targets(bench: &Bench, section: Section) -> Vec<Target> {
    match section {
        Section::Sales => Kind::ALL
            .into_iter()
            .flat_map(|kind| of_kind(bench, kind))
            .chain([at_most("resident at most, any run".to_owned(), 100.0, "MB", peak(bench))])
            .flatten()
            .collect(),
        Section::Replicas => of_replicas(bench).into_iter().flatten().collect(),
        Section::Reads => Kind::ALL.into_iter().flat_map(|kind| of_reads(bench, kind)).flatten().collect(),
        Section::Memory => Kind::ALL.into_iter().filter_map(|kind| of_memory(bench, kind)).collect(),
        Section::Against | Section::Pages => Vec::new(),
    }
}

fn of_kind(bench: &Bench, kind: Kind) -> Vec<Option<Target>> {
    let (of_ceiling, of_naive, p99_ms) = match kind {
        Kind::Sqlite => (0.45, 4.0, 12.0),
        Kind::Postgres => (0.30, 2.5, 15.0),
    };
    let (name, durable, half) = (kind.name(), Variant::Durable(kind), Variant::Half(kind));
    let (small, large) = (Variant::Small(kind), Variant::Large(kind));
    let of = |variant| rate(bench, variant);
    let naive = ratio(bench, durable, Variant::OneByOne(kind));
    let peaks = [large, small].map(|variant| most(bench, variant, |sample| sample.used.peak_mb));
    let more_mb = peaks[0].zip(peaks[1]).map(|(large, small)| large - small);
    let bytes = median(bench, durable, |sample| sample.bytes_per_event);
    vec![
        at_least(
            format!("{name}: durable sales, of the ceiling"),
            of_ceiling,
            Unit::Percent,
            share(bench, durable),
        )
        .map(|target| target.beside(of(durable))),
        at_least(format!("{name}: against a transaction each"), of_naive, Unit::Times, naive)
            .map(|target| target.beside(of(Variant::OneByOne(kind)))),
        at_most(
            format!("{name}: disk of a sale, payload included"),
            1.6,
            "KB",
            // Of 1 024 bytes, as files are counted; the bytes themselves stand in the table.
            bytes.map(|bytes| bytes / 1_024.0),
        ),
        at_most(
            format!("{name}: p99 at half of the capacity"),
            p99_ms,
            "ms",
            median(bench, half, |sample| Some(sample.seen.p99_ms)),
        )
        .map(|target| target.beside(of(half))),
        at_least(
            format!("{name}: rate with the large ledger, of the small one's"),
            0.9,
            Unit::Percent,
            ratio(bench, large, small),
        )
        .map(|target| target.beside(of(large))),
        at_most(format!("{name}: memory more with the large ledger (flat)"), 10.0, "MB", more_mb),
        at_most(
            format!("{name}: start to ready on the large ledger"),
            1.0,
            "s",
            most(bench, large, |sample| sample.ready_s),
        ),
    ]
}

fn of_replicas(bench: &Bench) -> Vec<Option<Target>> {
    let of_one = |count| {
        let (one, several) =
            (Variant::Replicas(Commit::Flushed, 1), Variant::Replicas(Commit::Flushed, count));
        at_least(
            format!("replicas: {count}, of the rate of one"),
            0.85,
            Unit::Percent,
            ratio(bench, several, one),
        )
        .map(|target| target.beside(rate(bench, several)))
    };
    let with_standby = |count| {
        let commit = Commit::Standby;
        let variant = Variant::Replicas(commit, count);
        let what = format!("replicas: {count}, {}", commit.in_words());
        at_least(what, 2_000.0, Unit::Events, rate(bench, variant))
    };
    vec![of_one(2), of_one(3), with_standby(1), with_standby(2), with_standby(3)]
}

fn of_reads(bench: &Bench, kind: Kind) -> [Option<Target>; 3] {
    let of = |invoices| bench.reads.iter().filter(move |read| read.kind == kind && read.invoices == invoices);
    let routes = of(bench.size.growth).filter_map(|read| Some((read.p99_ms?, read.what.as_str())));
    let slowest = routes.max_by(|(one, _), (other, _)| one.total_cmp(other));
    let verify = |invoices| of(invoices).find(|read| read.is_verify());
    let verified = |invoices| verify(invoices)?.peak_mb;
    let ratio = verify(bench.size.growth).zip(verify(SMALL_LEDGER));
    let ratio = ratio.and_then(|(large, small)| Some(large.rate? / small.rate?));
    let more_mb = verified(bench.size.growth).zip(verified(SMALL_LEDGER)).map(|(large, small)| large - small);
    let name = kind.name();
    let which = slowest.map_or("none", |(_, what)| what);
    [
        at_most(format!("{name}: slowest read, p99 ({which})"), 20.0, "ms", slowest.map(|(ms, _)| ms)),
        at_least(
            format!("{name}: verify, invoices a second with the large ledger, of the small one's"),
            0.8,
            Unit::Percent,
            ratio,
        ),
        at_most(format!("{name}: memory of verify, more with the large ledger"), 10.0, "MB", more_mb),
    ]
}

fn of_memory(bench: &Bench, kind: Kind) -> Option<Target> {
    let last = bench.resident.iter().rfind(|reading| reading.kind == kind)?;
    let what = format!("{}: resident after {} events", kind.name(), thousands(last.events));
    at_most(what, 60.0, "MB", Some(last.rss_mb))
}

/// The most that a daemon had resident; the ceiling is none.
fn peak(bench: &Bench) -> Option<f64> {
    let daemons = bench.samples.iter().filter(|sample| sample.variant.section() == Section::Sales);
    let daemons = daemons.filter(|sample| sample.variant != Variant::Ceiling);
    daemons.map(|sample| sample.used.peak_mb).reduce(f64::max)
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Percent,
    Times,
    Events,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{:.0} %", value * 100.0),
            Self::Times => format!("{value:.1} ×"),
            Self::Events => format!("{value:.0}/s"),
        }
    }
}

fn at_least(what: String, least: f64, unit: Unit, measured: Option<f64>) -> Option<Target> {
    let measured = measured?;
    let (asked, met) = (format!("≥ {}", unit.show(least)), measured >= least);
    Some(Target { what, asked, measured: unit.show(measured), rate: String::new(), met })
}

fn at_most(what: String, most: f64, unit: &str, measured: Option<f64>) -> Option<Target> {
    let measured = measured?;
    let (asked, met) = (format!("≤ {most} {unit}"), measured <= most);
    Some(Target { what, asked, measured: format!("{measured:.1} {unit}"), rate: String::new(), met })
}

impl Target {
    fn beside(self, rate: Option<f64>) -> Self {
        Self { rate: rate.map_or_else(String::new, |rate| format!("{rate:.0}")), ..self }
    }
}
