//! The runs of one daemon on each database: against the ceiling, in ways of its own, and with a large ledger.

use anyhow::Context;

use crate::events::{CODES, Mix, Part};
use crate::ledger::Kind;
use crate::plan::{Bench, CLOSED, Run, Sample, THREADS, Variant};
use crate::process::Server;
use crate::wrk::Pace;

/// Connections that a schedule may use at once: enough that it need not wait for a free one.
const OPEN_CONNECTIONS: usize = 256;
/// One transaction a request, as in a server without a queue; and nobody is refused while that is measured, however long
/// it takes.
const ONE_BY_ONE: [(&str, &str); 2] =
    [("REFERRALD_INTAKE__BATCH_EVENTS", "1"), ("REFERRALD_INTAKE__ANSWER_WITHIN_MS", "60000")];
/// Invoices of the small ledger.
pub const SMALL_LEDGER: u64 = 1_000;

impl Bench {
    /// All rounds; then the large ledger against a small one.
    pub async fn sales(&mut self) -> anyhow::Result<()> {
        let events = self.size.events;
        let sales = self.stream("sales", Mix::Sales, events, THREADS, 1)?;
        let mixed = self.stream("mixed", Mix::All, events, THREADS, 2)?;
        let scattered = self.stream("scattered", Mix::Scattered, events, THREADS, 3)?;
        for round in 1..=self.size.rounds {
            self.ceiling(round, &sales.all()).await?;
            for kind in self.kinds.clone() {
                let ledger = self.ledger(&self.binary.clone(), kind).await?;
                let all = sales.all();
                let capacity =
                    self.durable(&ledger, &Run::closed(round, Variant::Durable(kind), &all)).await?;
                if !self.sales_only {
                    // The same events once more change nothing.
                    self.durable(&ledger, &Run::closed(round, Variant::Duplicates(kind), &all)).await?;
                }
                ledger.drop().await?;
                if self.sales_only {
                    continue;
                }
                self.on_new(kind, Run::closed(round, Variant::Mixed(kind), &mixed.all())).await?;
                self.on_new(kind, Run::closed(round, Variant::Scattered(kind), &scattered.all())).await?;
                let few = sales.first(self.size.naive_events);
                let naive = Run::closed(round, Variant::OneByOne(kind), &few);
                self.on_new(kind, Run { environment: &ONE_BY_ONE, ..naive }).await?;
                let rate = capacity.rate / 2.0;
                let part = sales.first(whole(rate * self.size.half_s));
                let pace = Pace { connections: OPEN_CONNECTIONS, rate: Some(rate) };
                self.on_new(kind, Run { pace, ..Run::closed(round, Variant::Half(kind), &part) }).await?;
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

    async fn ceiling(&mut self, round: usize, part: &Part<'_>) -> anyhow::Result<()> {
        let server = Server::ceiling(self.log.as_deref())?;
        let (seen, used, ready_s) = self.load(None, vec![server], part, CLOSED).await?;
        let events = part.gain.events;
        let (variant, bytes_per_event, verified) = (Variant::Ceiling, None, None);
        self.take(Sample { round, variant, seen, events, used, ready_s, bytes_per_event, verified });
        Ok(())
    }

    async fn on_new(&mut self, kind: Kind, run: Run<'_>) -> anyhow::Result<()> {
        let ledger = self.ledger(&self.binary.clone(), kind).await?;
        self.durable(&ledger, &run).await?;
        ledger.drop().await
    }

    /// The rate with a large ledger against that with a small one, in turn.
    async fn growth(&mut self, kind: Kind) -> anyhow::Result<()> {
        eprintln!("{}: storing {} invoices", kind.name(), self.size.growth);
        let binary = self.binary.clone();
        let large = self.ledger(&binary, kind).await?;
        large.preload(self.size.growth, CODES).await?;
        for round in 1..=self.size.rounds {
            let seed = 100 + u64::try_from(round)?;
            let stream = self.stream("growth", Mix::Sales, self.size.events / 2, THREADS, seed)?;
            let small = self.ledger(&binary, kind).await?;
            small.preload(SMALL_LEDGER, CODES).await?;
            let mut turns = [(Variant::Small(kind), &small), (Variant::Large(kind), &large)];
            if round % 2 == 0 {
                turns.reverse();
            }
            for (variant, ledger) in turns {
                self.durable(ledger, &Run::closed(round, variant, &stream.all())).await?;
            }
            small.drop().await?;
        }
        large.drop().await
    }
}

#[allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of events, which is neither negative nor large"
)]
const fn whole(figure: f64) -> usize {
    figure as usize
}
