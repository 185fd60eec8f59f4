//! Fields of requests, checked at the door.

use super::error::{RefusalCode, ServiceError};
use crate::stripe::fields::is_name;

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
        Err(invalid(format!("{field}: 1 to 255 printable characters")))
    }
}

/// A text of an operator, trimmed.
///
/// # Errors
/// [`ServiceError::Refused`] when it is empty, longer than [`TEXT_LIMIT`] characters, or has control characters.
pub fn text(field: &str, value: &str) -> Result<String, ServiceError> {
    let value = value.trim();
    let fits = (1..=TEXT_LIMIT).contains(&value.chars().count());
    if fits && !value.chars().any(char::is_control) {
        Ok(value.to_owned())
    } else {
        Err(invalid(format!("{field}: 1 to {TEXT_LIMIT} printable characters")))
    }
}

/// The refusal of a field that is not of its form.
pub fn invalid(message: String) -> ServiceError {
    ServiceError::refused(RefusalCode::InvalidField, message)
}
