//! Writing what a unit of work has changed, in one statement, and committing it. Knows no rule.

use super::batch::BatchUpsert;
use super::error::StoreError;
use super::head::LedgerTxn;
use super::{
    claims, codes, commissions, customers, entries, inbox, invoices, payments, programs, promoters, referrals,
};
use crate::domain::ledger::Changes;

/// Writes the changes and commits them. Every row is either new or was loaded under the lock of the ledger, so an upsert
/// loses nothing.
///
/// # Errors
/// [`StoreError`] when the database is away or refuses a row; nothing is written then, unless it is
/// [`StoreError::Unanswered`].
pub async fn commit(mut txn: LedgerTxn, changes: &Changes) -> Result<(), StoreError> {
    let mut batch = BatchUpsert::new(&txn.txn);
    // What later rows of other tables refer to comes first.
    programs::upsert(&mut batch, changes, txn.stamp().at)?;
    promoters::upsert(&mut batch, changes)?;
    codes::upsert(&mut batch, changes)?;
    inbox::upsert(&mut batch, changes, txn.stamp().now)?;
    invoices::upsert(&mut batch, changes)?;
    payments::upsert(&mut batch, changes)?;
    customers::upsert(&mut batch, changes)?;
    claims::upsert(&mut batch, changes)?;
    referrals::upsert(&mut batch, changes)?;
    commissions::upsert(&mut batch, changes)?;
    entries::upsert(&mut batch, changes, &mut txn)?;
    txn.raise(&mut batch);
    batch.write(&txn.txn).await?;
    txn.commit(changes).await
}
