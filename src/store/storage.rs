//! Whether what was written last could be written: a full disk is noticed when a commit fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::StoreError;

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

    /// True after a commit that failed because the database could not write, until a write succeeds.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }
}
