//! The ceiling: the daemon's own server, middleware, checks, reading and log lines, with an answer where packing the body,
//! the queue and the database would be.

use actix_web::http::header::HeaderValue;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, Payload, get, post};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context as _;
use futures_util::StreamExt as _;
use referrald::app::policy;
use referrald::clock;
use referrald::handlers::{Policy, parse};
use referrald::http::{close_unread, refuse_control_characters};
use referrald::settings::Settings;
use referrald::stripe::Verifier;
use referrald::telemetry::{self, DaemonRootSpan};
use serde_json::json;
use tracing::Span;
use tracing_actix_web::TracingLogger;

/// The first allocation for a body, as in the daemon.
const USUAL_BODY_BYTES: usize = 8_192;

struct State {
    verifier: Verifier,
    policy: Policy,
    body_timeout: std::time::Duration,
}

/// Serves until SIGTERM.
pub async fn serve() -> anyhow::Result<()> {
    let settings = Settings::load(None)?;
    telemetry::init(&settings.log)?;
    let stripe = &settings.stripe;
    let state = Data::new(State {
        verifier: Verifier::new(&stripe.webhook_secrets, stripe.signature_tolerance_s.into()),
        policy: policy(&settings),
        body_timeout: std::time::Duration::from_millis(settings.http.body_timeout_ms),
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(refuse_control_characters))
            .wrap(from_fn(close_unread))
            .wrap(TracingLogger::<DaemonRootSpan>::new())
            .route("/webhooks/stripe", post().to(receive))
            .route("/readyz", get().to(HttpResponse::Ok))
    });
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let server = server
        .workers(workers)
        .max_connections(settings.http.max_connections)
        .client_request_timeout(std::time::Duration::from_millis(settings.http.header_timeout_ms))
        .shutdown_timeout(1)
        .bind(settings.http.bind)
        .context("binding the port of the ceiling")?;
    server.run().await.context("the ceiling ended")
}

async fn receive(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
) -> actix_web::Result<HttpResponse> {
    let body = tokio::time::timeout(state.body_timeout, collect(payload)).await;
    let body = body.map_err(|_elapsed| actix_web::error::ErrorRequestTimeout("slow"))??;
    let header = request.headers().get("stripe-signature").map(HeaderValue::as_bytes);
    let event = state.verifier.verify(header, body, clock::now());
    let event = event.map_err(actix_web::error::ErrorBadRequest)?;
    let parsed = parse(event.body(), &state.policy);
    if tracing::enabled!(tracing::Level::DEBUG) {
        Span::current().record("event_id", tracing::field::display(&parsed.id));
    }
    let outcome = match &parsed.extraction {
        Ok(_) => "posted",
        Err(outcome) => outcome.as_str(),
    };
    tracing::debug!(target: "referrald::http::webhook", %outcome, "event committed");
    Ok(HttpResponse::Ok().json(json!({ "received": true, "outcome": outcome })))
}

async fn collect(mut payload: Payload) -> actix_web::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
    while let Some(chunk) = payload.next().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(body)
}
