//! Filling a book with everything that the facts at hand connect to, and writing what changed in it.

mod connections;
mod load;
mod load_terms;
mod loader;
mod predict;
mod save;
mod transact;
mod wanted;

pub(super) use load::load;
pub use predict::Memory;
pub use save::save;
pub use transact::{apply_alone, begin_alone, transact};
pub use wanted::Wanted;
