//! The tables of the report, one or two for each of its parts.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, TableStyle, presets};

use crate::ledger::Kind;
use crate::pages::Written;
use crate::plan::{Bench, Commit, Sample, Section, Side, Variant, figure};
use crate::reads::Read;
use crate::replicas::COUNTS;
use crate::sales::SMALL_LEDGER;
use crate::statistics::{median, most, ratio, share};
use crate::targets::targets;

/// Heads and rows.
#[derive(Debug)]
struct Rows {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Tables as text for people, or as Markdown.
#[derive(Debug)]
pub struct Report {
    tables: Vec<Rows>,
}

impl Report {
    pub fn new(bench: &Bench, section: Section) -> Self {
        let figures = match section {
            Section::Sales => sales(bench),
            Section::Replicas => replicas(bench),
            Section::Against => against(bench),
            Section::Pages => pages(bench),
            Section::Reads => reads(bench),
            Section::Memory => memory(bench),
        };
        let parts = parts(bench, section);
        let targets = targets(bench, section).into_iter().map(|target| {
            let met = if target.met { "met" } else { "MISSED" };
            vec![target.what, target.asked, target.measured, target.rate, met.to_owned()]
        });
        let targets =
            Rows { heads: heads(&["figure", "target", "measured", "events/s", ""]), rows: targets.collect() };
        Self {
            tables: [figures, parts, targets].into_iter().filter(|table| !table.rows.is_empty()).collect(),
        }
    }

    pub fn text(&self) -> String {
        self.drawn(presets::UTF8_HORIZONTAL_ONLY)
    }

    pub fn markdown(&self) -> String {
        self.drawn(presets::ASCII_MARKDOWN)
    }

    fn drawn(&self, style: TableStyle) -> String {
        self.tables.iter().map(|table| drawn(table, style)).collect::<Vec<_>>().join("\n\n")
    }
}

fn drawn(rows: &Rows, style: TableStyle) -> String {
    let mut table = Table::new();
    table.load_style(style).set_header(rows.heads.iter());
    table.add_rows(&rows.rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// What was measured of a section, each once.
fn variants(bench: &Bench, section: Section) -> Vec<Variant> {
    let mut variants: Vec<Variant> = bench.samples.iter().map(|sample| sample.variant).collect();
    variants.retain(|variant| variant.section() == section);
    variants.sort_unstable();
    variants.dedup();
    variants
}

/// Processor time of an event by part: a column for each part that takes half a microsecond anywhere, the others in one.
fn parts(bench: &Bench, section: Section) -> Rows {
    let variants = variants(bench, section);
    let cpu_us = |variant, part: &str| {
        median(bench, variant, |sample| Some(sample.used.parts.of(part) * 1e6 / figure(sample.events)))
    };
    let mut names: Vec<&str> = bench.samples.iter().flat_map(|sample| sample.used.parts.names()).collect();
    // Those of the daemon, then `PG …`, then `wrk`.
    names.sort_unstable_by_key(|name| (*name == "wrk", name.starts_with("PG "), *name));
    names.dedup();
    let (shown, small): (Vec<&str>, Vec<&str>) = names
        .into_iter()
        .filter(|name| variants.iter().any(|variant| cpu_us(*variant, name).is_some_and(|us| us > 0.0)))
        .partition(|name| variants.iter().any(|variant| cpu_us(*variant, name).is_some_and(|us| us >= 0.5)));
    let rows = variants.iter().map(|variant| {
        // A sum of nothing would be -0.
        let rest = small.iter().filter_map(|name| cpu_us(*variant, name)).fold(0.0, |all, us| all + us);
        let all =
            median(bench, *variant, |sample| Some(sample.used.parts.all() * 1e6 / figure(sample.events)));
        let written =
            median(bench, *variant, |sample| Some(figure(sample.used.written_bytes) / figure(sample.events)));
        let cells = shown.iter().map(|name| show(cpu_us(*variant, name), 0));
        [name(*variant, bench.size.growth)]
            .into_iter()
            .chain(cells)
            .chain([show(Some(rest), 0), show(all, 0), show(written, 0)])
            .collect()
    });
    let heads = ["CPU µs an event by part"].into_iter().chain(shown.iter().copied());
    let heads = heads.chain(["rest", "in all", "written B"]).map(str::to_owned).collect();
    Rows { heads, rows: rows.collect() }
}

fn sales(bench: &Bench) -> Rows {
    let heads = heads(&[
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
    ]);
    Rows {
        heads,
        rows: variants(bench, Section::Sales).into_iter().map(|variant| row(bench, variant)).collect(),
    }
}

fn row(bench: &Bench, variant: Variant) -> Vec<String> {
    let verify_rate = |sample: &Sample| sample.verified.map(|(events, seconds)| figure(events) / seconds);
    vec![
        name(variant, bench.size.growth),
        rate(bench, variant),
        percent(share(bench, variant)),
        of(bench, variant, |sample| sample.seen.p50_ms, 1),
        of(bench, variant, |sample| sample.seen.p99_ms, 1),
        show(most(bench, variant, |sample| sample.used.peak_mb), 0),
        of(bench, variant, cpu_s_of_thousand, 3),
        show(median(bench, variant, |sample| sample.bytes_per_event), 0),
        of(bench, variant, |sample| sample.ready_s, 2),
        show(median(bench, variant, verify_rate), 0),
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
        Variant::Replicas(commit, count) => format!("{count}, {}", commit.in_words()),
        Variant::Against(kind, Side::Other) => format!("{}: the other build", kind.name()),
        Variant::Against(kind, Side::This) => format!("{}: this build", kind.name()),
    }
}

fn replicas(bench: &Bench) -> Rows {
    let variants = Commit::ALL
        .into_iter()
        .flat_map(|commit| COUNTS.into_iter().map(move |count| (commit, count)))
        .filter(|(commit, count)| measured(bench, Variant::Replicas(*commit, *count)));
    let rows = variants.map(|(commit, count)| {
        let variant = Variant::Replicas(commit, count);
        vec![
            name(variant, 0),
            rate(bench, variant),
            percent(ratio(bench, variant, Variant::Replicas(commit, 1))),
            of(bench, variant, |sample| sample.seen.p50_ms, 1),
            of(bench, variant, |sample| sample.seen.p99_ms, 1),
            show(most(bench, variant, |sample| sample.used.peak_mb), 0),
            of(bench, variant, cpu_s_of_thousand, 3),
        ]
    });
    let heads = heads(&[
        "replicas, commits",
        "events/s",
        "of one replica",
        "p50 ms",
        "p99 ms",
        "max RSS MB",
        "CPU s/1000",
    ]);
    Rows { heads, rows: rows.collect() }
}

fn against(bench: &Bench) -> Rows {
    let kinds = Kind::ALL.into_iter().filter(|kind| measured(bench, Variant::Against(*kind, Side::This)));
    let rows = kinds.map(|kind| {
        let (this, other) = (Variant::Against(kind, Side::This), Variant::Against(kind, Side::Other));
        let both = |figure: fn(&Sample) -> f64, digits| {
            [other, this].map(|side| of(bench, side, figure, digits)).join(" → ")
        };
        let ratio = ratio(bench, this, other);
        vec![
            format!("{}: durable sales", kind.name()),
            rate(bench, other),
            rate(bench, this),
            ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2} ×")),
            both(|sample| sample.seen.p50_ms, 1),
            both(|sample| sample.seen.p99_ms, 1),
            both(cpu_s_of_thousand, 3),
            [other, this]
                .map(|side| show(median(bench, side, |sample| sample.bytes_per_event), 0))
                .join(" → "),
        ]
    });
    let heads = heads(&[
        "other build → this build",
        "other events/s",
        "this events/s",
        "ratio",
        "p50 ms",
        "p99 ms",
        "CPU s/1000",
        "bytes/event",
    ]);
    Rows { heads, rows: rows.collect() }
}

fn memory(bench: &Bench) -> Rows {
    let rows = bench.resident.iter().map(|reading| {
        let named = format!("{}: {} events", reading.kind.name(), thousands(reading.events));
        vec![
            named,
            show(Some(reading.rss_mb), 1),
            show(Some(reading.peak_mb), 1),
            show(Some(reading.rate), 0),
        ]
    });
    Rows { heads: heads(&["after", "resident MB", "max MB", "events/s"]), rows: rows.collect() }
}

fn reads(bench: &Bench) -> Rows {
    let (mut rows, mut ledgers) = (Vec::new(), vec![SMALL_LEDGER]);
    ledgers.extend(Some(bench.size.growth).filter(|growth| *growth > 0));
    let of_small = bench.reads.iter().filter(|read| read.invoices == SMALL_LEDGER);
    for small in of_small {
        let is_same = |read: &&Read| read.kind == small.kind && read.what == small.what;
        let on = |invoices| bench.reads.iter().filter(is_same).find(move |read| read.invoices == invoices);
        let of_each: Vec<Option<&Read>> = ledgers.iter().map(|invoices| on(*invoices)).collect();
        let cells = of_each.iter().flat_map(|read| {
            let of = |figure: fn(&Read) -> Option<f64>, digits| show(read.and_then(figure), digits);
            [
                of(|read| Some(read.p50_ms), 1),
                of(|read| read.p99_ms, 1),
                of(|read| read.rate, 0),
                of(|read| read.peak_mb, 0),
            ]
        });
        rows.push([format!("{}: {}", small.kind.name(), small.what)].into_iter().chain(cells).collect());
    }
    let columns = ledgers.iter().flat_map(|invoices| {
        ["p50 ms", "p99 ms", "1/s", "max MB"].map(|head| format!("{}: {head}", thousands(*invoices)))
    });
    Rows { heads: ["read, invoices stored".to_owned()].into_iter().chain(columns).collect(), rows }
}

/// Where nearly nothing goes anywhere is not shown.
const LEAST_PAGES: f64 = 0.05;

fn pages(bench: &Bench) -> Rows {
    let trees: BTreeSet<&str> = bench.written.iter().flat_map(Written::trees).collect();
    let row = |name: &str, pages: &dyn Fn(&Written) -> f64| {
        let of_each: Vec<f64> = bench.written.iter().map(pages).collect();
        let more = match of_each.as_slice() {
            [small, large] if *small > 0.0 => format!("{:.2} ×", large / small),
            _ => "–".to_owned(),
        };
        let cells = of_each.iter().map(|pages| format!("{pages:.1}"));
        (
            of_each.iter().copied().fold(0.0, f64::max),
            [name.to_owned()].into_iter().chain(cells).chain([more]).collect(),
        )
    };
    let mut rows: Vec<(f64, Vec<String>)> =
        trees.into_iter().map(|tree| row(tree, &|written: &Written| written.pages(tree))).collect();
    rows.retain(|(most, _)| *most >= LEAST_PAGES);
    rows.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let all = [row("all trees", &Written::all_pages), row("events a batch", &Written::events_a_batch)];
    let ledgers = bench.written.iter().map(|written| format!("{} invoices", thousands(written.invoices)));
    let heads =
        ["pages a batch by tree".to_owned()].into_iter().chain(ledgers).chain(["large of small".to_owned()]);
    Rows { heads: heads.collect(), rows: all.into_iter().chain(rows).map(|(_, row)| row).collect() }
}

fn heads(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn measured(bench: &Bench, variant: Variant) -> bool {
    bench.samples.iter().any(|sample| sample.variant == variant)
}

fn rate(bench: &Bench, variant: Variant) -> String {
    of(bench, variant, |sample| sample.seen.rate, 0)
}

fn cpu_s_of_thousand(sample: &Sample) -> f64 {
    sample.used.cpu_s * 1_000.0 / figure(sample.events)
}

fn of(bench: &Bench, variant: Variant, figure: fn(&Sample) -> f64, digits: usize) -> String {
    show(median(bench, variant, |sample| Some(figure(sample))), digits)
}

fn percent(share: Option<f64>) -> String {
    show(share.map(|share| share * 100.0), 0) + " %"
}

fn show(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// A number with blanks between groups of three digits.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(" ")
}
