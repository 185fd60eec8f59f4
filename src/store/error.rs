//! What can go wrong between the daemon and its database, by what is to be done about it.

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};
use thiserror::Error;

/// An error of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database is away, full, too slow, will not take writes, or answers what nobody expects: answer 503, try later.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// Another process held the ledger for longer than `database.lock_timeout_ms`: answer 503, try later.
    #[error("another process holds the ledger")]
    Busy(#[source] Option<DbErr>),
    /// The connection was lost, or the server ended the transaction for reasons of its own, before it was committed:
    /// nothing was written, and a new transaction may succeed at once.
    #[error("the connection to the database was lost")]
    Lost(#[source] DbErr),
    /// The database did not say whether it committed. Answer 503: the same event again finds out.
    #[error("the database did not answer the commit")]
    Unanswered(#[source] DbErr),
    /// The schema is not there.
    #[error("the database is not migrated: run `referrald migrate`")]
    NotMigrated,
    /// Loading did not come to an end: an error of the program.
    #[error("the loaded facts lead to ever more facts")]
    Endless,
    /// The database refused the data itself: trying again will not help.
    #[error("the database refused the data")]
    Rejected(#[source] DbErr),
    /// A row holds a word that this version does not know.
    #[error("{table} {id} holds {value:?}, which this version does not know")]
    Corrupt {
        /// The table of the row.
        table: &'static str,
        /// Its key.
        id: String,
        /// The word.
        value: String,
    },
    /// There is no database where the settings say.
    #[error("{0} does not exist; is this the right directory?")]
    NoDatabase(String),
    /// The database may lose what it has acknowledged.
    #[error("{0}")]
    NotDurable(String),
}

impl StoreError {
    /// What is refused because another process has made the same at this moment will be there the next time.
    pub(super) fn or_busy(self) -> Self {
        if let Self::Rejected(error) = self { Self::Busy(Some(error)) } else { self }
    }

    /// True when the database answers and cannot write: its disk is full, its file or its server takes no writes.
    pub fn is_of_storage(&self) -> bool {
        match self {
            Self::Unavailable(error) | Self::Unanswered(error) => refusal(error).is_some_and(|refusal| {
                let code = refusal.code().unwrap_or_default();
                if is_of_sqlite(refusal) { is_sqlite_storage(&code) } else { is_postgres_storage(&code) }
            }),
            Self::Busy(_)
            | Self::Lost(_)
            | Self::NotMigrated
            | Self::Endless
            | Self::Rejected(_)
            | Self::Corrupt { .. }
            | Self::NoDatabase(_)
            | Self::NotDurable(_) => false,
        }
    }

    /// True when another process holds the ledger, or SQLite's file.
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match class(&error) {
            Class::Away => Self::Unavailable(error),
            Class::Busy => Self::Busy(Some(error)),
            Class::Lost => Self::Lost(error),
            Class::Rejected => Self::Rejected(error),
            Class::NotMigrated => Self::NotMigrated,
        }
    }
}

/// What is to be done about an error.
enum Class {
    Away,
    Busy,
    Lost,
    Rejected,
    NotMigrated,
}

fn class(error: &DbErr) -> Class {
    if let Some(refusal) = refusal(error) {
        let code = refusal.code().unwrap_or_default();
        return match is_of_sqlite(refusal) {
            true if refusal.message().starts_with("no such table") => Class::NotMigrated,
            true => of_sqlite(&code),
            false => of_postgres(&code),
        };
    }
    let is_lost = matches!(of_driver(error), Some(SqlxError::Io(_) | SqlxError::Protocol(_)));
    if is_lost { Class::Lost } else { Class::Away }
}

fn of_driver(error: &DbErr) -> Option<&SqlxError> {
    let (DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime)) = error else { return None };
    let RuntimeErr::SqlxError(cause) = runtime else { return None };
    Some(cause)
}

/// What the database itself said; `None` for everything between it and us.
fn refusal(error: &DbErr) -> Option<&dyn DatabaseError> {
    of_driver(error)?.as_database_error()
}

fn is_of_sqlite(refusal: &dyn DatabaseError) -> bool {
    refusal.try_downcast_ref::<SqliteError>().is_some()
}

/// By SQLSTATE: only what is said of the data itself (21, 22, 23, 54, and what triggers raise) is about the data. All else,
/// known or not, is the server's trouble or ours: an event is never blamed for it.
fn of_postgres(code: &str) -> Class {
    match (code, code.get(..2)) {
        // A lock that somebody else holds; a table, or its type, that somebody else makes at this moment.
        ("55P03" | "42P07" | "42710", _) => Class::Busy,
        ("42P01", _) => Class::NotMigrated,
        // A serialization failure, a deadlock, an administrator who ended the session, a connection that failed.
        ("40001" | "40P01" | "57P01", _) | (_, Some("08")) => Class::Lost,
        ("P0001", _) | (_, Some("21" | "22" | "23" | "54")) => Class::Rejected,
        (_, _) => Class::Away,
    }
}

/// By the primary result code, which is the low byte of the extended one.
fn of_sqlite(code: &str) -> Class {
    match code.parse::<u32>().map(|extended| extended & 0xff) {
        // BUSY, LOCKED
        Ok(5 | 6) => Class::Busy,
        // TOOBIG, CONSTRAINT, MISMATCH
        Ok(18..=20) => Class::Rejected,
        Ok(_) | Err(_) => Class::Away,
    }
}

/// READONLY, IOERR, FULL, CANTOPEN.
fn is_sqlite_storage(code: &str) -> bool {
    matches!(code.parse::<u32>().map(|extended| extended & 0xff), Ok(8 | 10 | 13 | 14))
}

/// Resources but connections, a transaction that may only read, trouble of the operating system.
fn is_postgres_storage(code: &str) -> bool {
    match (code, code.get(..2)) {
        ("53300", _) => false,
        ("25006", _) => true,
        (_, class) => matches!(class, Some("53" | "58")),
    }
}

/// The error of a stored value that this version does not understand.
pub fn corrupt(
    table: &'static str,
    id: &(impl ToString + ?Sized),
    value: &(impl ToString + ?Sized),
) -> StoreError {
    StoreError::Corrupt { table, id: id.to_string(), value: value.to_string() }
}
