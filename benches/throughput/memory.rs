//! How much memory one daemon has resident while it takes very many events.

use crate::events::{Gain, Mix};
use crate::ledger::Kind;
use crate::plan::{Bench, CLOSED, THREADS, figure};
use crate::process::Server;
use crate::wrk;

/// Readings of a run.
const READINGS: u64 = 12;

/// What was resident after so many events.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    pub kind: Kind,
    pub events: u64,
    pub rss_mb: f64,
    pub peak_mb: f64,
    /// Events a second since the reading before.
    pub rate: f64,
}

impl Bench {
    /// One daemon on a new ledger of each database.
    pub async fn memory(&mut self) -> anyhow::Result<()> {
        for kind in self.kinds.clone() {
            let ledger = self.ledger(&self.binary.clone(), kind).await?;
            let before = ledger.totals().await?;
            let settings = self.settings();
            let server = Server::daemon(ledger.binary(), &ledger.url, &settings, self.log.as_deref())?;
            let mut gain = Gain::default();
            let events = self.size.memory_events / usize::try_from(READINGS)?;
            for seed in 1..=READINGS {
                let stream = self.stream("memory", Mix::Sales, events, THREADS, 300 + seed)?;
                let all = stream.all();
                let seen = wrk::send(&[server.port], &all, CLOSED, &self.directory)?;
                gain.add(all.gain);
                let (rss_mb, peak_mb) = (server.resident_mb()?, server.used()?.peak_mb);
                eprintln!(
                    "{}: {} events, {rss_mb:.1} MB resident, {:.0}/s",
                    kind.name(),
                    gain.events,
                    seen.rate
                );
                let rate = seen.rate;
                self.resident.push(Resident { kind, events: gain.events, rss_mb, peak_mb, rate });
            }
            server.stop()?;
            ledger.check(before, gain).await?;
            let verified = ledger.verify()?;
            let rate = figure(verified.invoices) / verified.took.as_secs_f64();
            eprintln!("{}: verify of {} invoices, {rate:.0}/s", kind.name(), verified.invoices);
            ledger.drop().await?;
        }
        Ok(())
    }
}
