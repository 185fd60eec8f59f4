//! The composition root: settings → database, intake, server, jobs.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App as ActixApp, HttpServer};
use anyhow::Context;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing_actix_web::TracingLogger;

use crate::handlers::Policy;
use crate::http::{HttpState, IdleLimits, close_idle, close_unread, refuse_control_characters, routes};
use crate::intake::Intake;
use crate::jobs::{self, supervisor::Supervisor};
use crate::settings::Settings;
use crate::store::Database;
use crate::telemetry::DaemonRootSpan;

/// The daemon, built but not yet running.
pub struct App {
    server: Server,
    address: SocketAddr,
    state: HttpState,
    db: Database,
    writer: JoinHandle<()>,
    jobs: Supervisor,
    drain_notice: Duration,
    drain_timeout: Duration,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("address", &self.address).finish_non_exhaustive()
    }
}

impl App {
    /// Connects, migrates, binds the port, and starts the writer and the jobs. The settings must have passed
    /// `validate_for_serve`.
    ///
    /// # Errors
    /// When the database cannot be used, or the port cannot be bound.
    pub async fn build(settings: &Settings) -> anyhow::Result<Self> {
        // First the port: a second daemon must not migrate under the first one.
        let listener = TcpListener::bind(settings.http.bind)
            .with_context(|| format!("http.bind: {} cannot be bound", settings.http.bind))?;
        let address = listener.local_addr().context("http.bind: no local address")?;
        let db = connect(settings).await?;
        let (intake, writer) = Intake::start(&db, policy(settings), &settings.intake);
        let state = HttpState::new(settings, db.clone(), intake, Handle::current());
        let server = serve(settings, listener, state.clone())?;
        let jobs = jobs::start(&db, settings, state.tally()).context("setting up the calls to Stripe")?;
        let drain_notice = Duration::from_millis(settings.http.drain_notice_ms);
        let drain_timeout = Duration::from_secs(settings.http.drain_timeout_s);
        Ok(Self { server, address, state, db, writer, jobs, drain_notice, drain_timeout })
    }

    /// Where it listens; the real port when the setting was 0.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves, then answers what is in flight, posts what is queued, and closes the database.
    ///
    /// # Errors
    /// When the server fails, or what is in flight does not end within `http.drain_timeout_s`.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { server, address, state, db, writer, jobs, drain_notice, drain_timeout } = self;
        let handle = server.handle();
        let mut serving = tokio::spawn(server);
        tracing::info!(%address, "listening");
        tokio::select! {
            served = &mut serving => return served.context("the server's task ended")?.context("the server ended"),
            () = stop => {}
        }
        tracing::info!("stopping: answering what is in flight");
        state.drain();
        let tally = Arc::clone(state.tally());
        tokio::time::sleep(drain_notice).await;
        jobs.stop();
        handle.stop(true).await;
        serving.await.context("the server's task ended")?.context("the server ended")?;
        // The last clone of the intake goes with the state: the writer empties the queue and ends.
        drop(state);
        let emptied = tokio::time::timeout(drain_timeout, writer).await;
        emptied.context("the queue was not empty in time")?.context("the writer's task ended")?;
        jobs.drain(drain_timeout).await?;
        db.close().await.context("closing the database")?;
        jobs::summary::tell(&tally);
        tracing::info!("stopped");
        Ok(())
    }
}

/// What decides about events, from the settings.
pub fn policy(settings: &Settings) -> Policy {
    Policy {
        livemode: settings.stripe.livemode,
        account: settings.stripe.account.clone(),
        metadata_keys: settings.attribution.metadata_keys.clone(),
        lookback_s: settings.attribution.lookback_s.into(),
    }
}

async fn connect(settings: &Settings) -> anyhow::Result<Database> {
    let db = Database::connect(&settings.database).await.context("database.url")?;
    if settings.database.migrate_on_start {
        for migration in db.migrate().await.context("applying migrations")? {
            tracing::info!(migration, "migration applied");
        }
    }
    Ok(db)
}

fn serve(settings: &Settings, listener: TcpListener, state: HttpState) -> anyhow::Result<Server> {
    let http = &settings.http;
    let workers = match http.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        workers => workers,
    };
    let state = Data::new(state);
    let server = HttpServer::new(move || {
        ActixApp::new()
            .app_data(state.clone())
            .wrap(from_fn(refuse_control_characters))
            .wrap(from_fn(close_unread))
            .wrap(TracingLogger::<DaemonRootSpan>::new())
            .wrap(from_fn(close_idle))
            .configure(routes)
    });
    let idle = IdleLimits::from(http);
    Ok(server
        .workers(workers)
        .max_connections(http.max_connections)
        .client_request_timeout(idle.fallback())
        .on_connect(move |stream, data| idle.begin(stream, data))
        .keep_alive(Duration::from_secs(http.keep_alive_s))
        .shutdown_timeout(http.drain_timeout_s)
        .disable_signals()
        .listen(listener)?
        .run())
}
