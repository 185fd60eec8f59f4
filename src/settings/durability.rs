//! Recognises database URLs whose database would forget what was acknowledged. Only what the URL itself says is seen here;
//! how the server or the file is really set up must be asked of the open connection.

use super::checks::parse_url;
use super::error::SettingsError;

/// Why a SQLite database would not outlive the process, if so. `rest` is the URL after its scheme.
pub(super) fn danger_of_sqlite(rest: &str) -> Result<Option<&'static str>, SettingsError> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.trim_start_matches('/').to_lowercase().replace("%3a", ":");
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Ok(Some("a database in memory"));
    }
    // The path may be no valid URL by itself, so the query is read on its own.
    let query = parse_url("database.url", &format!("sqlite:?{query}"))?;
    for (name, value) in query.query_pairs() {
        match (name.as_ref(), value.as_ref()) {
            ("mode", "memory") => return Ok(Some("a database in memory")),
            ("vfs", _) => return Ok(Some("a file system layer (vfs) other than SQLite's own")),
            _ => {}
        }
    }
    Ok(path.is_empty().then_some("a nameless, temporary database"))
}

/// Why a PostgreSQL session would acknowledge before it has flushed, if the URL itself says so. What the server is
/// configured to do is seen only once connected.
pub(super) fn danger_of_postgres(url: &str) -> Result<Option<&'static str>, SettingsError> {
    let url = parse_url("database.url", url)?;
    let names_it = |text: &str| text.to_lowercase().replace('-', "_").contains("synchronous_commit");
    let set = url.query_pairs().any(|(name, value)| names_it(&name) || names_it(&value));
    Ok(set.then_some("a session with its own synchronous_commit"))
}
