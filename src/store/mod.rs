//! Every SQL statement, and the way between rows and domain values. Nothing here decides anything.
//!
//! [`database`] connects and begins transactions; [`lock`] takes the locks of a transaction in one order;
//! [`book`] fills a [`crate::domain::Book`] by `ask` and writes its changes by `tell`, each many tables at once; the rest
//! is one file a topic.

pub mod admin;
mod ask;
pub mod book;
pub mod codes;
mod column;
pub mod database;
pub mod error;
pub mod events;
pub mod ledger;
pub mod lock;
pub mod referrals;
mod rows;
mod select;
mod tell;

pub use database::{Database, Txn};
pub use error::StoreError;
