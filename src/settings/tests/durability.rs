//! Which databases are refused.

use super::refusing::{refused, serve};

/// Sets `database.accept_loss_of_acknowledged_events`.
const ACCEPTED: (&str, &str) = ("REFERRALD_DATABASE__ACCEPT_LOSS_OF_ACKNOWLEDGED_EVENTS", "true");

#[test]
fn a_database_that_forgets_is_refused_unless_the_loss_is_accepted() {
    for url in [
        "postgres://canary@h/d?options[synchronous_commit]=off",
        "postgres://canary@h/d?options=-c%20synchronous_commit%3Doff",
        "postgresql://canary@h/d?options=--synchronous-commit%3Doff",
    ] {
        refused(&[("DATABASE_URL", url)], "database.url: ");
        assert_eq!(serve(&[("DATABASE_URL", url), ACCEPTED]), None, "{url}");
    }
}

#[test]
fn sqlite_without_a_file_is_refused_whatever_is_accepted() {
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:%3Amemory%3A",
        "sqlite://some.db?mode=memory",
        "sqlite:file:some?cache=shared&mode=mem%6Fry",
        "sqlite:file:some.db%3Fmode=memory",
        "sqlite:",
        "sqlite://",
        "sqlite://?mode=rwc",
        "sqlite://some.db?vfs=memdb",
    ] {
        refused(&[("DATABASE_URL", url)], "database.url: ");
        refused(&[("DATABASE_URL", url), ACCEPTED], "database.url: ");
    }
}

#[test]
fn a_database_url_is_sqlite_or_postgres() {
    for url in ["mysql://canary@h/d", "canary", "sqlite", "postgres", "POSTGRES://h/d"] {
        refused(&[("DATABASE_URL", url)], "database.url: must start with sqlite: or postgres:");
    }
    refused(&[("DATABASE_URL", "postgres://u:p@h:port/d")], "database.url: not a URL: ");
    for url in [
        "sqlite:some.db",
        "sqlite:///var/lib/some.db?mode=rwc",
        "sqlite://a b/memory.db",
        "postgres://u:p%40@h:5432/d?sslmode=require",
        "postgresql://%2Frun%2Fpostgresql/d",
        "postgres:///d?host=/run/postgresql",
    ] {
        assert_eq!(serve(&[("DATABASE_URL", url)]), None, "{url}");
    }
}
