//! The database: how it is connected, and what is asked of it beside the transactions of the ledger (`head.rs`).
//!
//! SQLite: one connection that writes, in a thread of its own, and a pool of read-only ones. PostgreSQL: one connection that
//! changes the ledger, with a thread of its own, too, and a pool for all else.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use entity::ledger_head;
use log::LevelFilter;
use migration::{MAKE_HEAD, Migrator, MigratorTrait, SchemaManager};
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, SqliteTransactionMode, SqlxSqliteConnector,
    Statement, TransactionOptions, TransactionTrait,
};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::driver::{LOG_LEVEL, STATEMENTS_KEPT};
use super::error::{StoreError, connection_error};
use super::memory::Memory;
use super::postgres;
use super::sqlite::{self, SqliteTxn};
use super::storage::Storage;
use super::transaction::Txn;
use crate::settings::DatabaseSettings;

/// How often a locked file of SQLite is tried again at start, and the pause between: ten seconds in all.
const START_TRIES: u32 = 50;
const START_PAUSE: Duration = Duration::from_millis(200);
/// After which somebody who waits for the lock of the ledger says so.
const NOTICE_AFTER: Duration = Duration::from_secs(1);
/// Pages of SQLite's log (128 MB) beyond which it is emptied, where it has not begun anew by itself.
const LOG_PAGES_LIMIT: i64 = 32_768;
/// How long that waits for those who read the log.
const READERS_END: Duration = Duration::from_millis(500);

/// The database of the daemon.
#[derive(Debug, Clone)]
pub struct Database {
    connections: Connections,
    reader: DatabaseConnection,
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

/// What can write.
#[derive(Debug, Clone)]
enum Connections {
    Sqlite {
        writer: sqlite::Writer,
        /// Where the log is written back. It cannot change anything.
        checkpointer: DatabaseConnection,
        /// For what is done before anybody serves: migrations.
        options: Box<SqliteConnectOptions>,
    },
    Postgres {
        /// For reading and bookkeeping.
        pool: DatabaseConnection,
        /// What changes the ledger.
        writer: postgres::Writer,
    },
}

impl Database {
    /// Connects, and refuses a database that may lose what it has acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be reached, [`StoreError::NotDurable`] when it is set up to forget.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let url = settings.url.expose_secret();
        if url.starts_with("sqlite:") {
            // Turning on WAL does not wait for another process that does the same at this moment.
            return retrying(async || Self::connect_sqlite(url, settings)).await;
        }
        let (pool, writer) = postgres::connect(url, settings).await?;
        if !settings.accept_loss_of_acknowledged_events {
            postgres::check_durability(&pool).await?;
        }
        Ok(Self::of(Connections::Postgres { pool: pool.clone(), writer }, pool, settings))
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

    fn connect_sqlite(url: &str, settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let busy = Duration::from_millis(settings.lock_timeout_ms);
        let options = SqliteConnectOptions::from_str(url)
            .map_err(connection_error)?
            .busy_timeout(busy)
            .foreign_keys(true)
            .statement_cache_capacity(STATEMENTS_KEPT)
            .log_statements(LOG_LEVEL)
            .log_slow_statements(LevelFilter::Off, Duration::MAX);
        let writer = sqlite::Writer::open(options.get_filename(), busy)?;
        let pool = |size, options: SqliteConnectOptions| {
            let pool = SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(Duration::from_millis(settings.acquire_timeout_ms))
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None);
            SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.connect_lazy_with(options))
        };
        // It still writes the log back, but no row.
        let checkpointer = pool(1, options.clone().busy_timeout(READERS_END).pragma("query_only", "ON"));
        let reader = pool(settings.read_connections, options.clone().read_only(true));
        let connections = Connections::Sqlite { writer, checkpointer, options: Box::new(options) };
        Ok(Self::of(connections, reader, settings))
    }

    fn of(connections: Connections, reader: DatabaseConnection, settings: &DatabaseSettings) -> Self {
        Self {
            connections,
            reader,
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

    /// The database.
    pub fn backend(&self) -> DatabaseBackend {
        self.reader.get_database_backend()
    }

    /// Runs work that writes in the thread where SQLite is called, or which PostgreSQL's answers wake.
    pub fn spawn_writer(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        match &self.connections {
            Connections::Sqlite { writer, .. } => writer.runtime().spawn(work),
            Connections::Postgres { writer, .. } => writer.runtime().spawn(work),
        }
    }

    /// Writes what was committed from the log of SQLite back to its pages, beside those who read and write. PostgreSQL does
    /// that by itself.
    ///
    /// The log begins anew by itself only where nobody reads it at that moment. One that has grown because readers follow
    /// each other without a gap is emptied when this `may_wait`: for half a second at most, and whoever writes waits, too.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be written, [`StoreError::Busy`] when the ledger is not had in time.
    pub async fn checkpoint(&self, may_wait: bool) -> Result<(), StoreError> {
        let Connections::Sqlite { checkpointer, .. } = &self.connections else { return Ok(()) };
        let passive = Statement::from_string(self.backend(), "PRAGMA wal_checkpoint(PASSIVE)");
        let row = checkpointer.query_one_raw(passive).await?;
        let pages: i64 = row.map(|row| row.try_get_by_index(1)).transpose()?.unwrap_or_default();
        if may_wait && pages > LOG_PAGES_LIMIT {
            let _turn = self.turn().await?;
            checkpointer.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        }
        Ok(())
    }

    /// Begins a transaction with the lock of the ledger. Returns the head, too; none before the first migration.
    pub(super) async fn begin(&self) -> Result<(Txn, Option<ledger_head::Model>), StoreError> {
        match &self.connections {
            Connections::Sqlite { writer, .. } => Txn::on_sqlite(writer).await,
            Connections::Postgres { writer, .. } => Txn::on_postgres(writer).await,
        }
    }

    /// Does bookkeeping: one statement in a transaction of its own, without the lock of the ledger. Returns how many rows it
    /// touched.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses the statement; nothing has changed then.
    pub async fn bookkeep(&self, statement: Statement) -> Result<u64, StoreError> {
        match &self.connections {
            Connections::Sqlite { writer, .. } => {
                // There is one connection: whoever is in the middle of a transaction ends it first.
                let _turn = self.turn().await?;
                let txn = SqliteTxn::begin(writer).await?;
                let rows = txn.execute(statement).await?;
                txn.commit().await?;
                Ok(rows)
            }
            Connections::Postgres { pool, .. } => {
                let txn = pool.begin().await?;
                let rows = txn.execute_raw(statement).await?.rows_affected();
                txn.commit().await?;
                Ok(rows)
            }
        }
    }

    /// Applies the migrations that are missing, under a lock that lets replicas start at once. Returns their names.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away or refuses a statement; then nothing has changed.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        self.waiting(retrying(async || self.migrate_once().await)).await
    }

    async fn migrate_once(&self) -> Result<Vec<String>, StoreError> {
        match &self.connections {
            Connections::Sqlite { options, .. } => {
                // SeaORM's own migrations need a connection of SeaORM's; it is gone when this is done.
                let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with((**options).clone());
                let connection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
                let applied = apply_migrations(&connection).await;
                connection.close().await?;
                applied
            }
            Connections::Postgres { pool, .. } => apply_migrations(pool).await,
        }
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
        match self.connections {
            Connections::Sqlite { writer, checkpointer, .. } => {
                checkpointer.close().await?;
                // The last one to close writes the log back.
                writer.close().await
            }
            Connections::Postgres { writer, .. } => writer.close().await,
        }
    }
}

async fn apply_migrations(connection: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
    for statement in MAKE_HEAD {
        // Two replicas may make the table at the same moment: one of them is refused, and comes again.
        let made = connection.execute_unprepared(statement).await.map_err(StoreError::from);
        made.map_err(StoreError::or_busy)?;
    }
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let txn = connection.begin_with_options(options).await?;
    if txn.get_database_backend() == DatabaseBackend::Postgres {
        txn.execute_unprepared("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0").await?;
        txn.execute_unprepared("SELECT seq FROM ledger_head WHERE id = 1 FOR UPDATE").await?;
    }
    let pending = Migrator::get_pending_migrations(&txn).await?;
    Migrator::up(&txn, None).await?;
    txn.commit().await?;
    Ok(pending.iter().map(|migration| migration.name().to_owned()).collect())
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
