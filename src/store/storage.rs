//! Whether the database can write. A full disk is noticed when a commit fails; from then on a small write of its own finds
//! out when there is room again, so that nobody has to send events for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::{ConnectionTrait, Statement};

use super::database::Database;
use super::error::StoreError;

/// Bytes of the write that finds out whether there is room again: as much as a batch of events takes.
const PROBE_BYTES: usize = 65_536;

/// What is known of the last write.
#[derive(Debug, Clone, Default)]
pub struct Storage {
    has_failed: Arc<AtomicBool>,
}

impl Storage {
    /// Notes how a commit ended. An error of another kind says nothing about the storage.
    pub(super) fn note(&self, ended: Result<(), &StoreError>) {
        match ended {
            Ok(()) => self.has_failed.store(false, Ordering::Relaxed),
            Err(error) if error.is_of_storage() => self.has_failed.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
    }
}

impl Database {
    /// True when the database answers, has every migration of this version, and can write as far as is known.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer, or cannot write.
    pub async fn is_ready(&self) -> Result<bool, StoreError> {
        let is_migrated = self.is_migrated().await?;
        if is_migrated {
            self.check_storage().await?;
        }
        Ok(is_migrated)
    }

    /// Does nothing while what was written last could be written; after it could not, tries to write.
    async fn check_storage(&self) -> Result<(), StoreError> {
        if !self.storage.has_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let ended = self.write_probe().await;
        self.storage.note(ended.as_ref().copied());
        ended
    }

    async fn write_probe(&self) -> Result<(), StoreError> {
        let txn = self.begin().await?;
        let sql = "INSERT INTO write_probe (id, bytes) VALUES (1, $1) \
                   ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes";
        let bytes = vec![1_u8; PROBE_BYTES];
        let probe = Statement::from_sql_and_values(txn.get_database_backend(), sql, [bytes.into()]);
        txn.execute_raw(probe).await?;
        Ok(txn.commit().await?)
    }
}
