//! Reading one moment of the ledger, without its lock.

use entity::invoice;
use sea_orm::{
    AccessMode, ColumnTrait, DatabaseBackend, DatabaseTransaction, EntityTrait, IsolationLevel, QueryFilter,
    QueryOrder, QuerySelect, TransactionTrait,
};

use super::database::Database;
use super::error::StoreError;
use super::fetch::load;
use super::memory::Memory;
use crate::domain::InvoiceId;
use crate::domain::ledger::{Needs, State};

/// A transaction that sees one moment of the database and writes nothing.
#[derive(Debug)]
pub struct Snapshot {
    /// The transaction.
    pub txn: DatabaseTransaction,
    memory: Memory,
}

impl Snapshot {
    /// Begins to read.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    pub async fn of(db: &Database) -> Result<Self, StoreError> {
        let reader = db.reader();
        let txn = if reader.get_database_backend() == DatabaseBackend::Postgres {
            let (isolation, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
            reader.begin_with_config(Some(isolation), Some(access)).await?
        } else {
            reader.begin().await?
        };
        Ok(Self { txn, memory: Memory::bounded(usize::MAX) })
    }

    /// Loads what is needed, and all that it depends on.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away, or a row cannot be read.
    pub async fn load(&mut self, needs: Needs) -> Result<State, StoreError> {
        let mut state = State::default();
        state.require(needs);
        load(&self.txn, &mut self.memory, &mut state).await?;
        Ok(state)
    }

    /// A page of the ids of paid invoices.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    pub async fn invoice_ids(
        &self,
        after: Option<&InvoiceId>,
        limit: u64,
    ) -> Result<Vec<InvoiceId>, StoreError> {
        let mut query = invoice::Entity::find().select_only().column(invoice::Column::Id);
        if let Some(after) = after {
            query = query.filter(invoice::Column::Id.gt(after.as_str()));
        }
        let ids = query.order_by_asc(invoice::Column::Id).limit(limit);
        let ids = ids.into_tuple::<String>().all(&self.txn).await?;
        Ok(ids.into_iter().map(InvoiceId::new).collect())
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    pub async fn end(self) -> Result<(), StoreError> {
        Ok(self.txn.rollback().await?)
    }
}
