//! The runs of two builds in turn, which may differ in everything but their commands and routes: each has ledgers of its
//! own, set up by its own commands, and is checked by its own commands.

use anyhow::{Context, ensure};

use crate::events::Mix;
use crate::ledger::Kind;
use crate::plan::{Bench, Run, Sample, Side, THREADS, Variant, figure};

impl Bench {
    /// All rounds; who goes first changes with each.
    pub async fn against(&mut self) -> anyhow::Result<()> {
        let sales = self.stream("against", Mix::Sales, self.size.events, THREADS, 1)?;
        let all = sales.all();
        for round in 1..=self.size.rounds {
            for kind in self.kinds.clone() {
                let mut sides = [Side::Other, Side::This];
                if round % 2 == 0 {
                    sides.reverse();
                }
                for side in sides {
                    let run = Run::closed(round, Variant::Against(kind, side), &all);
                    let what = || format!("{:?}, round {round}", run.variant);
                    self.of_one_build(kind, side, &run).await.with_context(what)?;
                }
            }
        }
        Ok(())
    }

    async fn of_one_build(&mut self, kind: Kind, side: Side, run: &Run<'_>) -> anyhow::Result<()> {
        let (binary, settings) = match side {
            Side::Other => (self.other.clone().context("--against names the other build")?, Vec::new()),
            Side::This => (self.binary.clone(), self.settings.clone()),
        };
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let ledger = self.ledger(&binary, kind).await?;
        let bytes = ledger.bytes().await?;
        let (seen, used, ready_s) = self.serve(&ledger, run, &settings).await?;
        let (gain, verified) = (run.part.gain, ledger.verify()?);
        ensure!(
            verified.invoices == gain.events,
            "{} sales were acknowledged, but the ledger has {} invoices",
            gain.events,
            verified.invoices
        );
        let earned_minor = ledger.earned_minor()?;
        ensure!(
            earned_minor == gain.commission_minor,
            "a fast wrong answer: the promoters earned {earned_minor}, but what was sent earns {}",
            gain.commission_minor
        );
        let grown = ledger.bytes().await?.saturating_sub(bytes);
        let (round, variant, events) = (run.round, run.variant, gain.events);
        let bytes_per_event = Some(figure(grown) / figure(events));
        let verified = Some((events, verified.took.as_secs_f64()));
        self.take(Sample { round, variant, seen, events, used, ready_s, bytes_per_event, verified });
        ledger.drop().await
    }
}
