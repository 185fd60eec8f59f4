//! Connections and transactions.
//!
//! SQLite: one writer connection and a pool of read-only ones. PostgreSQL: one pool. A connection that comes back to
//! a pool is rolled back first: `begin()` of sqlx 0.9.0, dropped half-way, leaves its connection inside a
//! transaction, in which the next writer's work would be acknowledged and lost.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use log::LevelFilter;
use migration::{MAKE_HEAD, Migrator, MigratorTrait, SchemaManager};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr,
    SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector, Statement, TransactionOptions,
    TransactionTrait, sqlx,
};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::error::StoreError;
use super::memory::Memory;
use super::storage::Storage;
use crate::settings::DatabaseSettings;

/// A transaction that may write. It ends by `commit`; dropped, it rolls back.
pub type Txn = DatabaseTransaction;

/// How often a locked file of SQLite is tried again at start, and the pause between: ten seconds in all.
const START_TRIES: u32 = 50;
const START_PAUSE: Duration = Duration::from_millis(200);
/// Prepared statements that a connection keeps. Those of a batch depend on which tables it touches and not on how many
/// keys or rows (`store::batch`), so all of them fit.
const STATEMENTS_KEPT: usize = 512;
/// A connection that was in use a moment ago is taken without asking whether the server is still there: should it be
/// gone, the next statement says so.
const IDLE_UNTESTED: Duration = Duration::from_secs(1);
/// After which somebody who waits for the lock of the ledger says so.
const NOTICE_AFTER: Duration = Duration::from_secs(1);
/// Pages of SQLite's log (64 MB) at which a transaction itself writes them back. Until then that is done beside it
/// ([`Database::checkpoint`]): it takes longer than many a batch.
const LOG_PAGES: &str = "16384";
/// The text of a statement, never its values, is logged for whoever asks for `sqlx=trace`: the test of their plans does.
/// Statements that are slow are told apart nowhere.
const LOG_LEVEL: LevelFilter = LevelFilter::Trace;

/// The database of the daemon.
#[derive(Debug, Clone)]
pub struct Database {
    connections: DatabaseConnection,
    reader: DatabaseConnection,
    /// SQLite only: where its log is written back.
    checkpointer: Option<DatabaseConnection>,
    /// What this process remembers of the ledger, and its queue for the lock: whoever writes holds it.
    pub(super) memory: Arc<Mutex<Memory>>,
    /// Names this process in the head of the ledger.
    pub(super) writer: Arc<str>,
    /// How long to wait for the lock of the ledger.
    pub(super) lock_timeout: Duration,
    /// Whether what was written last could be written.
    pub(super) storage: Storage,
    /// Who is told when it takes longer than [`NOTICE_AFTER`] to have it.
    notice: Option<fn(&str)>,
}

impl Database {
    /// How long the first connection may take at start.
    const FIRST_CONNECTION: Duration = Duration::from_secs(10);

    /// Connects, and refuses a database that may lose what it has acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be reached, [`StoreError::NotDurable`] when it is set up to forget.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let url = settings.url.expose_secret();
        let database = if url.starts_with("sqlite:") {
            // Turning on WAL does not wait for another process that does the same at this moment.
            retrying(async || Self::connect_sqlite(url, settings).await).await?
        } else {
            Self::connect_postgres(url, settings).await?
        };
        if !settings.accept_loss_of_acknowledged_events {
            database.check_durability().await?;
        }
        Ok(database)
    }

    /// Connects to a database that is there already: what only reads must not make an empty ledger and praise it.
    ///
    /// # Errors
    /// As [`Self::connect`]; [`StoreError::NoDatabase`] when the file of SQLite does not exist.
    pub async fn connect_existing(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let url = settings.url.expose_secret();
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(connection_error)?;
            let file = options.get_filename();
            if !file.exists() {
                return Err(StoreError::NoDatabase(file.display().to_string()));
            }
        }
        Self::connect(settings).await
    }

    async fn connect_sqlite(url: &str, settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(connection_error)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_millis(settings.lock_timeout_ms))
            .foreign_keys(true)
            // What a statement of many rows may have to undo.
            .pragma("temp_store", "MEMORY")
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .statement_cache_capacity(STATEMENTS_KEPT)
            .log_statements(LOG_LEVEL)
            .log_slow_statements(LevelFilter::Off, Duration::MAX);
        let pool = |size| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writer = pool(1).after_release(|connection, _| {
            Box::pin(async move {
                // SQLite's driver counts on the side of the database, so what it says is so. A transaction that was
                // dropped is rolled back by the next word to the connection.
                if connection.is_in_transaction() {
                    connection.ping().await?;
                }
                let is_clean = !connection.is_in_transaction();
                if !is_clean {
                    tracing::warn!("a connection came back inside a transaction and is closed");
                }
                Ok(is_clean)
            })
        });
        let writer = writer.connect_with(options.clone()).await;
        // That another process turns on WAL at this moment is a reason to try again, not to give up.
        let writer = writer.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?;
        let checkpointer = pool(1).connect_lazy_with(options.clone().create_if_missing(false));
        let readers = pool(settings.read_connections).connect_lazy_with(options.read_only(true));
        let checkpointer = SqlxSqliteConnector::from_sqlx_sqlite_pool(checkpointer);
        let connections = SqlxSqliteConnector::from_sqlx_sqlite_pool(writer);
        let reader = SqlxSqliteConnector::from_sqlx_sqlite_pool(readers);
        Ok(Self::of(connections, reader, Some(checkpointer), settings))
    }

    async fn connect_postgres(url: &str, settings: &DatabaseSettings) -> Result<Self, StoreError> {
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
        let first = tokio::time::timeout(Self::FIRST_CONNECTION, options.connect()).await;
        let first = first.map_err(|_elapsed| connection_error(sqlx::Error::PoolTimedOut))?;
        first.map_err(connection_error)?.close().await.map_err(connection_error)?;
        let pool = PgPoolOptions::new()
            .max_connections(settings.max_connections)
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
        let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        Ok(Self::of(pool.clone(), pool, None, settings))
    }

    fn of(
        connections: DatabaseConnection,
        reader: DatabaseConnection,
        checkpointer: Option<DatabaseConnection>,
        settings: &DatabaseSettings,
    ) -> Self {
        Self {
            connections,
            reader,
            checkpointer,
            memory: Arc::new(Mutex::new(Memory::bounded(settings.memory_rows))),
            writer: Uuid::now_v7().simple().to_string().into(),
            lock_timeout: Duration::from_millis(settings.lock_timeout_ms),
            storage: Storage::default(),
            notice: None,
        }
    }

    /// Tells `notice` what it waits for whenever that takes longer than a second.
    #[must_use]
    pub fn with_notice(self, notice: fn(&str)) -> Self {
        Self { notice: Some(notice), ..self }
    }

    /// Does what waits for the lock of the ledger.
    pub(super) async fn waiting<T>(&self, act: impl Future<Output = T>) -> T {
        let Some(notice) = self.notice else { return act.await };
        let mut act = std::pin::pin!(act);
        if let Ok(done) = tokio::time::timeout(NOTICE_AFTER, &mut act).await {
            return done;
        }
        let at_most = self.lock_timeout.as_secs();
        notice(&format!(
            "waiting for the lock of the ledger, which another process holds; for at most {at_most} s"
        ));
        act.await
    }

    /// The connections for reading.
    pub const fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Writes what was committed from the log of SQLite back to its pages, beside those who read and write. PostgreSQL does
    /// that by itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be written.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        if let Some(checkpointer) = &self.checkpointer {
            checkpointer.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await?;
        }
        Ok(())
    }

    /// Begins a transaction that may write; on SQLite it holds the write lock from the start.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection can be had.
    pub async fn begin(&self) -> Result<Txn, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.connections.begin_with_options(options).await?)
    }

    /// Applies the migrations that are missing, under a lock that lets replicas start at once. Returns their names.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses a statement; then nothing has changed.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        self.waiting(retrying(async || self.migrate_once().await)).await
    }

    async fn migrate_once(&self) -> Result<Vec<String>, StoreError> {
        for statement in MAKE_HEAD {
            // Two replicas may make the table at the same moment: one of them is refused, and comes again.
            let made = self.connections.execute_unprepared(statement).await.map_err(StoreError::from);
            made.map_err(StoreError::or_busy)?;
        }
        let txn = self.begin().await?;
        if txn.get_database_backend() == DatabaseBackend::Postgres {
            txn.execute_unprepared("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0").await?;
            txn.execute_unprepared("SELECT seq FROM ledger_head WHERE id = 1 FOR UPDATE").await?;
        }
        let pending = Migrator::get_pending_migrations(&txn).await?;
        Migrator::up(&txn, None).await?;
        txn.commit().await?;
        Ok(pending.iter().map(|migration| migration.name().to_owned()).collect())
    }

    /// True when the database answers and has every migration of this version.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        if !SchemaManager::new(&self.reader).has_table("seaql_migrations").await? {
            return Ok(false);
        }
        let count = Statement::from_string(
            self.reader.get_database_backend(),
            "SELECT COUNT(*) AS applied FROM seaql_migrations",
        );
        let row = self.reader.query_one_raw(count).await?;
        let applied: i64 = row.map(|row| row.try_get("", "applied")).transpose()?.unwrap_or(0);
        Ok(usize::try_from(applied).is_ok_and(|applied| applied >= Migrator::migrations().len()))
    }

    /// Waits for running statements and closes all connections.
    ///
    /// # Errors
    /// [`StoreError`] when a connection does not close in order.
    pub async fn close(self) -> Result<(), StoreError> {
        self.reader.close().await?;
        if let Some(checkpointer) = self.checkpointer {
            checkpointer.close().await?;
        }
        Ok(self.connections.close().await?)
    }

    async fn check_durability(&self) -> Result<(), StoreError> {
        if self.connections.get_database_backend() != DatabaseBackend::Postgres {
            return Ok(());
        }
        let version = self.postgres("SELECT version()").await?;
        if version.contains("CockroachDB") || version.contains("Aurora DSQL") {
            return Err(StoreError::NotDurable(format!(
                "{version} lacks row locks or triggers that the ledger needs; use PostgreSQL 15 or later"
            )));
        }
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            if self.postgres(&format!("SHOW {setting}")).await? == "off" {
                return Err(StoreError::NotDurable(format!(
                    "PostgreSQL runs with {setting} = off and may lose acknowledged events; turn it \
                     on, or set database.accept_loss_of_acknowledged_events"
                )));
            }
        }
        Ok(())
    }

    /// The one text that PostgreSQL answers.
    async fn postgres(&self, sql: &str) -> Result<String, StoreError> {
        let row =
            self.connections.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
    }
}

/// Tries again, at start, while another process has SQLite's file: it may be migrating it.
async fn retrying<T>(mut act: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let mut tries = START_TRIES;
    loop {
        match act().await {
            Err(error) if error.is_busy() && tries > 0 => {
                tries = tries.saturating_sub(1);
                tokio::time::sleep(START_PAUSE).await;
            }
            result => return result,
        }
    }
}

fn connection_error(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
}
