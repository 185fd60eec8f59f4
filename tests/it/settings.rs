//! What `serve` refuses to start with: exit code 1 and one line that names the key.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Daemon, PATIENCE, command, postgres};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// A file for a database that is not there yet.
fn new_sqlite() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/new.db", directory.path().display());
    (directory, url)
}

/// What `serve` says before it ends with exit code 1.
fn refusal(command: &mut Command) -> String {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => {
                child.kill().unwrap();
                panic!("{command:?} has started, or does not end");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(status.code(), Some(1), "{told}");
    told
}

/// `serve` must be refused with one line that names the key.
fn refused(command: &mut Command, key: &str) {
    let told = refusal(command.arg("serve"));
    assert_eq!(told.lines().count(), 1, "one line: {told}");
    assert!(told.starts_with("referrald: ") && told.contains(key), "{key}: {told}");
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    let (directory, url) = new_sqlite();
    for (variable, value, key) in [
        ("STRIPE_WEBHOOK_SECRET", "", "stripe.webhook_secrets"),
        ("STRIPE_WEBHOOK_SECRET", " , ", "stripe.webhook_secrets"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_123456789", "stripe.webhook_secrets"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_of_the_tests_0123456789,whsec_short", "stripe.webhook_secrets"),
        ("REFERRALD_API__ADMIN_TOKEN", "short", "api.admin_token"),
        ("REFERRALD_HTTP__BNID", "127.0.0.1:0", "http.bnid"),
        ("REFERRALD_HTTPS__BIND", "127.0.0.1:0", "https.bind"),
        ("REFERRALD_BIND", "127.0.0.1:0", "bind"),
        ("REFERRALD_HTTP__BIND", "localhost", "http.bind"),
        ("REFERRALD_HTTP__BODY_LIMIT_BYTES", "0", "http.body_limit_bytes"),
        ("REFERRALD_HTTP__WORKERS", "two", "http.workers"),
        ("REFERRALD_STRIPE__LIVEMODE", "yes", "stripe.livemode"),
        ("REFERRALD_STRIPE__API_BASE", "http://example.com", "stripe.api_base"),
        ("STRIPE_SECRET_KEY", "pk_test_0123456789", "stripe.secret_key"),
        ("STRIPE_SECRET_KEY", "sk_live_0123456789", "stripe.secret_key"),
        ("REFERRALD_LOG__FILTER", "a=b=c", "log.filter"),
        ("DATABASE_URL", "sqlite::memory:", "database.url"),
        ("DATABASE_URL", "sqlite://:memory:", "database.url"),
        ("DATABASE_URL", "sqlite://x.db?mode=memory", "database.url"),
        ("DATABASE_URL", "sqlite://", "database.url"),
        ("DATABASE_URL", "mysql://localhost/x", "database.url"),
        ("DATABASE_URL", "postgres://localhost/x?options=-csynchronous_commit%3Doff", "database.url"),
        ("REFERRALD_CONFIG", "/nowhere/referrald.toml", "/nowhere/referrald.toml"),
    ] {
        refused(command(&url).env(variable, value).current_dir(&directory), key);
    }
    refused(command(&url).env_remove("STRIPE_WEBHOOK_SECRET"), "stripe.webhook_secrets");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0, "no database was made");
}

#[test]
fn a_file_that_is_wrong_is_named_with_its_key() {
    let (directory, url) = new_sqlite();
    let file = directory.path().join("referrald.toml");
    for (text, told) in [
        ("[http]\nbnid = \"127.0.0.1:0\"\n", "http.bnid"),
        ("[htpp]\nbind = \"127.0.0.1:0\"\n", "htpp"),
        ("bind = \"127.0.0.1:0\"\n", "bind"),
        ("[http]\nworkers = \"2\"\n", "http.workers"),
        ("[stripe]\nwebhook_secrets = \"whsec_of_the_tests_0123456789\"\n", "stripe.webhook_secrets"),
        ("[stripe]\nwebhook_secrets = [\"whsec_canary\n", "line 2"),
    ] {
        std::fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        refused(command(&url).args(["--config", path]), told);
        let told = refusal(command(&url).args(["--config", path, "serve"]));
        assert!(told.contains(path) && !told.contains("whsec_"), "{told}");
    }
    refused(command(&url).args(["--config", "/nowhere.toml"]), "/nowhere.toml");
}

#[test]
fn a_port_in_use_is_named() {
    let (_directory, url) = new_sqlite();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // On a database that is up to date, and on a new one.
    let migrated = command(&url).arg("migrate").output().unwrap();
    assert!(migrated.status.success());
    refused(command(&url).env("REFERRALD_HTTP__BIND", &address), "http.bind");
    let (_directory, url) = new_sqlite();
    refused(command(&url).env("REFERRALD_HTTP__BIND", &address), "http.bind");
}

#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let postgres = format!("postgres://someone:canary-password@{nobody}/ledger");
    for url in [
        &postgres,
        "postgres://someone:canary-password@nowhere.invalid/ledger",
        "sqlite:///nowhere/ledger.db",
    ] {
        let told = refusal(command(url).arg("serve"));
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.starts_with("referrald: ") && !told.contains("canary"), "{told}");
    }
}

#[test]
fn a_database_that_is_not_there_is_told_by_its_key_and_cause() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, cause) in [
        (format!("postgres://someone:canary-password@{nobody}/ledger"), "refused"),
        ("sqlite:///nowhere/ledger.db".to_owned(), "unable to open"),
    ] {
        let told = refusal(command(&url).arg("serve"));
        assert!(told.contains("database.url") && told.contains(cause), "{told}");
    }
}

#[tokio::test]
async fn a_postgres_that_does_not_flush_is_refused() {
    let url = postgres::new_database().await;
    let name = url.rsplit('/').next().unwrap().to_owned();
    let set = async |value: &str| {
        let db = Database::connect(&url).await.unwrap();
        let sql = format!("ALTER DATABASE {name} SET synchronous_commit = {value}");
        db.execute_unprepared(&sql).await.unwrap();
        db.close().await.unwrap();
    };
    set("off").await;
    refused(&mut command(&url), "synchronous_commit");
    refused(&mut command(&url), "database.url");
    let accepted = [("REFERRALD_DATABASE__ACCEPT_LOSS_OF_ACKNOWLEDGED_EVENTS", "true")];
    drop(Daemon::start(&url, &accepted));
    set("on").await;
    drop(Daemon::start(&url, &[]));
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_database_are_told_in_one_line() {
    let url = postgres::new_database().await;
    let missing = format!("{url}_missing");
    let told = refusal(command(&missing).arg("serve"));
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("does not exist"), "{told}");
}
