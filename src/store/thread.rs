//! The thread of the writer: it runs a runtime of its own, so that the writer of the intake lives in it as a task, beside the
//! steps of others. What the writer waits for wakes this thread, and no other one has to hand it over.

use std::thread::{self, ThreadId};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::error::StoreError;

/// A running thread. It ends when this is dropped.
#[derive(Debug)]
pub struct WriterThread {
    id: ThreadId,
    runtime: Handle,
    _running: oneshot::Sender<()>,
}

impl WriterThread {
    /// Starts the thread with what `builder` makes, which is a runtime of one thread.
    ///
    /// # Errors
    /// [`StoreError::Thread`] when the system gives no thread.
    pub fn start(builder: &mut Builder) -> Result<Self, StoreError> {
        let runtime = builder.build().map_err(StoreError::Thread)?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("ledger-writer".to_owned());
        // Ends in an error once the other side is dropped: that is the sign.
        let thread = thread.spawn(move || runtime.block_on(async { drop(ended.await) }));
        let id = thread.map_err(StoreError::Thread)?.thread().id();
        Ok(Self { id, runtime: handle, _running: running })
    }

    /// Its runtime.
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// True for whoever runs in it.
    pub fn is_current(&self) -> bool {
        thread::current().id() == self.id
    }
}
