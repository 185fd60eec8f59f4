//! Who may call the API: whoever has the admin token. An extractor is the check; a handler that takes it has it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::problem::Problem;
use super::state::HttpState;

/// The caller has the admin token.
#[derive(Debug)]
pub struct Admin(());

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = request.app_data::<Data<HttpState>>().and_then(|state| state.admin_token.as_ref());
        ready(if token.is_some_and(|token| bears(request, token)) {
            Ok(Self(()))
        } else {
            Err(unauthorized())
        })
    }
}

fn bears(request: &HttpRequest, token: &SecretString) -> bool {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = header.and_then(|header| header.split_once(' '));
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case("bearer")
            && same(given.trim().as_bytes(), token.expose_secret().as_bytes())
    })
}

/// Compares without telling by its time how much fits: both are hashed under a fixed key first.
fn same(given: &[u8], expected: &[u8]) -> bool {
    let digest = |text: &[u8]| {
        let keyed = Hmac::<Sha256>::new(&hmac::digest::Key::<Hmac<Sha256>>::default());
        keyed.chain_update(text).finalize()
    };
    digest(given) == digest(expected)
}

fn unauthorized() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "a valid token is needed: Authorization: Bearer <token>",
    )
}
