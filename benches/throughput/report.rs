//! The table, and beside it what `promises.md` asks for.

use comfy_table::{CellAlignment, Table, TableStyle, presets};

use crate::ledger::Kind;
use crate::plan::{Bench, Sample, Variant, figure};

/// A figure with its target.
#[derive(Debug)]
struct Target {
    what: String,
    asked: String,
    measured: String,
    met: bool,
}

/// Tables as text for people, or as Markdown.
#[derive(Debug)]
pub struct Report {
    figures: (Vec<&'static str>, Vec<Vec<String>>),
    targets: (Vec<&'static str>, Vec<Vec<String>>),
}

impl Report {
    pub fn new(bench: &Bench) -> Self {
        let mut variants: Vec<Variant> = bench.samples.iter().map(|sample| sample.variant).collect();
        variants.sort_unstable();
        variants.dedup();
        let figures = variants.iter().map(|variant| row(bench, *variant)).collect();
        let heads = vec![
            "variant",
            "events/s",
            "of ceiling",
            "p50 ms",
            "p99 ms",
            "max RSS MB",
            "CPU s/1000",
            "bytes/event",
            "ready s",
            "verify/s",
        ];
        let targets = targets(bench).into_iter().map(|target| {
            let met = if target.met { "met" } else { "MISSED" };
            vec![target.what, target.asked, target.measured, met.to_owned()]
        });
        Self {
            figures: (heads, figures),
            targets: (vec!["figure", "target", "measured", ""], targets.collect()),
        }
    }

    pub fn text(&self) -> String {
        [&self.figures, &self.targets].map(|table| drawn(table, presets::UTF8_HORIZONTAL_ONLY)).join("\n\n")
    }

    pub fn markdown(&self) -> String {
        [&self.figures, &self.targets].map(|table| drawn(table, presets::ASCII_MARKDOWN)).join("\n\n")
    }
}

fn drawn((heads, rows): &(Vec<&str>, Vec<Vec<String>>), style: TableStyle) -> String {
    let mut table = Table::new();
    table.load_style(style).set_header(heads.iter());
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn row(bench: &Bench, variant: Variant) -> Vec<String> {
    let of = |figure: fn(&Sample) -> f64| median(bench, variant, |sample| Some(figure(sample)));
    let show = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
    };
    vec![
        name(variant, bench.size.growth),
        show(of(|sample| sample.seen.rate), 0),
        show(share(bench, variant).map(|share| share * 100.0), 0) + " %",
        show(of(|sample| sample.seen.p50_ms), 1),
        show(of(|sample| sample.seen.p99_ms), 1),
        show(most(bench, variant, |sample| sample.used.peak_mb), 0),
        show(of(|sample| sample.used.cpu_s * 1_000.0 / figure(sample.events)), 3),
        show(median(bench, variant, |sample| sample.bytes_per_event), 0),
        show(of(|sample| sample.ready_s), 2),
        show(
            median(bench, variant, |sample| {
                sample.verified.map(|(events, seconds)| figure(events) / seconds)
            }),
            0,
        ),
    ]
}

fn name(variant: Variant, growth: u64) -> String {
    match variant {
        Variant::Ceiling => "ceiling: signed, parsed, no database".to_owned(),
        Variant::Durable(kind) => format!("{}: durable sales", kind.name()),
        Variant::OneByOne(kind) => format!("{}: a transaction each", kind.name()),
        Variant::Duplicates(kind) => format!("{}: duplicates only", kind.name()),
        Variant::Scattered(kind) => format!("{}: sales, ids in no order", kind.name()),
        Variant::Mixed(kind) => format!("{}: sales, links, refunds", kind.name()),
        Variant::Half(kind) => format!("{}: half the capacity offered", kind.name()),
        Variant::Small(kind) => format!("{}: 1 000 invoices stored", kind.name()),
        Variant::Large(kind) => format!("{}: {} invoices stored", kind.name(), thousands(growth)),
    }
}

fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(" ")
}

fn targets(bench: &Bench) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut at_least = |what: String, least: f64, measured: Option<f64>, percent: bool| {
        let shown =
            |value: f64| if percent { format!("{:.0} %", value * 100.0) } else { format!("{value:.1} ×") };
        if let Some(measured) = measured {
            let (asked, met) = (format!("≥ {}", shown(least)), measured >= least);
            targets.push(Target { what, asked, measured: shown(measured), met });
        }
    };
    for (kind, of_ceiling, of_naive) in [(Kind::Sqlite, 0.45, 4.0), (Kind::Postgres, 0.35, 2.5)] {
        let (name, durable) = (kind.name(), Variant::Durable(kind));
        at_least(format!("{name}: durable sales, of the ceiling"), of_ceiling, share(bench, durable), true);
        let naive = ratio(bench, durable, Variant::OneByOne(kind));
        at_least(format!("{name}: against a transaction each"), of_naive, naive, false);
        let growth = ratio(bench, Variant::Large(kind), Variant::Small(kind));
        at_least(format!("{name}: rate with the large ledger, of the small one's"), 0.9, growth, true);
    }
    let mut at_most = |what: String, most: f64, unit: &str, measured: Option<f64>| {
        if let Some(measured) = measured {
            let (asked, met) = (format!("≤ {most} {unit}"), measured <= most);
            targets.push(Target { what, asked, measured: format!("{measured:.1} {unit}"), met });
        }
    };
    for kind in Kind::ALL {
        let (name, half) = (kind.name(), Variant::Half(kind));
        let p99 = median(bench, half, |sample| Some(sample.seen.p99_ms));
        at_most(format!("{name}: p99 at half of the capacity"), 50.0, "ms", p99);
        let large = Variant::Large(kind);
        let ready = most(bench, large, |sample| sample.ready_s);
        at_most(format!("{name}: start to ready on the large ledger"), 1.0, "s", ready);
        let (small, grown) = (Variant::Small(kind), most(bench, large, |sample| sample.used.peak_mb));
        let small = most(bench, small, |sample| sample.used.peak_mb);
        let more = grown.zip(small).map(|(grown, small)| grown - small);
        at_most(format!("{name}: memory more with the large ledger (flat)"), 10.0, "MB", more);
    }
    let daemons = bench.samples.iter().filter(|sample| sample.variant != Variant::Ceiling);
    let peak = daemons.map(|sample| sample.used.peak_mb).reduce(f64::max);
    at_most("resident at most, any run".to_owned(), 100.0, "MB", peak);
    targets
}

/// The median over rounds of the share of the ceiling of the same round. Growth has no ceiling of its own.
fn share(bench: &Bench, variant: Variant) -> Option<f64> {
    if matches!(variant, Variant::Small(_) | Variant::Large(_) | Variant::Half(_)) {
        let ceiling = median(bench, Variant::Ceiling, |sample| Some(sample.seen.rate))?;
        return Some(median(bench, variant, |sample| Some(sample.seen.rate))? / ceiling);
    }
    ratio(bench, variant, Variant::Ceiling)
}

/// The median over rounds of the ratio of two rates of the same round.
fn ratio(bench: &Bench, of: Variant, to: Variant) -> Option<f64> {
    median(bench, of, |sample| {
        let same = |other: &&Sample| other.variant == to && other.round == sample.round;
        Some(sample.seen.rate / bench.samples.iter().find(same)?.seen.rate)
    })
}

fn median(bench: &Bench, variant: Variant, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let samples = bench.samples.iter().filter(|sample| sample.variant == variant);
    let mut figures: Vec<f64> = samples.filter_map(figure).collect();
    figures.sort_unstable_by(f64::total_cmp);
    let upper = figures.get(figures.len() / 2)?;
    if figures.len() % 2 == 1 {
        return Some(*upper);
    }
    Some(f64::midpoint(*figures.get(figures.len() / 2 - 1)?, *upper))
}

fn most(bench: &Bench, variant: Variant, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
    let samples = bench.samples.iter().filter(|sample| sample.variant == variant);
    samples.map(figure).reduce(f64::max)
}
