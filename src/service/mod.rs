//! The business acts: each is one transaction, and does the same when it is repeated.

pub mod backoff;
pub mod codes;
mod contention;
pub mod error;
pub mod explain;
pub mod fields;
pub mod post_events;
pub mod programs;
pub mod promoters;
pub mod redrive;
pub mod refer;
pub mod referrals;
pub mod replay;
pub mod retention;
pub mod show;
pub mod verify;
pub mod views;

pub use crate::store::Database;
pub use error::ServiceError;
