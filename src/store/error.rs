//! What can go wrong between the daemon and its database, by what is to be done about it.

use std::borrow::Cow;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr};
use thiserror::Error;

/// What a database or its driver says.
#[derive(Debug, Error)]
#[error(transparent)]
pub enum Cause {
    /// By way of SeaORM.
    Orm(#[from] DbErr),
    /// On the connection that writes SQLite.
    Sqlite(#[from] rusqlite::Error),
}

/// An error of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database is away, full, too slow, will not take writes, or answers what nobody expects: answer 503, try later.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// Another process held the ledger for longer than `database.lock_timeout_ms`: answer 503, try later.
    #[error("another process holds the ledger")]
    Busy(#[source] Option<Cause>),
    /// The connection was lost, or the server ended the transaction for reasons of its own, before it was committed:
    /// nothing was written, and a new transaction may succeed at once.
    #[error("the connection to the database was lost")]
    Lost(#[source] Cause),
    /// The database did not say whether it committed. Answer 503: the same event again finds out.
    #[error("the database did not answer the commit")]
    Unanswered(#[source] Cause),
    /// The connection was closed, or the transaction was ended, before.
    #[error("the connection to the database is closed")]
    Closed,
    /// The thread that writes could not be started, or ended in a panic.
    #[error("the thread that writes the database is not there")]
    Thread(#[source] std::io::Error),
    /// The schema is not there.
    #[error("the database is not migrated: run `referrald migrate`")]
    NotMigrated,
    /// Loading did not come to an end: an error of the program.
    #[error("the loaded facts lead to ever more facts")]
    Endless,
    /// The database refused the data itself: trying again will not help.
    #[error("the database refused the data")]
    Rejected(#[source] Cause),
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
            Self::Unavailable(cause) | Self::Unanswered(cause) => match refusal(cause) {
                Some(Refusal::Sqlite { code, .. }) => is_sqlite_storage(code),
                Some(Refusal::Postgres { code }) => is_postgres_storage(&code),
                None => false,
            },
            Self::Busy(_)
            | Self::Closed
            | Self::Thread(_)
            | Self::Lost(_)
            | Self::NotMigrated
            | Self::Endless
            | Self::Rejected(_)
            | Self::Corrupt { .. }
            | Self::NoDatabase(_)
            | Self::NotDurable(_) => false,
        }
    }

    /// The error of a commit: nobody knows whether it happened.
    pub(super) fn unanswered(self) -> Self {
        match self {
            Self::Unavailable(cause)
            | Self::Lost(cause)
            | Self::Rejected(cause)
            | Self::Busy(Some(cause)) => Self::Unanswered(cause),
            Self::Busy(None)
            | Self::Unanswered(_)
            | Self::Closed
            | Self::Thread(_)
            | Self::NotMigrated
            | Self::Endless
            | Self::Corrupt { .. }
            | Self::NoDatabase(_)
            | Self::NotDurable(_) => self,
        }
    }

    /// True when another process holds the ledger, or SQLite's file.
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        Cause::Orm(error).into()
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Cause::Sqlite(error).into()
    }
}

impl From<Cause> for StoreError {
    fn from(cause: Cause) -> Self {
        match class(&cause) {
            Class::Away => Self::Unavailable(cause),
            Class::Busy => Self::Busy(Some(cause)),
            Class::Lost => Self::Lost(cause),
            Class::Rejected => Self::Rejected(cause),
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

fn class(cause: &Cause) -> Class {
    match refusal(cause) {
        Some(Refusal::Sqlite { no_table: true, .. }) => return Class::NotMigrated,
        Some(Refusal::Sqlite { code, .. }) => return of_sqlite(code),
        Some(Refusal::Postgres { code }) => return of_postgres(&code),
        None => {}
    }
    let is_lost = matches!(of_driver(cause), Some(SqlxError::Io(_) | SqlxError::Protocol(_)));
    if is_lost { Class::Lost } else { Class::Away }
}

/// What the database itself said.
enum Refusal<'e> {
    /// The primary result code, and whether a table is missing.
    Sqlite { code: u32, no_table: bool },
    /// The SQLSTATE.
    Postgres { code: Cow<'e, str> },
}

/// What SQLite says of a table that is not there.
const NO_TABLE: &str = "no such table";

/// `None` for everything between the database and us.
fn refusal(cause: &Cause) -> Option<Refusal<'_>> {
    if let Cause::Sqlite(error) = cause {
        let code = u32::try_from(error.sqlite_error()?.extended_code).unwrap_or_default();
        return Some(Refusal::Sqlite {
            code: code & 0xff,
            no_table: error.to_string().starts_with(NO_TABLE),
        });
    }
    let refusal = of_driver(cause)?.as_database_error()?;
    let code = refusal.code().unwrap_or_default();
    if refusal.try_downcast_ref::<SqliteError>().is_none() {
        return Some(Refusal::Postgres { code });
    }
    let code = code.parse::<u32>().unwrap_or_default() & 0xff;
    Some(Refusal::Sqlite { code, no_table: refusal.message().starts_with(NO_TABLE) })
}

fn of_driver(cause: &Cause) -> Option<&SqlxError> {
    let Cause::Orm(DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime)) = cause else {
        return None;
    };
    let RuntimeErr::SqlxError(error) = runtime else { return None };
    Some(error)
}

/// The error of a statement that was sent by the driver itself.
pub(super) fn driver_error(error: SqlxError) -> StoreError {
    DbErr::Query(RuntimeErr::SqlxError(error.into())).into()
}

/// The error of a connection that is not to be had.
pub(super) fn connection_error(error: SqlxError) -> StoreError {
    StoreError::Unavailable(DbErr::Conn(RuntimeErr::SqlxError(error.into())).into())
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
const fn of_sqlite(code: u32) -> Class {
    match code {
        // BUSY, LOCKED
        5 | 6 => Class::Busy,
        // TOOBIG, CONSTRAINT, MISMATCH
        18..=20 => Class::Rejected,
        _ => Class::Away,
    }
}

/// READONLY, IOERR, FULL, CANTOPEN.
const fn is_sqlite_storage(code: u32) -> bool {
    matches!(code, 8 | 10 | 13 | 14)
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
