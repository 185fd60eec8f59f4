//! PostgreSQL: a pool for whoever reads and for bookkeeping, and the one connection that changes the ledger ([`writer`]).
//!
//! A connection that comes back to the pool is rolled back first: `begin()` of sqlx 0.9.0, dropped half-way, leaves its
//! connection inside a transaction, in which what is written later would be lost.

mod transaction;
pub mod writer;

use std::str::FromStr;
use std::time::Duration;

use log::LevelFilter;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _, Executor as _};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, SqlxPostgresConnector, Statement};

pub use transaction::PostgresTxn;
pub use writer::Writer;

use self::writer::IDLE_UNTESTED;
use super::driver::{LOG_LEVEL, STATEMENTS_KEPT};
use super::error::{StoreError, connection_error};
use crate::settings::DatabaseSettings;

/// How long the first connection may take at start.
const FIRST_CONNECTION: Duration = Duration::from_secs(10);
/// What changes the ledger reads by key. PostgreSQL, when it has not analyzed a table yet, takes it for small, and keeps a plan
/// that looks at all of its rows, or joins all of them with the rows of a batch, long after it has grown; and it would plan
/// each statement anew, five times or for ever. The connection that changes the ledger has these settings from its start.
pub const PLANNER: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
];

/// Connects: the pool, and what changes the ledger.
///
/// # Errors
/// [`StoreError::Unavailable`] when the server cannot be reached.
pub async fn connect(
    url: &str,
    settings: &DatabaseSettings,
) -> Result<(DatabaseConnection, Writer), StoreError> {
    let timeout = settings.statement_timeout_ms.to_string();
    let lock_timeout = settings.lock_timeout_ms.to_string();
    let options = PgConnectOptions::from_str(url)
        .map_err(connection_error)?
        .application_name("referrald")
        .statement_cache_capacity(STATEMENTS_KEPT)
        .options([
            ("statement_timeout", timeout.as_str()),
            ("lock_timeout", lock_timeout.as_str()),
            ("idle_in_transaction_session_timeout", timeout.as_str()),
            ("client_min_messages", "error"),
            ("default_transaction_isolation", "read committed"),
        ])
        .log_statements(LOG_LEVEL)
        .log_slow_statements(LevelFilter::Off, Duration::MAX);
    // A pool only says that it waited in vain; one connection of its own says why.
    let first = tokio::time::timeout(FIRST_CONNECTION, options.connect()).await;
    let first = first.map_err(|_elapsed| connection_error(sqlx::Error::PoolTimedOut))?;
    first.map_err(connection_error)?.close().await.map_err(connection_error)?;
    let writer = Writer::start(options.clone().options(PLANNER), settings)?;
    let pool = PgPoolOptions::new()
        // One more changes the ledger.
        .max_connections(settings.max_connections.saturating_sub(1))
        .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move { Ok(about.idle_for < IDLE_UNTESTED || connection.ping().await.is_ok()) })
        })
        .after_release(|connection, _| {
            Box::pin(async move { Ok(connection.execute("ROLLBACK").await.is_ok()) })
        })
        .connect_with(options)
        .await
        .map_err(connection_error)?;
    Ok((SqlxPostgresConnector::from_sqlx_postgres_pool(pool), writer))
}

/// Refuses a server that may lose what it has acknowledged, or that lacks what the ledger needs.
///
/// # Errors
/// [`StoreError::NotDurable`], or as the server answers.
pub async fn check_durability(pool: &DatabaseConnection) -> Result<(), StoreError> {
    let version = ask(pool, "SELECT version()").await?;
    if version.contains("CockroachDB") || version.contains("Aurora DSQL") {
        return Err(StoreError::NotDurable(format!(
            "{version} lacks row locks or triggers that the ledger needs; use PostgreSQL 15 or later"
        )));
    }
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        if ask(pool, &format!("SHOW {setting}")).await? == "off" {
            return Err(StoreError::NotDurable(format!(
                "PostgreSQL runs with {setting} = off and may lose acknowledged events; turn it \
                 on, or set database.accept_loss_of_acknowledged_events"
            )));
        }
    }
    Ok(())
}

/// The one text that PostgreSQL answers.
async fn ask(pool: &DatabaseConnection, sql: &str) -> Result<String, StoreError> {
    let row = pool.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
}
