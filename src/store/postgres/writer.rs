//! The one connection that changes the ledger on PostgreSQL, and its thread. It is none of the pool's: whoever comes back to the
//! pool is rolled back, asked whether it still lives and handed over by another task, and this one comes back with every batch.

use std::io::{Error as IoError, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use tokio::runtime::{Builder, Handle};

use crate::settings::DatabaseSettings;
use crate::store::error::{StoreError, connection_error, driver_error};
use crate::store::thread::WriterThread;

/// A connection that was in use a moment ago is taken without asking whether the server is still there: should it be
/// gone, the next statement says so.
pub const IDLE_UNTESTED: Duration = Duration::from_secs(1);
/// The server gives up a statement by itself after `database.statement_timeout_ms`; this much later its word must be here.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// A connection older than this is replaced: what its server process has cached goes with it.
const AGE_LIMIT: Duration = Duration::from_mins(30);

/// The connection that changes the ledger, while no transaction has it. Cheap to clone; its thread ends with the last clone.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: PgConnectOptions,
    acquire_timeout: Duration,
    answer_timeout: Duration,
    idle: Mutex<Option<Idle>>,
    thread: WriterThread,
}

#[derive(Debug)]
struct Idle {
    connection: Connected,
    since: Instant,
}

/// A connection that is in no transaction.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub connection: PgConnection,
    opened_at: Instant,
}

impl Writer {
    /// Starts the thread; the first transaction connects.
    ///
    /// # Errors
    /// [`StoreError::Thread`] when the system gives no thread.
    pub fn start(options: PgConnectOptions, settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let thread = WriterThread::start(Builder::new_current_thread().enable_all())?;
        let acquire_timeout = Duration::from_millis(settings.acquire_timeout_ms);
        let answer_timeout = Duration::from_millis(settings.statement_timeout_ms).saturating_add(ON_THE_WAY);
        Ok(Self(Arc::new(Inner { options, acquire_timeout, answer_timeout, idle: Mutex::new(None), thread })))
    }

    /// Waits for what the server answers, and not for ever: of a connection that was cut without a word nothing is ever heard.
    /// Elapsed, it counts as lost, and must not be asked again.
    pub(super) async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        let answered = tokio::time::timeout(self.0.answer_timeout, asked).await;
        let answered = answered.unwrap_or_else(|_elapsed| Err(IoError::from(ErrorKind::TimedOut).into()));
        answered.map_err(driver_error)
    }

    /// The runtime of the writer's thread, which sleeps until the database has answered: in any other one a task is handed
    /// from thread to thread with every answer, which takes longer than most answers do.
    pub fn runtime(&self) -> &Handle {
        self.0.thread.runtime()
    }

    /// Takes the connection; makes another one when there is none that lives.
    pub(super) async fn take(&self) -> Result<Connected, StoreError> {
        let idle = self.lock_idle().take();
        let ready = async {
            if let Some(Idle { mut connection, since }) = idle
                && connection.opened_at.elapsed() < AGE_LIMIT
                && (since.elapsed() < IDLE_UNTESTED || connection.connection.ping().await.is_ok())
            {
                return Ok(connection);
            }
            self.connect().await
        };
        let taken = tokio::time::timeout(self.0.acquire_timeout, ready).await;
        taken.map_err(|_elapsed| connection_error(sqlx::Error::PoolTimedOut))?
    }

    /// Connects in the writer's thread, whose runtime then watches the connection.
    async fn connect(&self) -> Result<Connected, StoreError> {
        let options = self.0.options.clone();
        let connection = self.runtime().spawn(async move { options.connect().await }).await;
        let connection = connection.map_err(|gone| StoreError::Thread(gone.into()))?;
        Ok(Connected { connection: connection.map_err(connection_error)?, opened_at: Instant::now() })
    }

    /// Gives back a connection that is in no transaction.
    pub(super) fn give_back(&self, connection: Connected) {
        *self.lock_idle() = Some(Idle { connection, since: Instant::now() });
    }

    /// Closes the connection in order.
    ///
    /// # Errors
    /// [`StoreError`] when the server is gone.
    pub async fn close(self) -> Result<(), StoreError> {
        let idle = self.lock_idle().take();
        let Some(Idle { connection, .. }) = idle else { return Ok(()) };
        connection.connection.close().await.map_err(connection_error)
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Option<Idle>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
