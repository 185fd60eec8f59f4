//! Filling a book with everything that the facts at hand connect to, and writing what changed in it.

mod load;
mod save;

pub(super) use load::load;
pub use load::{Wanted, open};
pub use save::save;
