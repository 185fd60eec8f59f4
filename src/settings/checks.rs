//! What one value of the settings must fulfil. No error repeats a value that may be secret.

use std::fmt::Display;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::error::SettingsError;

pub(super) const HOUR_MS: u64 = 3_600_000;
pub(super) const HOUR_S: u64 = 3_600;
pub(super) const DAY_S: u32 = 86_400;
pub(super) const YEAR_S: u32 = 31_536_000;
/// Shorter secrets could be guessed or are a placeholder.
const SECRET_MIN_CHARS: usize = 16;

pub(super) fn is_short(secret: &SecretString) -> bool {
    secret.expose_secret().chars().count() < SECRET_MIN_CHARS
}

/// The text as a URL; the error does not repeat it.
pub(super) fn parse_url(key: &'static str, text: &str) -> Result<Url, SettingsError> {
    Url::parse(text).map_err(|source| SettingsError::NotAUrl { key, source })
}

pub(super) fn within<T: Copy + PartialOrd + Display>(
    key: &'static str,
    value: T,
    min: T,
    max: T,
) -> Result<(), SettingsError> {
    if (&min..=&max).contains(&&value) {
        return Ok(());
    }
    Err(SettingsError::OutOfRange {
        key,
        value: value.to_string(),
        min: min.to_string(),
        max: max.to_string(),
    })
}

pub(super) fn refuse(key: &'static str, reason: &str) -> Result<(), SettingsError> {
    Err(SettingsError::Refused { key, reason: reason.to_owned() })
}
