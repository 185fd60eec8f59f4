//! The state machine of the ledger, without I/O.
//!
//! [`Needs`] says which facts are needed, the store fetches them into a [`State`] (`dependencies.rs` is the one place
//! that knows what depends on what); a [`UnitOfWork`] takes in events and acts over it: it merges facts (`merge.rs`), chooses
//! referrals (`attribute.rs`), gives reward slots (`slots.rs`) and posts differences (`settle.rs`); what it changed is
//! plain data, [`Changes`]. Events of a batch are applied one by one, so what is posted, and why, does not depend on how
//! events were batched.

mod acts;
mod administer;
mod assessor;
mod attribute;
mod changes;
mod customers;
mod dependencies;
mod fetched;
mod judge;
mod merge;
mod needs;
mod receive;
mod settle;
mod slots;
mod state;
mod unit;
mod values;

pub use assessor::Assessor;
pub use changes::{CatalogChanges, Changes};
pub use customers::Customers;
pub use fetched::Fetched;
pub use judge::Judged;
pub use needs::Needs;
pub use receive::Received;
pub use settle::targets;
pub use state::{Loaded, State};
pub use unit::{Stamp, UnitOfWork};
pub use values::{Group, PromoterFacts, RewardSlot, Sums};
