//! What `validate_common` and `validate_for_serve` refuse.

use super::{load, load_file, text};

const SECRET: (&str, &str) = ("STRIPE_WEBHOOK_SECRET", "whsec_0123456789");

/// The refusal of `validate_for_serve`, or nothing. A sound webhook secret is set first.
pub(super) fn serve(environment: &[(&str, &str)]) -> Option<String> {
    let environment: Vec<_> = [SECRET].iter().chain(environment).copied().collect();
    let result = load(&environment).unwrap().validate_for_serve();
    result.is_err().then(|| text(result))
}

/// Expects a refusal that starts with `expected`.
pub(super) fn refused(environment: &[(&str, &str)], expected: &str) {
    let text = serve(environment).unwrap_or_else(|| panic!("accepted: {environment:?}"));
    assert!(text.starts_with(expected), "{text} instead of {expected}");
}

#[test]
fn the_defaults_with_a_webhook_secret_serve() {
    assert_eq!(serve(&[]), None);
}

#[test]
fn a_missing_or_short_webhook_secret_is_refused_by_position_for_serve_only() {
    let none = load(&[]).unwrap();
    none.validate_common().unwrap();
    let expected = "stripe.webhook_secrets: no webhook secret; set STRIPE_WEBHOOK_SECRET";
    assert_eq!(text(none.validate_for_serve()), expected);
    let value = "whsec_0123456789,whsec_canary,whsec_0123456789";
    let expected = "stripe.webhook_secrets: secret 2 of 3 is shorter than 16 characters";
    refused(&[("STRIPE_WEBHOOK_SECRET", value)], expected);
}

#[test]
fn a_short_admin_token_is_refused() {
    let token = "REFERRALD_API__ADMIN_TOKEN";
    refused(&[(token, "012345678901234")], "api.admin_token: shorter than 16 characters");
    assert_eq!(serve(&[(token, "0123456789012345")]), None);
    let empty = load_file("api.admin_token = ''", &[SECRET]).unwrap();
    assert!(text(empty.validate_for_serve()).starts_with("api.admin_token:"));
}

#[test]
fn an_api_key_must_be_secret_and_of_the_right_mode() {
    for (key, live, expected) in [
        ("pk_live_1", "true", "stripe.secret_key: a publishable key"),
        ("pk_test_1", "false", "stripe.secret_key: a publishable key"),
        ("whsec_1", "false", "stripe.secret_key: a webhook secret"),
        ("sk_live_1", "false", "stripe.secret_key: a live key, but stripe.livemode is false"),
        ("rk_live_1", "false", "stripe.secret_key: a live key, but stripe.livemode is false"),
        ("sk_test_1", "true", "stripe.secret_key: a test key, but stripe.livemode is true"),
        ("rk_test_1", "true", "stripe.secret_key: a test key, but stripe.livemode is true"),
    ] {
        let set = [("STRIPE_SECRET_KEY", key), ("REFERRALD_STRIPE__LIVEMODE", live)];
        refused(&set, expected);
        load(&set).unwrap().validate_common().unwrap();
    }
    for (key, live) in [("sk_live_1", "true"), ("rk_test_1", "false"), ("sk_org_1", "true")] {
        let set = [("STRIPE_SECRET_KEY", key), ("REFERRALD_STRIPE__LIVEMODE", live)];
        assert_eq!(serve(&set), None);
    }
}

#[test]
fn a_bound_of_nothing_is_refused_by_its_key() {
    let may_be_zero = [
        "http.workers",
        "http.drain_notice_ms",
        "database.memory_rows",
        "attribution.lookback_s",
        "api.clicks_per_minute",
        "retention.payload_days",
    ];
    for key in super::super::keys::KEYS {
        if !matches!(key.kind, super::super::keys::Kind::Whole) {
            continue;
        }
        let zero = load(&[(&key.variable(), "0")]).unwrap().validate_common();
        if may_be_zero.contains(&key.path) {
            zero.unwrap();
        } else {
            assert!(text(zero).starts_with(&format!("{}: 0 is outside ", key.path)));
        }
        // Beyond every upper bound: refused while loading when the field is small, else by its bound.
        let large = load(&[(&key.variable(), "18446744073709551615")])
            .and_then(|settings| settings.validate_common());
        assert!(text(large).starts_with(&format!("{}: ", key.path)));
    }
}

#[test]
fn a_body_limit_is_between_a_kibibyte_and_sixteen_mebibytes() {
    let key = "REFERRALD_HTTP__BODY_LIMIT_BYTES";
    refused(&[(key, "1023")], "http.body_limit_bytes: 1023 is outside 1024..=16777216");
    refused(&[(key, "16777217")], "http.body_limit_bytes: 16777217 is outside");
    assert_eq!(serve(&[(key, "1024")]), None);
    assert_eq!(serve(&[(key, "16777216")]), None);
}

#[test]
fn the_api_is_reached_by_https_or_on_loopback() {
    let key = "REFERRALD_STRIPE__API_BASE";
    refused(&[(key, "api.stripe.com")], "stripe.api_base: not a URL: ");
    refused(&[(key, "ftp://api.stripe.com")], "stripe.api_base: must start with https://");
    for base in ["http://api.stripe.com", "http://localhost.evil.test", "http://127.0.0.1.evil.test"] {
        refused(&[(key, base)], "stripe.api_base: plain http is for loopback hosts only");
    }
    for base in ["https://x.test", "http://127.0.0.1:9", "http://[::1]:9", "http://localhost:9"] {
        assert_eq!(serve(&[(key, base)]), None, "{base}");
    }
}

#[test]
fn other_values_that_cannot_work_are_refused() {
    refused(&[("REFERRALD_STRIPE__ACCOUNT", "ac_1")], "stripe.account: ");
    refused(&[("REFERRALD_LOG__FILTER", "a=b=c")], "log.filter: ");
    let keys = "REFERRALD_ATTRIBUTION__METADATA_KEYS";
    refused(&[(keys, &vec!["k"; 21].join(","))], "attribution.metadata_keys: more than 20");
    refused(&[(keys, &"k".repeat(41))], "attribution.metadata_keys: a key is empty or longer");
    let empty = load_file("attribution.metadata_keys = ['ref', ' ']", &[]).unwrap();
    assert!(text(empty.validate_common()).starts_with("attribution.metadata_keys: "));
}

#[test]
fn no_secret_shows_in_debug_output_or_in_any_refusal() {
    let canaries = [
        ("REFERRALD_STRIPE__WEBHOOK_SECRETS", "whsec_canary_0123456,canary"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_canary_common"),
        ("STRIPE_SECRET_KEY", "pk_canary"),
        ("DATABASE_URL", "mysql://canary:canary@canary/canary"),
        ("REFERRALD_API__ADMIN_TOKEN", "canary"),
    ];
    let mut settings = load(&canaries).unwrap();
    let debug = format!("{settings:?} {settings:#?}");
    assert!(!debug.contains("canary") && debug.contains("REDACTED"));
    let mut seen = Vec::new();
    for step in 0..7 {
        let error = settings.validate_for_serve().unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
        seen.push(error.to_string());
        match step {
            0 => settings.database.url = "postgres://canary:canary@canary:canary/canary".into(),
            1 => settings.database.url = "sqlite://canary?mode=memory".into(),
            2 => settings.database.url = "sqlite://canary".into(),
            3 => drop(settings.stripe.webhook_secrets.pop()),
            4 => settings.stripe.secret_key = Some("sk_live_canary".into()),
            5 => settings.stripe.livemode = true,
            _ => settings.api.admin_token = None,
        }
    }
    settings.validate_for_serve().unwrap();
    seen.dedup();
    assert_eq!(seen.len(), 7, "{seen:#?}");
}
