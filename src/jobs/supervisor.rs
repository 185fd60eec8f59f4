//! Running jobs: when a round begins, what is known of the last one, and how all of them end.
//!
//! Each round is a task of its own that nobody cancels, so no transaction is ever cut in half. A stop is noticed between
//! two rounds, and within one where the job asks its [`Stop`].

use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock;
use crate::domain::Timestamp;
use crate::service::backoff::pause_s;
use crate::service::error::ServiceError;
use crate::stripe::ApiError;

/// Failed rounds in a row that still lengthen the pause: five make it up to sixteen times as long.
const BACKOFF_LIMIT: u16 = 5;

/// Work that is done in rounds, for as long as the daemon runs.
pub trait Job: Clone + Send + Sync + 'static {
    /// The name in the log.
    const NAME: &'static str;

    /// Between the start of the daemon and the first round.
    fn first_pause(&self) -> Duration;

    /// Between the end of a round and the beginning of the next; longer after rounds that failed.
    fn interval(&self) -> Duration;

    /// One round. It runs to its end unless it looks at `stop`.
    ///
    /// # Errors
    /// [`RoundError`], logged by the supervisor; the next round comes all the same.
    fn run(self, stop: Stop) -> impl Future<Output = Result<(), RoundError>> + Send;
}

/// Why a round ended before its time.
#[derive(Debug, Error)]
pub enum RoundError {
    /// The ledger or its database did not do its part.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Stripe did not answer; asking on would have failed too.
    #[error("{0}; what is not answered yet waits for the next round")]
    Stripe(#[from] ApiError),
    /// The code of the job is wrong.
    #[error("the round ended in a panic")]
    Panicked,
}

/// The news that the daemon stops.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Pauses; true when the stop came first, or whoever could send it is gone.
    pub async fn comes_within(&mut self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.0.wait_for(|stop| *stop)).await.is_ok()
    }

    /// For a business act that watches for the stop itself.
    pub fn into_receiver(self) -> watch::Receiver<bool> {
        self.0
    }
}

/// What is known of the rounds of a job in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// The name of the job.
    pub job: &'static str,
    /// Rounds that have ended.
    pub rounds: u64,
    /// When the last of them ended.
    pub last_round_at: Option<Timestamp>,
    /// Why the last of them failed; none when it went well.
    pub last_error: Option<String>,
    /// Failed rounds in a row, the last one included.
    pub failures: u16,
}

/// A job that was still in its round when the time for it was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the job {job} did not end in time")]
pub struct NotDrained {
    /// The name of the job.
    pub job: &'static str,
}

/// The running jobs. They end by [`Supervisor::stop`], or when this is dropped.
#[derive(Debug)]
pub struct Supervisor {
    stop: watch::Sender<bool>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    job: &'static str,
    status: watch::Receiver<JobStatus>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Without any job.
    pub fn new() -> Self {
        Self { stop: watch::Sender::new(false), running: Vec::new() }
    }

    /// Starts a job on the current runtime, if there is one.
    pub fn start<J: Job>(&mut self, job: Option<J>) {
        let Some(job) = job else { return };
        let (status, known) = watch::channel(JobStatus::new(J::NAME));
        let task = tokio::spawn(rounds(job, status, Stop(self.stop.subscribe())));
        self.running.push(Running { job: J::NAME, status: known, task });
    }

    /// What is known of each job that was started.
    pub fn statuses(&self) -> Vec<JobStatus> {
        self.running.iter().map(|running| running.status.borrow().clone()).collect()
    }

    /// Asks all jobs to end; [`Supervisor::drain`] waits for them.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stops all jobs and waits until the rounds that have begun are over: a transaction is committed first.
    ///
    /// # Errors
    /// [`NotDrained`] for the first job whose round is not over within `timeout` (for all jobs together).
    pub async fn drain(self, timeout: Duration) -> Result<(), NotDrained> {
        self.stop();
        let deadline = Instant::now().checked_add(timeout);
        for Running { job, status, task } in self.running {
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            match tokio::time::timeout(left, task).await {
                Ok(Ok(())) => tracing::debug!(status = ?*status.borrow(), "a job has ended"),
                Ok(Err(error)) => tracing::error!(job, %error, "a job ended in a panic"),
                Err(_elapsed) => return Err(NotDrained { job }),
            }
        }
        Ok(())
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

/// The rounds of one job, until the stop.
async fn rounds<J: Job>(job: J, status: watch::Sender<JobStatus>, mut stop: Stop) {
    let mut pause = job.first_pause();
    while !stop.comes_within(pause).await {
        let round = tokio::spawn(job.clone().run(stop.clone())).await;
        let ended = round.unwrap_or_else(|error| {
            tracing::error!(job = J::NAME, %error, "a round of a job ended in a panic");
            Err(RoundError::Panicked)
        });
        if let Err(error) = &ended {
            log(J::NAME, error);
        }
        status.send_modify(|status| status.add_round(&ended, clock::now()));
        pause = pause_after(job.interval(), status.borrow().failures);
    }
}

/// The interval, and after failures up to twice as much for each.
fn pause_after(interval: Duration, failures: u16) -> Duration {
    match failures {
        0 => interval,
        failures => {
            Duration::from_secs(pause_s(interval.as_secs(), failures.min(BACKOFF_LIMIT))).max(interval)
        }
    }
}

fn log(job: &'static str, error: &RoundError) {
    match error {
        RoundError::Service(_) => {
            tracing::error!(job, ?error, "a round of a job failed; the next will do its work");
        }
        RoundError::Stripe(_) => tracing::warn!(job, ?error, "{error}"),
        // Logged with its message where the task was waited for.
        RoundError::Panicked => {}
    }
}

impl JobStatus {
    const fn new(job: &'static str) -> Self {
        Self { job, rounds: 0, last_round_at: None, last_error: None, failures: 0 }
    }

    fn add_round(&mut self, ended: &Result<(), RoundError>, now: Timestamp) {
        self.rounds = self.rounds.saturating_add(1);
        self.last_round_at = Some(now);
        self.last_error = ended.as_ref().err().map(ToString::to_string);
        self.failures = match ended {
            Ok(()) => 0,
            Err(_) => self.failures.saturating_add(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(10);

    /// Counts its rounds: the first panics, the second is refused by Stripe, each other takes until the stop.
    #[derive(Clone, Default)]
    struct Faulty {
        begun: Arc<AtomicUsize>,
        ended: Arc<AtomicUsize>,
    }

    impl Job for Faulty {
        const NAME: &'static str = "faulty";

        fn first_pause(&self) -> Duration {
            Duration::ZERO
        }

        fn interval(&self) -> Duration {
            SOON
        }

        async fn run(self, mut stop: Stop) -> Result<(), RoundError> {
            match self.begun.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("the first round"),
                1 => return Err(ApiError::RateLimited.into()),
                _ => assert!(stop.comes_within(LONG).await, "nobody stopped it"),
            }
            self.ended.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_job_goes_on_after_failures_and_a_round_that_has_begun_ends_before_the_drain() {
        let (job, mut jobs) = (Faulty::default(), Supervisor::new());
        jobs.start(Some(job.clone()));
        while job.begun.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(SOON).await;
        }
        let status = jobs.statuses().remove(0);
        assert_eq!((status.job, status.rounds, status.failures), ("faulty", 2, 2));
        assert!(status.last_round_at.is_some());
        assert!(status.last_error.unwrap().contains("waits for the next round"));
        jobs.drain(LONG).await.unwrap();
        assert_eq!(job.begun.load(Ordering::SeqCst), 3);
        assert_eq!(job.ended.load(Ordering::SeqCst), 1);
    }

    /// Does not look at the stop.
    #[derive(Clone, Default)]
    struct Deaf(Arc<AtomicUsize>);

    impl Job for Deaf {
        const NAME: &'static str = "deaf";

        fn first_pause(&self) -> Duration {
            Duration::ZERO
        }

        fn interval(&self) -> Duration {
            LONG
        }

        async fn run(self, _: Stop) -> Result<(), RoundError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(LONG).await;
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_round_that_does_not_end_in_time_is_named() {
        let (job, mut jobs) = (Deaf::default(), Supervisor::new());
        jobs.start(Some(job.clone()));
        while job.0.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(SOON).await;
        }
        assert_eq!(jobs.drain(SOON).await, Err(NotDrained { job: "deaf" }));
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_interval() {
        assert_eq!(pause_after(LONG, 0), LONG);
        for failures in 1..100 {
            assert!((LONG..=LONG * 16).contains(&pause_after(LONG, failures)));
        }
    }
}
