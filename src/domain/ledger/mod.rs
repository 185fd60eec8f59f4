//! The state machine of the ledger, without I/O.
//!
//! [`Needs`] says which facts are needed, the store fetches them into a [`State`] (`needs.rs` is the one place that knows
//! what depends on what); a [`UnitOfWork`] takes in events and acts over it: it merges facts (`merge.rs`), chooses
//! referrals (`attribute.rs`), gives reward slots (`slots.rs`) and posts differences (`settle.rs`); what it changed is
//! plain data, [`Changes`]. Events of a batch are applied one by one, so what is posted, and why, does not depend on how
//! events were batched.

mod acts;
mod administer;
mod attribute;
mod changes;
mod customers;
mod judge;
mod merge;
mod needs;
mod settle;
mod slots;
mod state;
mod unit;

pub use changes::{CatalogChanges, Changes};
pub use customers::Customers;
pub use judge::Judged;
pub use needs::{Fetched, Needs};
pub use settle::targets;
pub use slots::Assessor;
pub use state::{Group, Loaded, PromoterFacts, RewardSlot, State, Sums};
pub use unit::{Received, Stamp, UnitOfWork};
