//! Reads one layer of settings, a TOML text or the environment, into checked values. The kinds are checked here and not
//! left to the deserializer, which would turn a number into a secret and quote the value in its error.

use std::collections::BTreeMap;
use std::ffi::OsString;

use config::{ConfigError, File, FileFormat, Source, Value, ValueKind};

use super::error::SettingsError;
use super::keys::{self, KEYS, Key, Kind};

/// The values of one layer, in the order in which they are to be applied.
pub(super) type Layer = Vec<(&'static Key, Value)>;

/// Names the settings file; read before all others and no key itself.
pub(super) const CONFIG_VARIABLE: &str = "REFERRALD_CONFIG";
const OWN_PREFIX: &str = "REFERRALD_";
const TEST_PREFIX: &str = "REFERRALD_TEST_";

/// The values of a TOML text. `origin` names it in errors.
pub(super) fn from_toml(text: &str, origin: &str) -> Result<Layer, SettingsError> {
    let tables =
        File::from_str(text, FileFormat::Toml).collect().map_err(|error| not_toml(&error, origin))?;
    let mut layer = Layer::new();
    // Sorted, so that of several mistakes the same one is always reported.
    for (table, value) in tables.into_iter().collect::<BTreeMap<_, _>>() {
        if !keys::is_table(&table) {
            return Err(unknown(&table, origin));
        }
        let ValueKind::Table(entries) = value.kind else {
            return Err(wrong_kind(&table, "a table", origin));
        };
        for (name, value) in entries.into_iter().collect::<BTreeMap<_, _>>() {
            let path = format!("{table}.{name}");
            let key = keys::find(&path).ok_or_else(|| unknown(&path, origin))?;
            check(key, &value.kind, origin)?;
            layer.push((key, Value::new(Some(&origin.to_owned()), value.kind)));
        }
    }
    Ok(layer)
}

/// The values of the environment, the common names first so that ours win over them.
pub(super) fn from_environment(variables: &BTreeMap<String, String>) -> Result<Layer, SettingsError> {
    let own: BTreeMap<String, &'static Key> = KEYS.iter().map(|key| (key.variable(), key)).collect();
    for name in variables.keys().filter(|name| is_setting(name)) {
        if !own.contains_key(name) {
            let guess = name.strip_prefix(OWN_PREFIX).unwrap_or(name).to_lowercase();
            let guess = guess.replace("__", ".");
            return Err(unknown(&guess, &origin_of(name)));
        }
    }
    let aliases = KEYS.iter().filter_map(|key| Some((key.alias?.to_owned(), key)));
    let mut layer = Layer::new();
    for (name, key) in aliases.chain(own) {
        // An empty variable counts as not set: that is what `${NAME:-}` in a compose file makes of a missing one.
        let text = variables.get(&name).map_or("", |text| text.trim());
        if !text.is_empty() {
            layer.push((key, parse(key, text, &origin_of(&name))?));
        }
    }
    Ok(layer)
}

/// The environment of this process as far as it may concern us; `std::env::vars` would panic on a foreign variable.
pub(super) fn of_process() -> Result<Vec<(String, String)>, SettingsError> {
    readable(std::env::vars_os())
}

/// Keeps the variables that we read; only those need to be UTF-8.
pub(super) fn readable(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, SettingsError> {
    let is_ours = |name: &str| {
        name == CONFIG_VARIABLE || is_setting(name) || KEYS.iter().any(|key| key.alias == Some(name))
    };
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok().filter(|name| is_ours(name))?, value)))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_bytes) => Err(SettingsError::NotUnicode { name }),
        })
        .collect()
}

fn is_setting(name: &str) -> bool {
    name.starts_with(OWN_PREFIX) && name != CONFIG_VARIABLE && !name.starts_with(TEST_PREFIX)
}

/// A value from the environment, where everything is text.
fn parse(key: &'static Key, text: &str, origin: &str) -> Result<Value, SettingsError> {
    let kind =
        match key.kind {
            Kind::Text | Kind::Address | Kind::Word(_) => ValueKind::from(text),
            Kind::Flag => match text {
                "true" => ValueKind::from(true),
                "false" => ValueKind::from(false),
                _ => return Err(wrong_kind(key.path, "true or false", origin)),
            },
            Kind::Whole => ValueKind::from(text.parse::<u64>().map_err(|source| {
                SettingsError::NotANumber { key: key.path, origin: origin.to_owned(), source }
            })?),
            Kind::List => ValueKind::from(entries(text)),
        };
    check(key, &kind, origin)?;
    Ok(Value::new(Some(&origin.to_owned()), kind))
}

fn entries(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

fn check(key: &'static Key, value: &ValueKind, origin: &str) -> Result<(), SettingsError> {
    let refuse = |expected: &str| Err(wrong_kind(key.path, expected, origin));
    match (key.kind, value) {
        (Kind::Text, ValueKind::String(_))
        | (Kind::Flag, ValueKind::Boolean(_))
        | (Kind::Whole, ValueKind::U64(_) | ValueKind::I64(0..)) => Ok(()),
        (Kind::List, ValueKind::Array(items))
            if items.iter().all(|item| matches!(item.kind, ValueKind::String(_))) =>
        {
            Ok(())
        }
        (Kind::Word(words), ValueKind::String(word)) if words.contains(&word.as_str()) => Ok(()),
        (Kind::Address, ValueKind::String(text)) => match text.parse::<std::net::SocketAddr>() {
            Ok(_address) => Ok(()),
            Err(source) => {
                Err(SettingsError::NotAnAddress { key: key.path, origin: origin.to_owned(), source })
            }
        },
        (Kind::Text | Kind::Address, _) => refuse("a string"),
        (Kind::Flag, _) => refuse("true or false"),
        (Kind::Whole, _) => refuse("a whole number, 0 or more"),
        (Kind::List, _) => refuse("a list of strings"),
        (Kind::Word(words), _) => refuse(&format!("one of {}", words.join(", "))),
    }
}

fn origin_of(variable: &str) -> String {
    format!("environment variable {}", variable.escape_debug())
}

fn wrong_kind(key: &str, expected: &str, origin: &str) -> SettingsError {
    SettingsError::WrongKind { key: key.to_owned(), expected: expected.to_owned(), origin: origin.to_owned() }
}

fn unknown(key: &str, origin: &str) -> SettingsError {
    SettingsError::UnknownKey { key: key.escape_debug().to_string(), origin: origin.to_owned() }
}

fn not_toml(error: &ConfigError, origin: &str) -> SettingsError {
    let text = error.to_string();
    let position = text.lines().next().and_then(|line| line.strip_prefix("TOML parse error"));
    // Some causes have no position and might quote the value, such as a number too large for the parser.
    let position = position.filter(|rest| rest.starts_with(" at line")).unwrap_or_default();
    SettingsError::NotToml { origin: origin.to_owned(), position: position.to_owned() }
}
