//! Unknown keys and values of the wrong kind.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::super::layers::readable;
use super::{load, load_file, text};

#[test]
fn a_file_that_is_not_there_is_named() {
    let text = text(load(&[("REFERRALD_CONFIG", "/nowhere/referrald.toml")]));
    assert!(text.starts_with("cannot read the settings file /nowhere/referrald.toml: No such"), "{text}");
}

#[test]
fn an_unknown_key_is_refused_with_its_name_and_where_it_stands() {
    let refused = |file: &str| text(load_file(file, &[]));
    let text_of_key = refused("[http]\nbnid = 'canary'");
    assert!(text_of_key.starts_with("unknown key http.bnid (file /"), "{text_of_key}");
    assert!(!text_of_key.contains("canary"));
    assert!(refused("[htpp]\nbind = 'x'").starts_with("unknown key htpp (file"));
    assert!(refused("bind = 'x'").starts_with("unknown key bind (file"));
    assert!(refused("\"a\\nb\" = 1").starts_with("unknown key a\\nb (file"));
    assert!(refused("[HTTP]\nworkers = 1").starts_with("unknown key HTTP (file"));
}

#[test]
fn an_unknown_variable_is_refused_unless_it_is_for_tests_or_not_ours() {
    let refused = |name: &str| text(load(&[(name, "canary")]));
    let expected = "unknown key http.bnid (environment variable REFERRALD_HTTP__BNID)";
    assert_eq!(refused("REFERRALD_HTTP__BNID"), expected);
    assert!(refused("REFERRALD_HTTP_BIND").contains("REFERRALD_HTTP_BIND"));
    assert!(refused("REFERRALD_http__bind").contains("REFERRALD_http__bind"));
    load(&[("REFERRALD_TEST_POSTGRES", "x"), ("HTTP__BIND", "x"), ("PATH", "x")]).unwrap();
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_without_repeating_it() {
    for (file, expected) in [
        ("stripe.secret_key = 424242", "stripe.secret_key: expected a string (file"),
        ("stripe.webhook_secrets = '424242'", "stripe.webhook_secrets: expected a list of strings"),
        ("stripe.webhook_secrets = [424242]", "stripe.webhook_secrets: expected a list of strings"),
        ("http.workers = '424242'", "http.workers: expected a whole number"),
        ("http.workers = -424242", "http.workers: expected a whole number"),
        ("http.workers = 424242.5", "http.workers: expected a whole number"),
        ("redrive.batch = 424242", "redrive.batch: expected an unsigned 16 bit integer (file"),
        ("stripe.livemode = 424242", "stripe.livemode: expected true or false"),
        ("http.bind = '424242'", "http.bind: expected an IP address and port"),
        ("http.bind = 424242", "http.bind: expected a string"),
        ("log.format = '424242'", "log.format: expected one of auto, human, json"),
        ("http = 424242", "http: expected a table"),
        ("http.bind.deep = 424242", "http.bind: expected a string"),
        ("\nstripe.secret_key = sk_424242", " is not valid TOML at line 2"),
        ("http.workers = 42424242424242424242424242", " is not valid TOML"),
    ] {
        let text = text(load_file(file, &[]));
        assert!(text.contains(expected), "{file}: {text}");
        assert!(!text.contains("424242"), "{text}");
    }
}

#[test]
fn a_variable_of_the_wrong_kind_is_refused_with_its_name() {
    for (name, value, expected) in [
        ("REFERRALD_HTTP__WORKERS", "many", "http.workers: expected a whole number (environment"),
        ("REFERRALD_HTTP__WORKERS", "-1", "http.workers: expected a whole number (environment"),
        ("REFERRALD_STRIPE__LIVEMODE", "yes", "stripe.livemode: expected true or false (environment"),
        ("REFERRALD_HTTP__BIND", "localhost:80", "http.bind: expected an IP address and port"),
        ("REFERRALD_LOG__FORMAT", "JSON", "log.format: expected one of auto, human, json"),
    ] {
        let text = text(load(&[(name, value)]));
        assert!(text.contains(expected) && text.contains(name), "{text}");
        assert!(!text.contains(&format!("{value} ")), "{text}");
    }
}

#[test]
fn a_variable_that_is_not_utf8_is_refused_only_when_it_is_ours() {
    let bytes = || OsString::from_vec(vec![b'c', 0xff]);
    let foreign = [("LESS".into(), bytes()), (bytes(), bytes()), ("DATABASE_URL".into(), "x".into())];
    let kept = readable(foreign.into_iter()).unwrap();
    assert_eq!(kept, [("DATABASE_URL".to_owned(), "x".to_owned())]);
    for name in ["DATABASE_URL", "REFERRALD_CONFIG", "REFERRALD_HTTP__BIND"] {
        let refused = text(readable([(name.into(), bytes())].into_iter()));
        assert_eq!(refused, format!("environment variable {name} is not UTF-8"));
    }
}
