//! How long reading takes while nothing is written, on a small ledger and on a large one: what the API answers by key or by
//! the page, what `explain` tells, and `verify`.

use std::time::{Duration, Instant};

use anyhow::Context;
use sea_orm::{ConnectionTrait, Statement};

use crate::events::code;
use crate::ledger::{Kind, Ledger, promoter};
use crate::plan::{Bench, figure};
use crate::process::Server;
use crate::sales::SMALL_LEDGER;
use crate::statistics::middle;
use crate::wrk;

/// Promoters who share all referrals of the ledgers that are read: of 1 000 000 invoices each has 50 000 entries.
const PROMOTERS: usize = 10;
/// Rows, spread evenly over their table, that are asked for or after which a page begins.
const SPREAD: u64 = 100;
const TOKEN: &str = "token-of-the-benchmark-0123456789";
/// A route that gave fewer answers is asked for longer, within bounds.
const ANSWERS: f64 = 40.0;
const LONGEST_S: u64 = 20;
/// Runs of each command; the median counts.
const COMMAND_RUNS: usize = 5;
const VERIFY: &str = "verify";

/// What one way of reading took on one ledger.
#[derive(Debug, Clone)]
pub struct Read {
    pub kind: Kind,
    /// Invoices of the ledger.
    pub invoices: u64,
    pub what: String,
    pub p50_ms: f64,
    /// None of commands.
    pub p99_ms: Option<f64>,
    /// Answers a second, or invoices that `verify` checks.
    pub rate: Option<f64>,
    /// Of commands.
    pub peak_mb: Option<f64>,
}

impl Read {
    pub fn is_verify(&self) -> bool {
        self.what == VERIFY
    }
}

impl Bench {
    /// Each route on each ledger of each database.
    pub async fn reads(&mut self) -> anyhow::Result<()> {
        for kind in self.kinds.clone() {
            for invoices in [SMALL_LEDGER, self.size.growth] {
                if invoices == 0 {
                    continue;
                }
                let ledger = self.ledger(&self.binary.clone(), kind).await?;
                eprintln!("{}: storing {invoices} invoices", kind.name());
                ledger.preload(invoices, PROMOTERS).await?;
                let named = Named::of(&ledger).await?;
                self.routes(&ledger, invoices, &named)?;
                self.commands(&ledger, invoices, &named)?;
                ledger.drop().await?;
            }
        }
        Ok(())
    }

    fn routes(&mut self, ledger: &Ledger, invoices: u64, named: &Named) -> anyhow::Result<()> {
        let mut settings = self.settings();
        settings.push(("REFERRALD_API__ADMIN_TOKEN", TOKEN));
        let server = Server::daemon(ledger.binary(), &ledger.url, &settings, self.log.as_deref())?;
        for (what, paths) in named.routes() {
            let asked = || format!("{what}, {}", paths.first().map_or("", String::as_str));
            let mut seconds = self.size.read_s;
            let mut seen =
                wrk::read(server.port, &paths, TOKEN, seconds, &self.directory).with_context(asked)?;
            while seen.rate * figure(seconds) < ANSWERS && seconds < LONGEST_S {
                seconds *= 3;
                server.settle()?;
                seen = wrk::read(server.port, &paths, TOKEN, seconds, &self.directory).with_context(asked)?;
            }
            // What was asked for when the time was over is still worked on.
            server.settle()?;
            self.told(Read {
                kind: ledger.kind,
                invoices,
                what: what.to_owned(),
                p50_ms: seen.p50_ms,
                p99_ms: Some(seen.p99_ms),
                rate: Some(seen.rate),
                peak_mb: None,
            });
        }
        server.stop()
    }

    fn commands(&mut self, ledger: &Ledger, invoices: u64, named: &Named) -> anyhow::Result<()> {
        let of = |ids: &[String]| ids.get(ids.len() / 2).cloned().context("an empty ledger");
        let (invoice, customer) = (of(&named.invoices)?, of(&named.customers)?);
        let first = promoter(0);
        let commands: [(&str, &[&str], usize); 4] = [
            ("explain in_…", &["explain", &invoice], COMMAND_RUNS),
            ("explain cus_…", &["explain", &customer], COMMAND_RUNS),
            ("promoter show", &["promoter", "show", &first], COMMAND_RUNS),
            (VERIFY, &["verify"], 1),
        ];
        for (what, arguments, runs) in commands {
            let (mut times, mut peak_mb) = (Vec::new(), 0.0_f64);
            for _ in 0..runs {
                let started = Instant::now();
                peak_mb = peak_mb.max(ledger.binary().peak_mb(&ledger.url, arguments)?);
                times.push(started.elapsed());
            }
            let took = middle(times.iter().map(Duration::as_secs_f64).collect()).context("no run")?;
            self.told(Read {
                kind: ledger.kind,
                invoices,
                what: what.to_owned(),
                p50_ms: took * 1e3,
                p99_ms: None,
                rate: (what == VERIFY).then(|| figure(invoices) / took),
                peak_mb: Some(peak_mb),
            });
        }
        Ok(())
    }

    fn told(&mut self, read: Read) {
        let Read { kind, invoices, what, p50_ms, p99_ms, rate, .. } = &read;
        eprintln!(
            "{} with {invoices}: {what:<42} p50 {p50_ms:>8.2} ms  p99 {:>8.2} ms  {:>7.0}/s",
            kind.name(),
            p99_ms.unwrap_or(0.0),
            rate.unwrap_or(0.0),
        );
        self.reads.push(read);
    }
}

/// What is asked for by name.
struct Named {
    /// Of commissions.
    invoices: Vec<String>,
    referrals: Vec<String>,
    customers: Vec<String>,
    events: Vec<String>,
    /// Numbers of events.
    event_numbers: Vec<String>,
    /// Numbers of entries.
    entries: Vec<String>,
}

impl Named {
    async fn of(ledger: &Ledger) -> anyhow::Result<Self> {
        let customers = spread(ledger, "referral", "id", "customer").await?;
        let customers = customers.iter().filter_map(|name| name.strip_prefix("customer:").map(str::to_owned));
        Ok(Self {
            invoices: spread(ledger, "commission", "invoice_id", "invoice_id").await?,
            referrals: spread(ledger, "referral", "id", "id").await?,
            customers: customers.collect(),
            events: spread(ledger, "event", "id", "id").await?,
            event_numbers: spread(ledger, "event", "number", "CAST(number AS TEXT)").await?,
            entries: spread(ledger, "ledger_entry", "id", "CAST(id AS TEXT)").await?,
        })
    }

    /// The routes that read much, and one of each kind that reads by key.
    fn routes(&self) -> Vec<(&'static str, Vec<String>)> {
        let promoters: Vec<String> = (0..PROMOTERS).map(promoter).collect();
        let codes: Vec<String> = (0..PROMOTERS).map(code).collect();
        let one = |path: &str| vec![path.to_owned()];
        vec![
            ("balance of a promoter", at("/v1/promoters/", &promoters, "/balance")),
            ("entries, first page", one("/v1/entries")),
            ("entries from a cursor on", at("/v1/entries?cursor=", &self.entries, "")),
            ("entries of a promoter", at("/v1/entries?promoter=", &promoters, "")),
            (
                "entries of a promoter from a cursor on",
                at("/v1/entries?promoter=promoter00&cursor=", &self.entries, ""),
            ),
            ("commissions, first page", one("/v1/commissions")),
            ("commissions, 200 of them", one("/v1/commissions?limit=200")),
            ("commissions from a cursor on", at("/v1/commissions?cursor=", &self.invoices, "")),
            ("commissions of a promoter", at("/v1/commissions?promoter=", &promoters, "")),
            (
                "commissions of a promoter from a cursor on",
                at("/v1/commissions?promoter=promoter00&cursor=", &self.invoices, ""),
            ),
            (
                "commissions of a program from a cursor on",
                at("/v1/commissions?program=default&cursor=", &self.invoices, ""),
            ),
            (
                "commissions of promoter and program",
                at("/v1/commissions?program=default&promoter=", &promoters, ""),
            ),
            ("commissions with a status that all have", one("/v1/commissions?status=available")),
            ("commissions with a status that none has", one("/v1/commissions?status=lost")),
            ("one commission", at("/v1/commissions/", &self.invoices, "")),
            ("referrals, first page", one("/v1/referrals")),
            ("referrals from a cursor on", at("/v1/referrals?cursor=", &self.referrals, "")),
            ("referrals of a promoter", at("/v1/referrals?promoter=", &promoters, "")),
            (
                "referrals of a program from a cursor on",
                at("/v1/referrals?program=default&cursor=", &self.referrals, ""),
            ),
            ("referrals that are held", one("/v1/referrals?status=held")),
            ("referrals with a status that none has", one("/v1/referrals?status=refund")),
            ("the referral of a customer", at("/v1/referrals?customer=", &self.customers, "")),
            ("one referral", at("/v1/referrals/", &self.referrals, "")),
            ("codes of a promoter", at("/v1/codes?promoter=", &promoters, "")),
            ("one code, valid or not", at("/v1/codes/", &codes, "/validity")),
            ("events, first page", one("/v1/events")),
            ("events from a cursor on", at("/v1/events?cursor=", &self.event_numbers, "")),
            ("events that are parked", one("/v1/events?outcome=parked")),
            ("events of a type that none has", one("/v1/events?type=charge.refunded")),
            ("one event", at("/v1/events/", &self.events, "")),
        ]
    }
}

/// A path for each name.
fn at(before: &str, names: &[String], behind: &str) -> Vec<String> {
    names.iter().map(|name| format!("{before}{name}{behind}")).collect()
}

/// An expression over some rows of a table, evenly spread in an order.
async fn spread(ledger: &Ledger, table: &str, order: &str, of: &str) -> anyhow::Result<Vec<String>> {
    let db = ledger.connect().await?;
    let sql = format!(
        "SELECT value FROM (SELECT {of} AS value, ROW_NUMBER() OVER (ORDER BY {order}) AS row_number, \
         COUNT(*) OVER () AS row_count FROM {table}) AS numbered \
         WHERE row_number % (row_count / {SPREAD} + 1) = 0 ORDER BY row_number"
    );
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let values = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    db.close().await?;
    Ok(values)
}
