//! The runs of one, two and three daemons on one PostgreSQL, with the same connections in all: commits that the server
//! flushes by itself, and commits for which it waits for a standby.

use crate::events::Mix;
use crate::ledger::Kind;
use crate::plan::{Bench, Commit, Run, STANDBY_DELAY, Variant};
use crate::standby::{Standby, commit_ms};
use crate::wrk::Pace;

/// Numbers of daemons.
pub const COUNTS: [usize; 3] = [1, 2, 3];
/// As many for each count, so that the generator is the same for all: threads that a count divides take turns at the daemons.
const REPLICA_THREADS: usize = 6;
/// The multiple of the threads that is next to 64.
pub const REPLICA_PACE: Pace = Pace { connections: 66, rate: None };

impl Bench {
    /// All rounds, where PostgreSQL is measured at all.
    pub async fn replicas(&mut self) -> anyhow::Result<()> {
        if !self.kinds.contains(&Kind::Postgres) {
            return Ok(());
        }
        let sales = self.stream("replicas", Mix::Sales, self.size.replica_events, REPLICA_THREADS, 4)?;
        let all = sales.all();
        let binary = self.binary.clone();
        for round in 1..=self.size.rounds {
            for commit in Commit::ALL {
                for count in COUNTS {
                    let ledger = self.ledger(&binary, Kind::Postgres).await?;
                    let standby = match commit {
                        Commit::Flushed => None,
                        Commit::Standby => Some(Standby::start(STANDBY_DELAY).await?),
                    };
                    self.commits_ms.push((commit, commit_ms().await?));
                    let run = Run::closed(round, Variant::Replicas(commit, count), &all);
                    self.durable(&ledger, &Run { pace: REPLICA_PACE, replicas: count, ..run }).await?;
                    if let Some(standby) = standby {
                        standby.stop().await?;
                    }
                    ledger.drop().await?;
                }
            }
        }
        Ok(())
    }
}
