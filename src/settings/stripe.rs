//! What `[stripe]` must fulfil: the right kind of key, of the right mode, for the right host.

use std::net::IpAddr;

use reqwest::Url;
use secrecy::ExposeSecret;

use super::checks::{DAY_S, HOUR_MS, is_short, parse_url, refuse, within};
use super::{SettingsError, StripeSettings};

impl StripeSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        within("stripe.signature_tolerance_s", self.signature_tolerance_s, 1, DAY_S)?;
        within("stripe.api_timeout_ms", self.api_timeout_ms, 1, HOUR_MS)?;
        if self.account.as_ref().is_some_and(|id| !id.starts_with("acct_")) {
            return refuse("stripe.account", "not an account id, which starts with acct_");
        }
        let base = parse_url("stripe.api_base", &self.api_base)?;
        match base.scheme() {
            "https" => Ok(()),
            "http" if is_loopback(&base) => Ok(()),
            "http" => refuse("stripe.api_base", "plain http is for loopback hosts only; use https"),
            _ => refuse("stripe.api_base", "must start with https:// (or http:// on a loopback host)"),
        }
    }

    pub(super) fn validate_webhook_secrets(&self) -> Result<(), SettingsError> {
        let total = self.webhook_secrets.len();
        if total == 0 {
            return refuse("stripe.webhook_secrets", "no webhook secret; set STRIPE_WEBHOOK_SECRET");
        }
        match (1_usize..).zip(&self.webhook_secrets).find(|(_, secret)| is_short(secret)) {
            Some((position, _)) => refuse(
                "stripe.webhook_secrets",
                &format!("secret {position} of {total} is shorter than 16 characters"),
            ),
            None => Ok(()),
        }
    }

    /// That the API key, if there is one, is a secret key and of the mode that `stripe.livemode` says. For every command
    /// that calls Stripe; part of [`super::Settings::validate_for_serve`].
    ///
    /// # Errors
    /// `stripe.secret_key`, never with its text.
    pub fn validate_secret_key(&self) -> Result<(), SettingsError> {
        let Some(key) = self.secret_key.as_ref().map(ExposeSecret::expose_secret) else {
            return Ok(());
        };
        let starts = |prefixes: [&str; 2]| prefixes.iter().any(|prefix| key.starts_with(prefix));
        let reason = if key.is_empty() {
            "empty; leave it out to do without Stripe's API"
        } else if key.starts_with("pk_") {
            "a publishable key (pk_); use a secret or restricted key (sk_ or rk_)"
        } else if key.starts_with("whsec_") {
            "a webhook secret (whsec_); use a secret or restricted key (sk_ or rk_)"
        } else if starts(["sk_live_", "rk_live_"]) && !self.livemode {
            "a live key, but stripe.livemode is false"
        } else if starts(["sk_test_", "rk_test_"]) && self.livemode {
            "a test key, but stripe.livemode is true"
        } else {
            return Ok(());
        };
        refuse("stripe.secret_key", reason)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
