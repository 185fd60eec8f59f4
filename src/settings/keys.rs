//! The list of all keys: what may be written in a file or the environment, and of which kind.

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// `table.key`, as in the errors.
    pub(super) path: &'static str,
    /// What its value must be.
    pub(super) kind: Kind,
    /// The common name of its environment variable, if it has one.
    pub(super) alias: Option<&'static str>,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Any string, secrets included.
    Text,
    /// A number from 0 up.
    Whole,
    /// `true` or `false`.
    Flag,
    /// Strings; comma-separated in the environment.
    List,
    /// A socket address.
    Address,
    /// One of these words.
    Word(&'static [&'static str]),
}

impl Key {
    /// `REFERRALD_<TABLE>__<KEY>`.
    pub(super) fn variable(&self) -> String {
        format!("REFERRALD_{}", self.path.replace('.', "__").to_uppercase())
    }

    const fn new(path: &'static str, kind: Kind) -> Self {
        Self { path, kind, alias: None }
    }

    const fn or(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }
}

/// The key of that path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether some key lives in the table of that name.
pub(super) fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| key.path.split_once('.').is_some_and(|(table, _)| table == name))
}

/// Every key, in the order of `config/default.toml`.
pub(super) const KEYS: &[Key] = &[
    Key::new("http.bind", Kind::Address),
    Key::new("http.body_limit_bytes", Kind::Whole),
    Key::new("http.body_timeout_ms", Kind::Whole),
    Key::new("http.header_timeout_ms", Kind::Whole),
    Key::new("http.keep_alive_s", Kind::Whole),
    Key::new("http.workers", Kind::Whole),
    Key::new("http.max_connections", Kind::Whole),
    Key::new("http.drain_notice_ms", Kind::Whole),
    Key::new("http.drain_timeout_s", Kind::Whole),
    Key::new("database.url", Kind::Text).or("DATABASE_URL"),
    Key::new("database.migrate_on_start", Kind::Flag),
    Key::new("database.max_connections", Kind::Whole),
    Key::new("database.read_connections", Kind::Whole),
    Key::new("database.acquire_timeout_ms", Kind::Whole),
    Key::new("database.lock_timeout_ms", Kind::Whole),
    Key::new("database.memory_rows", Kind::Whole),
    Key::new("database.statement_timeout_ms", Kind::Whole),
    Key::new("database.accept_loss_of_acknowledged_events", Kind::Flag),
    Key::new("stripe.webhook_secrets", Kind::List).or("STRIPE_WEBHOOK_SECRET"),
    Key::new("stripe.secret_key", Kind::Text).or("STRIPE_SECRET_KEY"),
    Key::new("stripe.livemode", Kind::Flag),
    Key::new("stripe.account", Kind::Text),
    Key::new("stripe.api_base", Kind::Text),
    Key::new("stripe.signature_tolerance_s", Kind::Whole),
    Key::new("stripe.api_timeout_ms", Kind::Whole),
    Key::new("intake.queue_events", Kind::Whole),
    Key::new("intake.queue_bytes", Kind::Whole),
    Key::new("intake.batch_events", Kind::Whole),
    Key::new("intake.answer_within_ms", Kind::Whole),
    Key::new("intake.retry_after_s", Kind::Whole),
    Key::new("redrive.enabled", Kind::Flag),
    Key::new("redrive.interval_s", Kind::Whole),
    Key::new("redrive.older_than_s", Kind::Whole),
    Key::new("redrive.batch", Kind::Whole),
    Key::new("redrive.max_attempts", Kind::Whole),
    Key::new("redrive.give_up_days", Kind::Whole),
    Key::new("retention.payload_days", Kind::Whole),
    Key::new("attribution.lookback_s", Kind::Whole),
    Key::new("attribution.metadata_keys", Kind::List),
    Key::new("api.admin_token", Kind::Text),
    Key::new("api.clicks_per_minute", Kind::Whole),
    Key::new("log.format", Kind::Word(&["auto", "human", "json"])),
    Key::new("log.filter", Kind::Text),
];

#[cfg(test)]
mod tests {
    use super::KEYS;

    #[test]
    fn every_key_stands_in_the_defaults_file_in_this_order_and_no_other_does() {
        let mut table = "";
        let mut written = Vec::new();
        for line in crate::settings::DEFAULTS.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                table = name;
            }
            let Some((key, _)) = line.split_once(" = ") else {
                continue;
            };
            written.push(format!("{table}.{}", key.trim_start_matches("# ")));
        }
        let known: Vec<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
        assert_eq!(written, known);
    }
}
