//! Why settings are refused. Every text is one line that names the key, and none repeats a value that might be a secret:
//! that is why parser errors that quote their input are not kept as a source.

use std::path::PathBuf;

/// A reason not to start.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file of `--config` or `REFERRALD_CONFIG` cannot be read.
    #[error("cannot read the settings file {}", path.display())]
    ReadFile {
        /// The file as it was named.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML. The parser's own text quotes the line, so only the position is kept.
    #[error("{origin} is not valid TOML{position}")]
    NotToml {
        /// Which file.
        origin: String,
        /// ` at line N, column M`, or nothing when the parser gave none.
        position: String,
    },
    /// A key or variable that is no setting: most often a typing error.
    #[error("unknown key {key} ({origin})")]
    UnknownKey {
        /// The key as it was written, escaped.
        key: String,
        /// Which file or environment variable.
        origin: String,
    },
    /// A value of the wrong kind.
    #[error("{key}: expected {expected} ({origin})")]
    WrongKind {
        /// The key.
        key: String,
        /// What would have been right.
        expected: String,
        /// Which file or environment variable.
        origin: String,
    },
    /// Text that is no whole number.
    #[error("{key}: expected a whole number ({origin})")]
    NotANumber {
        /// The key.
        key: &'static str,
        /// Which environment variable.
        origin: String,
        /// What the parser said.
        source: std::num::ParseIntError,
    },
    /// Text that is no socket address; names are not resolved.
    #[error("{key}: expected an IP address and port such as 127.0.0.1:8080 ({origin})")]
    NotAnAddress {
        /// The key.
        key: &'static str,
        /// Which file or environment variable.
        origin: String,
        /// What the parser said.
        source: std::net::AddrParseError,
    },
    /// An environment variable whose value is not UTF-8.
    #[error("environment variable {name} is not UTF-8")]
    NotUnicode {
        /// The variable.
        name: String,
    },
    /// A number beyond its bounds.
    #[error("{key}: {value} is outside {min}..={max}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// The number given.
        value: String,
        /// The smallest allowed.
        min: String,
        /// The largest allowed.
        max: String,
    },
    /// A well-formed value that the daemon will not work with.
    #[error("{key}: {reason}")]
    Refused {
        /// The key.
        key: &'static str,
        /// Why, and what to do instead.
        reason: String,
    },
    /// A value that is no URL.
    #[error("{key}: not a URL")]
    NotAUrl {
        /// The key.
        key: &'static str,
        /// What the parser said.
        source: <reqwest::Url as std::str::FromStr>::Err,
    },
    /// `log.filter` cannot be parsed.
    #[error("log.filter: not a filter such as info or info,referrald=debug")]
    Filter {
        /// What the parser said.
        source: tracing_subscriber::filter::ParseError,
    },
}
