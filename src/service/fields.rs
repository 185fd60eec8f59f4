//! Fields of requests, checked at the door.

use super::error::{RefusalCode, ServiceError};
use crate::stripe::fields::is_name;

/// Letters of a code at most.
const CODE_LIMIT: usize = 64;
/// Characters of a text at most.
const TEXT_LIMIT: usize = 1_000;

/// A limit that a request names; without a value it is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit<T>(pub Option<T>);

/// An e-mail as it is compared: trimmed, lower case.
///
/// # Errors
/// [`ServiceError::Refused`] when it has no `@` or is too long.
pub fn normal_email(email: &str) -> Result<String, ServiceError> {
    let email = email.trim().to_lowercase();
    if is_name(&email) && email.contains('@') {
        Ok(email)
    } else {
        Err(invalid("email: an address of at most 255 characters with an @".to_owned()))
    }
}

/// A name that came from outside, trimmed.
///
/// # Errors
/// [`ServiceError::Refused`] when it is empty, too long, or has control characters.
pub fn name(field: &str, value: &str) -> Result<String, ServiceError> {
    let value = value.trim();
    if is_name(value) {
        Ok(value.to_owned())
    } else {
        Err(invalid(format!("{field}: 1 to 255 bytes, without control characters")))
    }
}

/// The id of a Stripe customer (`cus_…`) or account (`acct_…`), trimmed.
///
/// # Errors
/// [`ServiceError::Refused`] when it is of another form.
pub fn stripe_customer(field: &str, value: &str) -> Result<String, ServiceError> {
    stripe_id(field, value, &["cus_", "acct_"])
}

/// The id of a promotion code of Stripe (`promo_…`), trimmed.
///
/// # Errors
/// [`ServiceError::Refused`] when it is of another form.
pub fn promotion_code(field: &str, value: &str) -> Result<String, ServiceError> {
    stripe_id(field, value, &["promo_"])
}

fn stripe_id(field: &str, value: &str, prefixes: &[&str]) -> Result<String, ServiceError> {
    let value = value.trim();
    let rest = prefixes.iter().find_map(|prefix| value.strip_prefix(prefix));
    let is_id = |rest: &str| {
        !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
    };
    if rest.is_some_and(is_id) && is_name(value) {
        Ok(value.to_owned())
    } else {
        let forms: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}…")).collect();
        Err(invalid(format!("{field}: an id of Stripe, {}", forms.join(" or "))))
    }
}

/// A code that is made: 1 to 64 ASCII letters, digits, - and _, trimmed.
///
/// # Errors
/// [`ServiceError::Refused`] when it is of another form.
pub fn new_code(field: &str, value: &str) -> Result<String, ServiceError> {
    let value = value.trim();
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if (1..=CODE_LIMIT).contains(&value.len()) && value.chars().all(is_letter) {
        Ok(value.to_owned())
    } else {
        Err(invalid(format!("{field}: 1 to {CODE_LIMIT} letters (A to Z), digits, - and _")))
    }
}

/// A text of an operator, trimmed.
///
/// # Errors
/// [`ServiceError::Refused`] when it is empty, longer than 1000 characters, or has control characters.
pub fn text(field: &str, value: &str) -> Result<String, ServiceError> {
    let value = value.trim();
    let fits = (1..=TEXT_LIMIT).contains(&value.chars().count());
    if fits && !value.chars().any(char::is_control) {
        Ok(value.to_owned())
    } else {
        Err(invalid(format!("{field}: 1 to {TEXT_LIMIT} characters, none of them a control character")))
    }
}

/// The refusal of a field that is not of its form.
pub fn invalid(message: String) -> ServiceError {
    ServiceError::refused(RefusalCode::InvalidField, message)
}
