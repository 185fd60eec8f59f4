//! What can go wrong between the daemon and its database, by what is to be done about it.

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
    /// Another transaction was in the way, or wrote the same event first: roll back and try the same again.
    #[error("another transaction was in the way")]
    Contention(#[source] Option<DbErr>),
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
    /// True when another process has the file of SQLite.
    pub fn is_locked(&self) -> bool {
        let Self::Unavailable(error) = self else { return false };
        let of_sqlite = refusal(error).filter(|refusal| is_of_sqlite(*refusal));
        let code = of_sqlite.and_then(|refusal| refusal.code()?.parse::<u32>().ok());
        // BUSY, LOCKED
        code.is_some_and(|extended| matches!(extended & 0xff, 5 | 6))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match verdict(&error) {
            Verdict::Away => Self::Unavailable(error),
            Verdict::InTheWay => Self::Contention(Some(error)),
            Verdict::Refused => Self::Rejected(error),
        }
    }
}

enum Verdict {
    Away,
    InTheWay,
    Refused,
}

fn verdict(error: &DbErr) -> Verdict {
    let Some(refusal) = refusal(error) else { return Verdict::Away };
    let code = refusal.code().unwrap_or_default();
    if is_of_sqlite(refusal) { of_sqlite(&code) } else { of_postgres(&code) }
}

/// What the database itself said; `None` for everything between it and us.
fn refusal(error: &DbErr) -> Option<&dyn DatabaseError> {
    let (DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime)) = error else { return None };
    let RuntimeErr::SqlxError(cause) = runtime else { return None };
    cause.as_database_error()
}

fn is_of_sqlite(refusal: &dyn DatabaseError) -> bool {
    refusal.try_downcast_ref::<SqliteError>().is_some()
}

/// By SQLSTATE: only what is said of the data itself (21, 22, 23, 54, and what triggers raise) is about the data. All else,
/// known or not, is the server's trouble or ours: an event is never blamed for it.
fn of_postgres(code: &str) -> Verdict {
    match (code, code.get(..2)) {
        ("40001" | "40P01" | "55P03", _) => Verdict::InTheWay,
        ("P0001", _) | (_, Some("21" | "22" | "23" | "54")) => Verdict::Refused,
        (_, _) => Verdict::Away,
    }
}

/// By the primary result code, which is the low byte of the extended one.
fn of_sqlite(code: &str) -> Verdict {
    match code.parse::<u32>().map(|extended| extended & 0xff) {
        // TOOBIG, CONSTRAINT, MISMATCH
        Ok(18..=20) => Verdict::Refused,
        Ok(_) | Err(_) => Verdict::Away,
    }
}
