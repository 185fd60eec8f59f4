//! SQLite as it is written: one connection in the writer's thread.

pub mod rows;
pub mod statements;
mod transaction;
mod writer;

pub use transaction::SqliteTxn;
pub use writer::Writer;
