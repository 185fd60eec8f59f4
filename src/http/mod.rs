//! HTTP, thin: check, do, answer. The whole route table stands in [`routes`].

mod api;
mod auth;
mod body;
mod error;
mod health;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::task::JoinError;

pub use error::Problem;

use crate::intake::Intake;
use crate::service::Database;
use crate::settings::Settings;
use crate::stripe::Verifier;

/// Every route of the daemon.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/webhooks/stripe")
                .route(web::post().to(webhook::receive))
                .default_service(web::to(webhook::method_not_allowed)),
        )
        .route("/healthz", web::get().to(health::healthz))
        .route("/readyz", web::get().to(health::readyz))
        .service(
            web::scope("/v1")
                .route("/referrals", web::post().to(api::referrals::create))
                .route("/promoters/{id}/balance", web::get().to(api::promoters::balance))
                .route("/entries", web::get().to(api::entries::list)),
        )
        .default_service(web::to(error::no_such_route));
}

/// What handlers share.
#[derive(Debug, Clone)]
pub struct HttpState {
    intake: Intake,
    db: Database,
    verifier: Arc<Verifier>,
    admin_token: Option<SecretString>,
    lookback_s: i64,
    limits: Limits,
    draining: Arc<AtomicBool>,
    runtime: Handle,
}

/// Bounds of a request.
#[derive(Debug, Clone, Copy)]
struct Limits {
    body_bytes: usize,
    body_timeout: Duration,
    retry_after_s: u32,
}

impl HttpState {
    /// What handlers need, from the settings; `runtime` outlives every request.
    pub fn new(settings: &Settings, db: Database, intake: Intake, runtime: Handle) -> Self {
        let stripe = &settings.stripe;
        Self {
            intake,
            db,
            verifier: Arc::new(Verifier::new(&stripe.webhook_secrets, stripe.signature_tolerance_s.into())),
            admin_token: settings.api.admin_token.clone(),
            lookback_s: settings.attribution.lookback_s.into(),
            limits: Limits {
                body_bytes: settings.http.body_limit_bytes,
                body_timeout: Duration::from_millis(settings.http.body_timeout_ms),
                retry_after_s: settings.intake.retry_after_s,
            },
            draining: Arc::new(AtomicBool::new(false)),
            runtime,
        }
    }

    /// The database, to close it in the end.
    pub fn database(&self) -> Database {
        self.db.clone()
    }

    /// From now on `/readyz` says that no new work should come.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Runs database work in a task that no request can cancel: a client that resets its connection makes the server
    /// drop the handler, but never a transaction half-way.
    async fn uncancelled<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        self.runtime.spawn(work).await
    }
}
