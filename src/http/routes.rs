//! Every route of the daemon, on one screen.

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route};

use super::api::{codes, commissions, entries, events, page, promoters, referrals};
use super::problem::{Problem, method_not_allowed, no_such_route};
use super::{health, webhook};

/// Every route of the daemon.
pub fn routes(config: &mut ServiceConfig) {
    config
        .app_data(page::query_config())
        // Each path by itself: several of one resource are matched by regular expressions, and most requests are these.
        .service(at("/webhooks/stripe").post(webhook::receive))
        .service(at("/webhooks/stripe/").post(webhook::receive))
        .service(at("/healthz").get(health::healthz))
        .service(at("/readyz").get(health::readyz))
        .service(at("/v1/referrals").get(referrals::list).post(referrals::create))
        .service(at("/v1/referrals/{id}").get(referrals::show).patch(referrals::update))
        .service(at("/v1/users/{user_id}/referrer").get(referrals::of_user))
        .service(at("/v1/codes").get(codes::list).post(codes::create))
        .service(at("/v1/codes/{code}").get(codes::show).patch(codes::update))
        .service(at("/v1/codes/{code}/validity").get(codes::validity))
        .service(at("/v1/codes/{code}/clicks").post(codes::click))
        .service(at("/v1/commissions").get(commissions::list))
        .service(at("/v1/commissions/{invoice_id}").get(commissions::show))
        .service(at("/v1/promoters/{id}").patch(promoters::update))
        .service(at("/v1/promoters/{id}/balance").get(promoters::balance))
        .service(at("/v1/entries").get(entries::list))
        .service(at("/v1/events").get(events::list))
        .service(at("/v1/events/{id}").get(events::show))
        .default_service(web::to(|| async { Err::<HttpResponse, Problem>(no_such_route()) }));
}

/// A resource that answers 405 to every method that it was not given.
fn at(path: &'static str) -> Methods {
    Methods { resource: web::resource(path), allowed: Vec::new() }
}

struct Methods {
    resource: Resource,
    /// For the header `Allow` of a 405.
    allowed: Vec<&'static str>,
}

impl Methods {
    /// Answers GET; and HEAD, which uptime probes use, by the same answer without its body.
    fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let with_get = self.method("GET", web::get().to(handler.clone()));
        with_get.method("HEAD", web::head().to(handler))
    }

    fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method("POST", web::post().to(handler))
    }

    fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method("PATCH", web::patch().to(handler))
    }

    fn method(mut self, name: &'static str, route: Route) -> Self {
        self.allowed.push(name);
        Self { resource: self.resource.route(route), ..self }
    }
}

impl HttpServiceFactory for Methods {
    fn register(self, config: &mut AppService) {
        let allowed = self.allowed.join(", ");
        let refuse = move || {
            let problem = method_not_allowed(&allowed);
            async { Err::<HttpResponse, Problem>(problem) }
        };
        self.resource.default_service(web::to(refuse)).register(config);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::header::ALLOW;
    use actix_web::http::{Method, StatusCode};
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::routes;

    #[actix_web::test]
    async fn head_is_answered_where_get_is_and_a_405_names_what_is() {
        let app = init_service(App::new().configure(routes)).await;
        for (method, path, status, allowed) in [
            (Method::GET, "/healthz", StatusCode::OK, None),
            (Method::HEAD, "/healthz", StatusCode::OK, None),
            (Method::POST, "/healthz", StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD")),
            (Method::DELETE, "/v1/codes/A", StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD, PATCH")),
            (Method::GET, "/webhooks/stripe", StatusCode::METHOD_NOT_ALLOWED, Some("POST")),
            (Method::GET, "/webhooks/stripe/", StatusCode::METHOD_NOT_ALLOWED, Some("POST")),
            (Method::GET, "/healthz/", StatusCode::NOT_FOUND, None),
        ] {
            let request = TestRequest::with_uri(path).method(method.clone()).to_request();
            let answer = call_service(&app, request).await;
            let allow = answer.headers().get(ALLOW).map(|value| value.to_str().unwrap());
            assert_eq!((answer.status(), allow), (status, allowed), "{method} {path}");
        }
    }
}
