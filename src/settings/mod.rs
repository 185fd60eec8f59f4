//! The settings: `config/default.toml` (compiled in) < a file < the environment. Read once at start, checked, and handed
//! down as values; nothing else reads the environment. What each key means stands in `config/default.toml`.

mod checks;
mod durability;
mod error;
mod keys;
mod layers;
mod stripe;
mod tables;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError};
use serde::Deserialize;

pub use error::SettingsError;
pub use tables::{
    ApiSettings, AttributionSettings, DatabaseSettings, HttpSettings, IntakeSettings, LogFormat, LogSettings,
    RedriveSettings, RetentionSettings, StripeSettings,
};

/// The reference of all keys and their defaults.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// All settings. `Debug` is safe to log: what may be secret is redacted by its type.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The server.
    pub http: HttpSettings,
    /// Where the ledger is kept.
    pub database: DatabaseSettings,
    /// The Stripe account.
    pub stripe: StripeSettings,
    /// The way of an event into the database.
    pub intake: IntakeSettings,
    /// The loop that settles parked events.
    pub redrive: RedriveSettings,
    /// What is dropped when it is old.
    pub retention: RetentionSettings,
    /// How a customer is matched with a promoter.
    pub attribution: AttributionSettings,
    /// The operator's API.
    #[serde(default)]
    pub api: ApiSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

impl Settings {
    /// Reads all layers. `config_file` is the `--config` argument; without it `REFERRALD_CONFIG` names the file, and
    /// without both there is none. The result is well-formed but not yet [validated](Self::validate_common).
    ///
    /// # Errors
    /// When the file cannot be read, a key is unknown, or a value is of the wrong kind.
    pub fn load(config_file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::load_from(config_file, layers::of_process()?)
    }

    /// Like [`Self::load`], with the environment as an argument.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_from(
        config_file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let named =
            || environment.get(layers::CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let mut values = layers::from_toml(DEFAULTS, "the compiled-in defaults")?;
        if let Some(path) = config_file.map(Path::to_path_buf).or_else(named) {
            values.extend(read_file(path)?);
        }
        values.extend(layers::from_environment(&environment)?);
        assemble(values)
    }
}

fn read_file(path: PathBuf) -> Result<layers::Layer, SettingsError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => layers::from_toml(&text, &format!("file {}", path.display())),
        Err(source) => Err(SettingsError::ReadFile { path, source }),
    }
}

/// Later values replace earlier ones, lists as a whole.
fn assemble(values: layers::Layer) -> Result<Settings, SettingsError> {
    let mut builder = Config::builder();
    let mut origins = BTreeMap::new();
    for (key, value) in values {
        origins.insert(key.path, value.origin().unwrap_or_default().to_owned());
        builder = builder.set_override(key.path, value).map_err(|error| unfit(&error, &origins))?;
    }
    builder.build().and_then(Config::try_deserialize).map_err(|error| unfit(&error, &origins))
}

/// The kinds are known to be right by now, so this is a number too large for its field. The library's own text quotes the
/// value and is not taken over.
fn unfit(error: &ConfigError, origins: &BTreeMap<&str, String>) -> SettingsError {
    let (key, expected) = if let ConfigError::Type { key: Some(key), expected, .. } = error {
        (key.as_str(), *expected)
    } else {
        ("settings", "values that fit together")
    };
    SettingsError::WrongKind {
        key: key.to_owned(),
        expected: expected.to_owned(),
        origin: origins.get(key).map_or("all layers", String::as_str).to_owned(),
    }
}
