//! Which settings are read, which are refused, and that no refusal repeats a value.

mod durability;
mod loading;
mod malformed;
mod refusing;

use super::{Settings, SettingsError};

fn load(environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings::load_from(None, environment.iter().map(own))
}

fn load_file(text: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("referrald.toml");
    std::fs::write(&path, text).unwrap();
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings::load_from(Some(&path), environment.iter().map(own))
}

/// The text of a refusal with its sources, checked to be one line.
fn text<T: std::fmt::Debug>(result: Result<T, SettingsError>) -> String {
    let text = format!("{:#}", anyhow::Error::new(result.unwrap_err()));
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}
