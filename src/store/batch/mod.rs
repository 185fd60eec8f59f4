//! What a transaction reads and writes, as plain data over the tables of the entities. PostgreSQL gets it as one statement over
//! many tables ([`json`]), because every way to it and back costs more than the looking up; SQLite, which is called in the
//! writer's own thread, gets a prepared statement a table (`store::sqlite`). `shapes/*.sql` has both as they are sent.

mod column;
pub mod json;
mod select;
#[cfg(test)]
mod tests;
mod upsert;

pub use column::{Column, Holds, columns};
pub use select::{Answers, BatchSelect, Selection, Table};
pub use upsert::{BatchUpsert, OnConflict, Step, Write};
