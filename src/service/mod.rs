//! The business acts: each is one transaction, and does the same when it is repeated.

pub mod backoff;
mod contention;
pub mod error;
pub mod post_events;
pub mod programs;
pub mod redrive;
pub mod refer;
pub mod replay;
pub mod show;
pub mod verify;

pub use crate::store::Database;
pub use error::ServiceError;
