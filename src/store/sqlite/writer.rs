//! The one connection that writes SQLite, and its thread. Whoever writes in that thread calls SQLite directly: from any other
//! thread each step is handed over, and handing over takes longer than most steps do.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::runtime::{Builder, Handle};

use crate::store::driver::STATEMENTS_KEPT;
use crate::store::error::StoreError;
use crate::store::thread::WriterThread;

/// Pages of the log (64 MB) at which a transaction itself writes them back. Until then that is done beside it
/// (`Database::checkpoint`): it takes longer than many a batch.
const LOG_PAGES: u32 = 16_384;
/// KiB of pages that the connection keeps: what a batch touches of a large ledger, so that it is read from the file once.
const CACHE_KIB: u32 = 4_096;

/// The connection that writes. Cheap to clone; its thread ends with the last clone.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connection: Mutex<Open>,
    thread: WriterThread,
}

/// The connection, and the number of the transaction that was begun last: nobody can end another one's.
#[derive(Debug)]
pub struct Open {
    connection: Option<Connection>,
    pub(super) transaction: u64,
}

impl Writer {
    /// Opens a file, makes it when it is not there, and starts the thread. A lock that another process has is waited for as
    /// long as `busy` says.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened, or another process turns on WAL at this moment.
    pub fn open(file: &Path, busy: Duration) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection.busy_timeout(busy)?;
        // `temp_store`: what a statement of many rows may have to undo.
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = {LOG_PAGES}; PRAGMA cache_size = -{CACHE_KIB}"
        ))?;
        Self::start(connection)
    }

    fn start(connection: Connection) -> Result<Self, StoreError> {
        let thread = WriterThread::start(Builder::new_current_thread().enable_time())?;
        let connection = Mutex::new(Open { connection: Some(connection), transaction: 0 });
        Ok(Self(Arc::new(Inner { connection, thread })))
    }

    /// The runtime of the writer's thread: what is spawned there calls SQLite directly.
    pub fn runtime(&self) -> &Handle {
        self.0.thread.runtime()
    }

    /// Does something with the connection in its thread, at once when this is that thread. It is done to its end, whatever
    /// becomes of the caller.
    pub(super) async fn run<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Open) -> Result<T, StoreError> + Send + 'static,
    {
        if self.0.thread.is_current() {
            return act(&mut self.open_connection());
        }
        let writer = self.clone();
        let done = self.runtime().spawn(async move { act(&mut writer.open_connection()) });
        done.await.map_err(|gone| StoreError::Thread(gone.into()))?
    }

    /// Like [`Self::run`] for whoever cannot wait.
    pub(super) fn run_later(&self, act: impl FnOnce(&mut Open) + Send + 'static) {
        if self.0.thread.is_current() {
            act(&mut self.open_connection());
            return;
        }
        let writer = self.clone();
        self.runtime().spawn(async move { act(&mut writer.open_connection()) });
    }

    /// What a panic has left behind is rolled back by the next transaction.
    fn open_connection(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection; when it is the last one, SQLite writes its log back.
    ///
    /// # Errors
    /// [`StoreError`] when it does not close in order.
    pub async fn close(self) -> Result<(), StoreError> {
        self.run(|open| match open.connection.take() {
            Some(connection) => connection.close().map_err(|(_, error)| error.into()),
            None => Ok(()),
        })
        .await
    }
}

impl Open {
    /// The connection, while it is open.
    pub(super) fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or_else(|| StoreError::Closed)
    }
}
