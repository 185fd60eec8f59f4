//! Set-wise statements over many tables at once, made from the entities.

mod column;
mod select;
mod upsert;

pub use select::{Answers, BatchSelect, Selection};
pub use upsert::{BatchUpsert, OnConflict, incoming};
