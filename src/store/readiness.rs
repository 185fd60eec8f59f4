//! Whether the database should get work. After a commit that failed for want of room a write of its own finds out when there
//! is room again, so that nobody has to send events for it.

use sea_orm::Statement;

use super::database::Database;
use super::error::StoreError;

/// Bytes of that write: as much as a batch of events takes.
const PROBE_BYTES: usize = 65_536;

/// Connections that a server which has started anew may have left in the pool.
const LOST_CONNECTIONS: u32 = 16;

impl Database {
    /// True when the database answers, has every migration of this version, and can write as far as is known.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer, or cannot write.
    pub async fn is_ready(&self) -> Result<bool, StoreError> {
        let mut tries = LOST_CONNECTIONS;
        loop {
            match self.is_ready_now().await {
                // The connection was lost, and not the database: it is gone from the pool, and the next one tells.
                Err(StoreError::Lost(_)) if tries > 0 => tries = tries.saturating_sub(1),
                told => return told,
            }
        }
    }

    async fn is_ready_now(&self) -> Result<bool, StoreError> {
        let is_migrated = self.is_migrated().await?;
        if is_migrated {
            self.check_storage().await?;
        }
        Ok(is_migrated)
    }

    /// Does nothing while what was written last could be written; after it could not, tries to write.
    async fn check_storage(&self) -> Result<(), StoreError> {
        if !self.storage.has_failed() {
            return Ok(());
        }
        let ended = self.write_probe().await;
        self.storage.note(ended.as_ref().copied());
        ended
    }

    async fn write_probe(&self) -> Result<(), StoreError> {
        let sql = "INSERT INTO write_probe (id, bytes) VALUES (1, $1) \
                   ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes";
        let bytes = vec![1_u8; PROBE_BYTES];
        let probe = Statement::from_sql_and_values(self.backend(), sql, [bytes.into()]);
        self.bookkeep(probe).await.map(drop)
    }
}
