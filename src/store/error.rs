//! What can go wrong between the daemon and its database, by what is to be done about it.

use sea_orm::{DbErr, RuntimeErr, sqlx};
use thiserror::Error;

/// An error of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database is away, full, too slow, or will not take writes: answer 503, try later.
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
    /// The database may lose what it has acknowledged.
    #[error("{0}")]
    NotDurable(String),
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
    let (DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime)) = error else {
        return if matches!(error, DbErr::ConnectionAcquire(_)) { Verdict::Away } else { Verdict::Refused };
    };
    let RuntimeErr::SqlxError(cause) = runtime else { return Verdict::Away };
    if let sqlx::Error::Database(refusal) = cause.as_ref() {
        let code = refusal.code().unwrap_or_default();
        return if refusal.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
            of_sqlite(&code)
        } else {
            of_postgres(&code)
        };
    }
    let is_away = matches!(
        cause.as_ref(),
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed
            | sqlx::Error::WorkerCrashed
    );
    if is_away { Verdict::Away } else { Verdict::Refused }
}

/// By SQLSTATE: connections, resources, shutdown, system and timeouts are the server's trouble, not the data's.
fn of_postgres(code: &str) -> Verdict {
    match code {
        "40001" | "40P01" | "55P03" => Verdict::InTheWay,
        "25006" => Verdict::Away,
        _ => match code.get(..2) {
            Some("08" | "53" | "57" | "58" | "XX") => Verdict::Away,
            _ => Verdict::Refused,
        },
    }
}

/// By the primary result code, which is the low byte of the extended one.
fn of_sqlite(code: &str) -> Verdict {
    match code.parse::<u32>().map(|extended| extended & 0xff) {
        // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB
        Ok(5..=11 | 13..=15 | 26) => Verdict::Away,
        Ok(_) | Err(_) => Verdict::Refused,
    }
}
