//! What handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::task::JoinError;

use super::clicks::ClickLimit;
use crate::intake::Intake;
use crate::service::tally::Tally;
use crate::settings::Settings;
use crate::store::Database;
use crate::stripe::Verifier;

/// What handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpState {
    /// Takes in signed events.
    pub(super) intake: Intake,
    /// Knows Stripe's signatures.
    pub(super) verifier: Arc<Verifier>,
    /// Who bears it may call the API; without it nobody may.
    pub(super) admin_token: Option<SecretString>,
    /// Seconds before a claim in which an invoice still belongs to its referral.
    pub(super) lookback_s: i64,
    /// Bounds of a request.
    pub(super) limits: Limits,
    /// Counts what became of events.
    pub(super) tally: Arc<Tally>,
    /// How many clicks are still counted.
    pub(super) clicks: ClickLimit,
    db: Database,
    draining: Arc<AtomicBool>,
    runtime: Handle,
}

/// Bounds of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of a body at most.
    pub body_bytes: usize,
    /// In which a whole body must arrive.
    pub body_timeout: Duration,
    /// Seconds after which a sender of events may come again.
    pub retry_after_s: u32,
}

impl HttpState {
    /// What handlers need, from the settings; `runtime` outlives every request.
    pub fn new(settings: &Settings, db: Database, intake: Intake, runtime: Handle) -> Self {
        let stripe = &settings.stripe;
        Self {
            intake,
            verifier: Arc::new(Verifier::new(&stripe.webhook_secrets, stripe.signature_tolerance_s.into())),
            admin_token: settings.api.admin_token.clone(),
            lookback_s: settings.attribution.lookback_s.into(),
            limits: Limits {
                body_bytes: settings.http.body_limit_bytes,
                body_timeout: Duration::from_millis(settings.http.body_timeout_ms),
                retry_after_s: settings.intake.retry_after_s,
            },
            tally: Arc::new(Tally::default()),
            clicks: ClickLimit::per_minute(settings.api.clicks_per_minute),
            db,
            draining: Arc::new(AtomicBool::new(false)),
            runtime,
        }
    }

    /// Where answers to events are counted.
    pub const fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// From now on `/readyz` says that no new work should come.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// True once [`Self::drain`] was called.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Runs database work in a task that no request can cancel: a client that resets its connection makes the server
    /// drop the handler, but never a transaction half-way.
    pub(super) async fn uncancelled<T, F>(&self, work: impl FnOnce(Database) -> F) -> Result<T, JoinError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.runtime.spawn(work(self.db.clone())).await
    }
}
