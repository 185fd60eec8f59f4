//! A transaction with a book: lock, fill, apply, and again with more when something was lacking.

use sea_orm::{ConnectionTrait, DatabaseBackend};

use super::load::load;
use super::wanted::Wanted;
use crate::domain::Book;
use crate::store::database::{Database, Txn};
use crate::store::error::StoreError;
use crate::store::lock::{Keys, lock};

/// How often a transaction is begun again because reading, or what was applied, showed keys that it had not locked. The
/// connections of a payment are followed to their end each time, so the second attempt is the rule and a third one rare.
const OPEN_ATTEMPTS: u32 = 8;

/// Begins a transaction that holds the locks of everything that `wanted` connects to, fills a book with it, and applies
/// `act` to the book. Nothing is written yet. `act` may be called several times, each time with a fresh book.
///
/// What connects is only known after reading, and may only be read under its lock: when reading shows a key that is not
/// locked, the transaction is rolled back and begun again with the larger set, so that locks are always taken in one
/// order. The same is done when applying shows that more is needed: all invoices of a referral whose place in a limited
/// program moved, for one.
///
/// # Errors
/// [`StoreError::Contention`] when the set keeps growing; otherwise as the database or `act` answers.
pub async fn transact<T, E: From<StoreError>>(
    db: &Database,
    mut wanted: Wanted,
    act: impl Fn(&mut Book) -> Result<T, E>,
) -> Result<(Txn, Book, T), E> {
    db.memory().add_promoters(&mut wanted);
    for _ in 0..OPEN_ATTEMPTS {
        let txn = db.begin().await?;
        lock(&txn, &wanted.keys).await?;
        let mut loaded = load(&txn, &wanted).await?;
        if wanted.new_code.is_none() {
            db.memory().remember(&loaded.book);
        }
        let is_alone = txn.get_database_backend() == DatabaseBackend::Sqlite;
        if is_alone || wanted.keys.covers(&loaded.keys) {
            let result = act(&mut loaded.book)?;
            let promoters_locked = is_alone || wanted.keys.everything || {
                wanted.keys.promoters.is_superset(&loaded.book.lacking.promoters)
            };
            if promoters_locked && Wanted::is_filled(&loaded.book.lacking) {
                return Ok((txn, loaded.book, result));
            }
        }
        txn.rollback().await.map_err(StoreError::from)?;
        wanted.keys.extend(&loaded.keys);
        wanted.add(loaded.book.lacking);
    }
    Err(StoreError::Contention(None).into())
}

/// Begins a transaction that excludes every other one: for what an operator changes seldom, and all claims are judged by.
///
/// # Errors
/// [`StoreError`] as the database answers.
pub async fn begin_alone(db: &Database) -> Result<Txn, StoreError> {
    let txn = db.begin().await?;
    lock(&txn, &Keys { everything: true, ..Keys::default() }).await?;
    Ok(txn)
}

/// Like [`transact`], in a transaction of [`begin_alone`]: what it has written already is seen by the book.
///
/// # Errors
/// As the database or `act` answers.
pub async fn apply_alone<T, E: From<StoreError>>(
    txn: &Txn,
    mut wanted: Wanted,
    act: impl Fn(&mut Book) -> Result<T, E>,
) -> Result<(Book, T), E> {
    for _ in 0..OPEN_ATTEMPTS {
        let mut book = load(txn, &wanted).await?.book;
        let result = act(&mut book)?;
        if Wanted::is_filled(&book.lacking) {
            return Ok((book, result));
        }
        wanted.add(book.lacking);
    }
    Err(StoreError::Contention(None).into())
}
