//! Set-wise statements over many tables at once, made from the entities; `shapes/*.sql` has them as they are sent.

mod column;
mod select;
#[cfg(test)]
mod tests;
mod upsert;

pub use select::{Answers, BatchSelect, Selection};
pub use upsert::{BatchUpsert, OnConflict, incoming};
