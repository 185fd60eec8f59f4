//! HTTP, thin: check, do, answer. The whole route table stands in [`routes`].

mod api;
mod auth;
mod body;
mod clicks;
mod error;
mod health;
mod idle;
mod plain;
mod unread;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource};
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::task::JoinError;

pub use error::Problem;
pub use idle::{IdleLimits, close_idle};
pub use plain::refuse_control_characters;
pub use unread::close_unread;

use self::clicks::ClickLimit;
use crate::intake::Intake;
use crate::settings::Settings;
use crate::store::Database;
use crate::stripe::Verifier;

/// Every route of the daemon.
pub fn routes(config: &mut ServiceConfig) {
    config
        .app_data(api::query_config())
        .service(resource("/webhooks/stripe", &[Method::POST]).route(web::post().to(webhook::receive)))
        .service(resource("/healthz", &[Method::GET]).route(web::get().to(health::healthz)))
        .service(resource("/readyz", &[Method::GET]).route(web::get().to(health::readyz)))
        .service(
            resource("/v1/referrals", &[Method::GET, Method::POST])
                .route(web::post().to(api::referrals::create))
                .route(web::get().to(api::referrals::list)),
        )
        .service(
            resource("/v1/referrals/{id}", &[Method::GET, Method::PATCH])
                .route(web::get().to(api::referrals::show))
                .route(web::patch().to(api::referrals::update)),
        )
        .service(
            resource("/v1/users/{user_id}/referrer", &[Method::GET])
                .route(web::get().to(api::referrals::of_user)),
        )
        .service(
            resource("/v1/codes", &[Method::GET, Method::POST])
                .route(web::get().to(api::codes::list))
                .route(web::post().to(api::codes::create)),
        )
        .service(
            resource("/v1/codes/{code}", &[Method::GET, Method::PATCH])
                .route(web::get().to(api::codes::show))
                .route(web::patch().to(api::codes::update)),
        )
        .service(
            resource("/v1/codes/{code}/validity", &[Method::GET]).route(web::get().to(api::codes::validity)),
        )
        .service(
            resource("/v1/codes/{code}/clicks", &[Method::POST]).route(web::post().to(api::codes::click)),
        )
        .service(resource("/v1/commissions", &[Method::GET]).route(web::get().to(api::commissions::list)))
        .service(
            resource("/v1/commissions/{invoice_id}", &[Method::GET])
                .route(web::get().to(api::commissions::show)),
        )
        .service(
            resource("/v1/promoters/{id}", &[Method::PATCH]).route(web::patch().to(api::promoters::update)),
        )
        .service(
            resource("/v1/promoters/{id}/balance", &[Method::GET])
                .route(web::get().to(api::promoters::balance)),
        )
        .service(resource("/v1/entries", &[Method::GET]).route(web::get().to(api::entries::list)))
        .default_service(web::to(|| async { Err::<HttpResponse, Problem>(error::no_such_route()) }));
}

/// A resource that answers every method but these with 405.
fn resource(path: &str, allowed: &[Method]) -> Resource {
    let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    web::resource(path).default_service(web::to(move || {
        let problem = error::method_not_allowed(&allowed);
        async { Err::<HttpResponse, Problem>(problem) }
    }))
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
    clicks: ClickLimit,
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
            clicks: ClickLimit::per_minute(settings.api.clicks_per_minute),
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
