//! Layers, names and lists.

use secrecy::ExposeSecret;

use super::super::keys::{KEYS, Kind};
use super::super::{LogFormat, Settings};
use super::{load, load_file};

fn secrets(settings: &Settings) -> Vec<&str> {
    settings.stripe.webhook_secrets.iter().map(ExposeSecret::expose_secret).collect()
}

#[test]
fn the_defaults_load_alone_and_hold_no_secret() {
    let settings = load(&[]).unwrap();
    assert_eq!(settings.http.bind.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database.url.expose_secret(), "sqlite://referrald.db");
    assert!(!settings.stripe.livemode && !settings.database.accept_loss_of_acknowledged_events);
    assert_eq!(settings.attribution.metadata_keys, ["referral_code", "referral", "ref"]);
    assert_eq!(settings.log.format, LogFormat::Auto);
    assert!(secrets(&settings).is_empty() && settings.stripe.secret_key.is_none());
    assert!(settings.api.admin_token.is_none() && settings.stripe.account.is_none());
    settings.validate_common().unwrap();
}

#[test]
fn a_file_overrides_the_defaults_and_the_environment_overrides_the_file() {
    let file = "[http]\nworkers = 3\nmax_connections = 7\n[database]\nurl = 'sqlite://file.db'\n";
    let settings = load_file(file, &[("REFERRALD_HTTP__WORKERS", "5")]).unwrap();
    assert_eq!((settings.http.workers, settings.http.max_connections), (5, 7));
    assert_eq!(settings.http.body_limit_bytes, 1_048_576);
    let settings = load_file(file, &[("DATABASE_URL", "sqlite://common.db")]).unwrap();
    assert_eq!(settings.database.url.expose_secret(), "sqlite://common.db");
}

#[test]
fn the_own_name_of_a_variable_wins_over_the_common_one() {
    let both = [
        ("REFERRALD_DATABASE__URL", "sqlite://own.db"),
        ("DATABASE_URL", "sqlite://common.db"),
        ("REFERRALD_STRIPE__WEBHOOK_SECRETS", "own"),
        ("STRIPE_WEBHOOK_SECRET", "common"),
        ("STRIPE_SECRET_KEY", "sk_test_common"),
        ("REFERRALD_STRIPE__SECRET_KEY", "sk_test_own"),
    ];
    let settings = load(&both).unwrap();
    assert_eq!(settings.database.url.expose_secret(), "sqlite://own.db");
    assert_eq!(secrets(&settings), ["own"]);
    assert_eq!(settings.stripe.secret_key.unwrap().expose_secret(), "sk_test_own");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let settings = load(&[
        ("REFERRALD_STRIPE__SECRET_KEY", ""),
        ("STRIPE_SECRET_KEY", "sk_test_common"),
        ("DATABASE_URL", "  "),
        ("REFERRALD_HTTP__WORKERS", ""),
        ("REFERRALD_API__ADMIN_TOKEN", ""),
        ("REFERRALD_CONFIG", ""),
    ]);
    let settings = settings.unwrap();
    assert_eq!(settings.stripe.secret_key.unwrap().expose_secret(), "sk_test_common");
    assert_eq!(settings.database.url.expose_secret(), "sqlite://referrald.db");
    assert!(settings.api.admin_token.is_none());
}

#[test]
fn lists_are_comma_separated_and_replace_the_list_below() {
    let settings = load(&[
        ("STRIPE_WEBHOOK_SECRET", " whsec_a , whsec_b,"),
        ("REFERRALD_ATTRIBUTION__METADATA_KEYS", "partner"),
    ]);
    let settings = settings.unwrap();
    assert_eq!(secrets(&settings), ["whsec_a", "whsec_b"]);
    assert_eq!(settings.attribution.metadata_keys, ["partner"]);
}

#[test]
fn a_secret_that_looks_like_a_number_or_a_flag_stays_the_text_it_is() {
    let settings = load(&[
        ("STRIPE_WEBHOOK_SECRET", "0012345678901234567890,true"),
        ("STRIPE_SECRET_KEY", "1e3"),
        ("REFERRALD_API__ADMIN_TOKEN", "0000000000000000"),
    ]);
    let settings = settings.unwrap();
    assert_eq!(secrets(&settings), ["0012345678901234567890", "true"]);
    assert_eq!(settings.stripe.secret_key.unwrap().expose_secret(), "1e3");
    assert_eq!(settings.api.admin_token.unwrap().expose_secret(), "0000000000000000");
}

#[test]
fn referrald_config_names_the_file_and_the_argument_wins_over_it() {
    let directory = tempfile::tempdir().unwrap();
    let (named, given) = (directory.path().join("named.toml"), directory.path().join("given.toml"));
    std::fs::write(&named, "http.workers = 1").unwrap();
    std::fs::write(&given, "http.workers = 2").unwrap();
    let environment = || [("REFERRALD_CONFIG".to_owned(), named.to_str().unwrap().to_owned())];
    assert_eq!(Settings::load_from(None, environment()).unwrap().http.workers, 1);
    assert_eq!(Settings::load_from(Some(&given), environment()).unwrap().http.workers, 2);
}

#[test]
fn every_key_can_be_set_from_the_environment() {
    for key in KEYS {
        let value = match key.kind {
            Kind::Text | Kind::List => "some text",
            Kind::Whole => "7",
            Kind::Flag => "true",
            Kind::Address => "[::1]:0",
            Kind::Word(words) => words[0],
        };
        load(&[(&key.variable(), value)]).unwrap();
    }
}
