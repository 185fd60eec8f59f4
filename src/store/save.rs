//! Writing what a unit of work has changed, in one statement, and committing it. Knows no rule.

use super::batch::BatchUpsert;
use super::error::StoreError;
use super::head::{LedgerTxn, Next};
use super::source::Source;
use super::{
    claims, codes, commissions, customers, entries, inbox, invoices, payments, programs, promoters, referrals,
};
use crate::domain::ledger::{Changes, Stamp};

/// Writes the changes and commits them. Every row is either new or was loaded under the lock of the ledger, so an upsert
/// loses nothing.
///
/// # Errors
/// [`StoreError`] when the database is away or refuses a row; nothing is written then, unless it is
/// [`StoreError::Unanswered`].
pub async fn commit(txn: LedgerTxn, changes: &Changes) -> Result<(), StoreError> {
    let storage = txn.storage.clone();
    let ended = write(txn, changes).await;
    storage.note(ended.as_ref().copied());
    ended
}

async fn write(mut txn: LedgerTxn, changes: &Changes) -> Result<(), StoreError> {
    let mut batch = BatchUpsert::new(txn.txn.backend());
    collect(&mut batch, changes, &mut txn.next);
    match txn.txn.write(batch).await {
        Ok(()) => txn.commit(changes).await,
        // Dropped, the transaction takes the connection with it.
        Err(error @ StoreError::Lost(_)) => Err(error),
        Err(error) => {
            txn.undo().await;
            Err(error)
        }
    }
}

/// Adds the upserts of all families, and the raised head.
pub(super) fn collect(batch: &mut BatchUpsert, changes: &Changes, next: &mut Next) {
    let Stamp { at, .. } = next.stamp();
    // What later rows of other tables refer to comes first.
    programs::upsert(batch, changes, at);
    promoters::upsert(batch, changes, at);
    codes::upsert(batch, changes);
    inbox::upsert(batch, changes, next);
    invoices::upsert(batch, changes);
    payments::upsert(batch, changes);
    customers::upsert(batch, changes);
    claims::upsert(batch, changes);
    referrals::upsert(batch, changes);
    commissions::upsert(batch, changes);
    entries::upsert(batch, changes, next);
    batch.head(next.head());
}
