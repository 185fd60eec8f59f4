//! What can answer selections: the transaction that changes the ledger, and one that only reads.

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseTransaction};

use super::batch::{Answers, BatchSelect, json};
use super::error::StoreError;

/// A transaction that can be asked.
pub trait Source: Sync {
    /// The database.
    fn backend(&self) -> DatabaseBackend;

    /// Answers selections.
    ///
    /// # Errors
    /// [`StoreError`] when the database is away.
    fn answer(&self, batch: BatchSelect) -> impl Future<Output = Result<Answers, StoreError>> + Send;
}

impl Source for DatabaseTransaction {
    fn backend(&self) -> DatabaseBackend {
        self.get_database_backend()
    }

    async fn answer(&self, batch: BatchSelect) -> Result<Answers, StoreError> {
        let Some(statement) = json::selection(batch) else { return Ok(Answers::Nothing) };
        Ok(self.query_one_raw(statement).await?.map_or(Answers::Nothing, Answers::Json))
    }
}
