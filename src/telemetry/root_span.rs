//! The span around each HTTP request.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::{Error, HttpMessage};
use tracing::{Level, Span, field};
use tracing_actix_web::{RequestId, RootSpanBuilder};

/// The span of one HTTP request. It holds what tells requests apart and nothing that a client wrote freely: the route is
/// the pattern and not the path, an odd method is `other`.
///
/// A handler records `event_id` once the signature is checked: `Span::current().record("event_id", id)`.
#[derive(Debug)]
pub struct DaemonRootSpan;

/// When the request came, kept in its extensions.
#[derive(Clone, Copy)]
struct Arrived(Instant);

impl RootSpanBuilder for DaemonRootSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        request.extensions_mut().insert(Arrived(Instant::now()));
        let request_id = request.extensions().get::<RequestId>().copied();
        let route = request.match_pattern();
        tracing::info_span!(
            "request",
            request_id = request_id.map(field::display),
            method = method_name(request.method()),
            route = route.as_deref().unwrap_or("unmatched"),
            status = field::Empty,
            event_id = field::Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let (status, arrived) = match outcome {
            Ok(response) => (response.status(), response.request().extensions().get::<Arrived>().copied()),
            Err(error) => (error.as_response_error().status_code(), None),
        };
        if !tracing::enabled!(Level::DEBUG) {
            return;
        }
        span.record("status", status.as_u16());
        let duration_us = arrived.and_then(|Arrived(at)| u64::try_from(at.elapsed().as_micros()).ok());
        tracing::debug!(parent: &span, status = status.as_u16(), duration_us, "request answered");
    }
}

fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, web};
    use tracing::subscriber::DefaultGuard;
    use tracing_actix_web::TracingLogger;

    use super::*;
    use crate::telemetry::tests::{Lines, settings};
    use crate::telemetry::{filter, json};

    fn capture() -> (Lines, DefaultGuard) {
        let lines = Lines::default();
        let writer = lines.clone();
        let filter = filter(&settings("debug"), None).unwrap();
        let guard = tracing::subscriber::set_default(json(filter, move || writer.clone()));
        (lines, guard)
    }

    async fn answer() -> HttpResponse {
        Span::current().record("event_id", "evt_1");
        tracing::info!(amount_minor = 5, "a handler spoke");
        HttpResponse::Accepted().finish()
    }

    #[actix_web::test]
    async fn a_request_line_carries_the_span_fields_and_nothing_the_client_wrote() {
        let (lines, _guard) = capture();
        let app = App::new()
            .wrap(TracingLogger::<DaemonRootSpan>::new())
            .route("/things/{id}", web::post().to(answer));
        let app = init_service(app).await;
        let request = TestRequest::post()
            .uri("/things/canary-path?q=canary-query")
            .peer_addr("203.0.113.77:9".parse().unwrap())
            .insert_header(("user-agent", "canary-agent"))
            .insert_header(("stripe-signature", "canary-header"))
            .set_payload("canary-body");
        call_service(&app, request.to_request()).await;

        let text = lines.text();
        assert!(!text.contains("canary") && !text.contains("203.0.113.77"), "{text}");
        let spoke = text.lines().find(|line| line.contains("a handler spoke")).unwrap();
        let spoke: serde_json::Value = serde_json::from_str(spoke).unwrap();
        assert_eq!(spoke["amount_minor"], 5);
        assert!(spoke["timestamp"].as_str().unwrap().ends_with('Z'));
        let span = &spoke["spans"][0];
        assert_eq!(span["name"], "request");
        assert_eq!(span["method"], "POST");
        assert_eq!(span["route"], "/things/{id}");
        assert_eq!(span["event_id"], "evt_1");
        assert_eq!(span["request_id"].as_str().unwrap().len(), 36);
        let answered = text.lines().find(|line| line.contains("request answered")).unwrap();
        let answered: serde_json::Value = serde_json::from_str(answered).unwrap();
        assert_eq!((&answered["status"], &answered["spans"][0]["status"]), (&202.into(), &202.into()));
        assert!(answered["duration_us"].is_u64());
    }

    #[actix_web::test]
    async fn an_unknown_path_and_an_odd_method_are_named_by_fixed_words() {
        let (lines, _guard) = capture();
        let app = init_service(App::new().wrap(TracingLogger::<DaemonRootSpan>::new())).await;
        let odd = Method::from_bytes(b"CANARY").unwrap();
        call_service(&app, TestRequest::with_uri("/canary").method(odd).to_request()).await;
        let text = lines.text();
        assert!(text.contains(r#""route":"unmatched""#) && text.contains(r#""method":"other""#));
        assert!(text.contains(r#""status":404"#) && !text.to_lowercase().contains("canary"));
    }
}
