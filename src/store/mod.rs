//! Every SQL statement, and the way between rows and domain values. Nothing here decides anything.
//!
//! [`database`] connects; [`head`] begins and ends the transactions that change the ledger, under its one lock; `fetch`
//! reads what the domain says it needs, `save` writes what it has changed, each many tables in one statement (`batch`);
//! [`memory`] keeps what claims are judged by. The rest is one file a family of tables: its selections, its upserts, and
//! the way between its rows and values side by side.

mod batch;
pub mod claims;
pub mod codes;
pub mod commissions;
pub mod customers;
pub mod database;
mod driver;
pub mod entries;
pub mod error;
pub mod events;
mod fetch;
pub mod head;
pub mod inbox;
mod invoices;
pub mod lookups;
pub mod memory;
pub mod packing;
pub mod payloads;
mod payments;
mod postgres;
pub mod programs;
pub mod promoters;
mod readiness;
pub mod referrals;
mod save;
mod select;
pub mod snapshot;
mod source;
mod sqlite;
mod storage;
mod thread;
mod transaction;
mod values;

pub use database::Database;
pub use error::StoreError;
pub use fetch::load;
pub use postgres::PLANNER;
pub use save::commit;
