//! Log lines: one sentence each, with ids as fields, to standard error. Never a body, a header, an address or a secret.

mod root_span;

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, LogSettings};

pub use root_span::DaemonRootSpan;

/// Stands in front of the operator's directives: SQL libraries tell every statement at info unless asked otherwise.
const QUIET: &str = "sqlx=warn,sea_orm=warn";
/// Stands before everything: the server's library tells each broken request on the port as an error of its own, and anybody
/// may send those. Who wants to see them names this target.
const BROKEN_REQUESTS: &str = "actix_http::h1::dispatcher=off";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives cannot be parsed.
    #[error("{origin}: not a filter such as info or info,referrald=debug")]
    Filter {
        /// `log.filter` or `RUST_LOG`.
        origin: &'static str,
        /// What the parser said.
        source: ParseError,
    },
}

/// Starts logging for the whole process. A second call changes nothing and is no error: tests share one process.
///
/// # Errors
/// When the filter of the settings, or `RUST_LOG` which overrides it, cannot be parsed.
pub fn init(settings: &LogSettings) -> Result<(), TelemetryError> {
    let rust_log = std::env::var("RUST_LOG").ok();
    let filter = filter(settings, rust_log.as_deref())?;
    let terminal = io::stderr().is_terminal();
    let installed = if is_json(settings.format, terminal) {
        json(filter, io::stderr).try_init()
    } else {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        human(filter, io::stderr, terminal && !plain).try_init()
    };
    if installed.is_err() {
        tracing::debug!("logging was already started; it stays as it was");
    }
    Ok(())
}

fn filter(settings: &LogSettings, rust_log: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let (origin, directives) = match rust_log.map(str::trim) {
        Some(directives) if !directives.is_empty() => ("RUST_LOG", directives),
        Some(_) | None => ("log.filter", settings.filter.as_str()),
    };
    let parse = |directives: &str| {
        let parsed = EnvFilter::builder().parse(directives);
        parsed.map_err(|source| TelemetryError::Filter { origin, source })
    };
    let asked = parse(directives)?;
    // Where warnings are off already, the addition would turn them on again.
    if asked.max_level_hint().is_some_and(|most| most <= LevelFilter::WARN) {
        return parse(&format!("{BROKEN_REQUESTS},{directives}"));
    }
    parse(&format!("{BROKEN_REQUESTS},{QUIET},{directives}"))
}

fn is_json(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Auto => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    }
}

/// Times are RFC 3339 in UTC in both forms, the default of the library.
fn json<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

fn human<W>(filter: EnvFilter, writer: W, colour: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_ansi(colour).with_env_filter(filter).with_writer(writer).finish()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(super) fn settings(filter: &str) -> LogSettings {
        LogSettings { format: LogFormat::Json, filter: filter.to_owned() }
    }

    /// Runs `act` with JSON logging of that filter and returns what was written.
    fn logged(directives: &str, rust_log: Option<&str>, act: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = json(filter(&settings(directives), rust_log).unwrap(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, act);
        lines.text()
    }

    #[test]
    fn sql_libraries_are_quiet_unless_asked_and_rust_log_wins() {
        let speak = || {
            tracing::info!(target: "sqlx::query", "statement");
            tracing::info!(target: "sea_orm_migration", "applying");
            tracing::warn!(target: "sqlx::query", "slow");
            tracing::info!("ours");
        };
        let quiet = logged("info", None, speak);
        assert!(quiet.contains("ours") && !quiet.contains("statement") && !quiet.contains("applying"));
        let asked = logged("info,sqlx=info", Some(" "), speak);
        assert!(asked.contains("statement") && !asked.contains("applying"));
        let overridden = logged("info", Some("error"), speak);
        assert_eq!(overridden, "");
    }

    #[test]
    fn broken_requests_are_told_only_to_who_names_them() {
        let speak = || tracing::error!(target: "actix_http::h1::dispatcher", "stream error");
        for directives in ["info", "trace", "error", "info,referrald=debug"] {
            assert_eq!(logged(directives, None, speak), "", "{directives}");
        }
        assert!(logged("info,actix_http::h1::dispatcher=error", None, speak).contains("stream error"));
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused_with_its_origin() {
        let error = filter(&settings("info"), Some("a=b=c")).unwrap_err().to_string();
        assert!(error.starts_with("RUST_LOG:"), "{error}");
        let error = filter(&settings("a=b=c"), None).unwrap_err().to_string();
        assert!(error.starts_with("log.filter:"), "{error}");
    }

    #[test]
    fn the_human_form_has_the_span_fields_and_colour_only_on_request() {
        for (colour, escapes) in [(false, false), (true, true)] {
            let lines = Lines::default();
            let writer = lines.clone();
            let filter = filter(&settings("info"), None).unwrap();
            let subscriber = human(filter, move || writer.clone(), colour);
            tracing::subscriber::with_default(subscriber, || {
                tracing::info_span!("request", event_id = "evt_2").in_scope(|| tracing::info!("spoke"));
            });
            let text = lines.text();
            assert!(text.contains("evt_2") && text.contains("spoke"));
            assert_eq!(text.contains('\u{1b}'), escapes);
        }
    }

    #[test]
    fn auto_is_human_on_a_terminal_only_and_a_second_init_is_no_error() {
        assert!(is_json(LogFormat::Auto, false) && !is_json(LogFormat::Auto, true));
        assert!(is_json(LogFormat::Json, true) && !is_json(LogFormat::Human, false));
        init(&settings("warn")).unwrap();
        init(&settings("warn")).unwrap();
    }
}
