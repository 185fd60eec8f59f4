//! Rows to domain values and back. A word in a row that this version does not know is an error, never a guess.

mod attribution;
mod facts;
mod ledger;
mod terms;

pub use attribution::*;
pub use facts::*;
pub use ledger::*;
pub use terms::*;

use super::error::StoreError;
use crate::domain::Currency;

/// The error of a word that is not known.
pub fn corrupt(
    table: &'static str,
    id: &(impl ToString + ?Sized),
    value: &(impl ToString + ?Sized),
) -> StoreError {
    StoreError::Corrupt { table, id: id.to_string(), value: value.to_string() }
}

/// Reads a currency column.
pub fn currency(table: &'static str, id: &str, code: &str) -> Result<Currency, StoreError> {
    Currency::parse(code).ok_or_else(|| corrupt(table, id, code))
}
