//! The business acts: each is one [`ledger::change`], and does the same when it is repeated; [`queries`] is all reading.

pub mod backoff;
pub mod codes;
pub mod error;
pub mod fields;
pub mod inbound;
pub mod ledger;
pub mod lookups;
pub mod post_events;
pub mod programs;
pub mod promoters;
pub mod queries;
pub mod redrive;
pub mod referrals;
pub mod replay;
pub mod retention;
pub mod tally;

pub use error::ServiceError;
