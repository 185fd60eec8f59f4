//! To which trees the pages of SQLite's log go, batch by batch, on a small ledger and on a large one.

use std::collections::BTreeSet;

use anyhow::ensure;

use crate::events::{CODES, Mix};
use crate::ledger::Kind;
use crate::log_pages::{HeldLog, Trees};
use crate::plan::{Bench, Run, THREADS, Variant, figure};
use crate::sales::SMALL_LEDGER;

/// What the batches of one run wrote.
#[derive(Debug)]
pub struct Written {
    /// Invoices of the ledger before.
    pub invoices: u64,
    pub events: u64,
    pub batches: Vec<Trees>,
}

impl Written {
    /// Pages of a tree that a batch writes on average.
    pub fn pages(&self, tree: &str) -> f64 {
        let pages: u64 = self.batches.iter().filter_map(|batch| batch.get(tree)).sum();
        figure(pages) / figure(self.count())
    }

    /// Pages of all trees that a batch writes on average.
    pub fn all_pages(&self) -> f64 {
        let pages: u64 = self.batches.iter().flat_map(Trees::values).sum();
        figure(pages) / figure(self.count())
    }

    pub fn events_a_batch(&self) -> f64 {
        figure(self.events) / figure(self.count())
    }

    fn count(&self) -> u64 {
        u64::try_from(self.batches.len()).unwrap_or(u64::MAX)
    }

    pub fn trees(&self) -> BTreeSet<&str> {
        self.batches.iter().flat_map(Trees::keys).map(String::as_str).collect()
    }
}

impl Bench {
    /// One run on each ledger.
    pub async fn pages(&mut self) -> anyhow::Result<()> {
        ensure!(self.kinds.contains(&Kind::Sqlite), "PostgreSQL has no pages in its log that could be told");
        let binary = self.binary.clone();
        for (seed, invoices) in (200..).zip([SMALL_LEDGER, self.size.growth]) {
            if invoices == 0 {
                continue;
            }
            let stream = self.stream("pages", Mix::Sales, self.size.page_events, THREADS, seed)?;
            let ledger = self.ledger(&binary, Kind::Sqlite).await?;
            ledger.preload(invoices, CODES).await?;
            let (before, all) = (ledger.totals().await?, stream.all());
            let log = HeldLog::start(ledger.file()).await?;
            let run = Run::closed(1, Variant::Durable(Kind::Sqlite), &all);
            let (_, used, _) = self.serve(&ledger, &run, &self.settings()).await?;
            let mut batches = log.transactions().await?;
            // What the jobs write beside the batches is not of the events.
            batches.retain(|trees| trees.contains_key("event"));
            log.release().await?;
            ledger.check(before, all.gain).await?;
            ledger.drop().await?;
            let (events, written) = (all.gain.events, used.written_bytes);
            eprintln!("{invoices} invoices: {events} events in {} batches, {written} bytes", batches.len());
            self.written.push(Written { invoices, events, batches });
        }
        Ok(())
    }
}
