//! Values that rows of several tables hold. A word in a row that this version does not know is an error, never a guess.

use std::collections::BTreeSet;

use super::error::{StoreError, corrupt};
use crate::domain::{Currency, Customer};

/// Reads a currency column.
pub fn currency(table: &'static str, id: &str, code: &str) -> Result<Currency, StoreError> {
    Currency::parse(code).ok_or_else(|| corrupt(table, id, code))
}

/// Reads a customer column.
pub fn customer(table: &'static str, key: &str) -> Result<Customer, StoreError> {
    Customer::parse(key).ok_or_else(|| corrupt(table, key, key))
}

/// Reads a number that is never negative.
pub fn number(table: &'static str, id: &str, stored: i64) -> Result<u32, StoreError> {
    u32::try_from(stored).or(Err(corrupt(table, id, &stored)))
}

/// The Stripe customers among these names.
pub fn stripe_names(customers: &BTreeSet<Customer>) -> Vec<&str> {
    customers
        .iter()
        .filter_map(|customer| match customer {
            Customer::Stripe(id) => Some(id.as_str()),
            Customer::User(_) => None,
        })
        .collect()
}

/// The users among these names.
pub fn user_names(customers: &BTreeSet<Customer>) -> Vec<&str> {
    customers
        .iter()
        .filter_map(|customer| match customer {
            Customer::User(user) => Some(user.as_str()),
            Customer::Stripe(_) => None,
        })
        .collect()
}
