//! What the settings must fulfil beyond being well-formed.

use secrecy::ExposeSecret;
use tracing_subscriber::EnvFilter;

use super::checks::{DAY_S, HOUR_MS, HOUR_S, YEAR_S, is_short, refuse, within};
use super::{
    AttributionSettings, DatabaseSettings, HttpSettings, IntakeSettings, LogSettings, RedriveSettings,
    Settings, SettingsError, durability,
};
use crate::domain::inbox::MAX_BODY_BYTES;

/// Stripe allows 50 metadata keys of 40 characters on an object.
const METADATA_KEYS_MAX: usize = 20;
const METADATA_KEY_MAX_CHARS: usize = 40;
const OVERRIDE: &str = "or accept it with database.accept_loss_of_acknowledged_events = true";

impl Settings {
    /// What every command needs: bounds, a database that keeps what it was given, and a log filter that parses.
    ///
    /// # Errors
    /// The first key that does not fit.
    pub fn validate_common(&self) -> Result<(), SettingsError> {
        self.http.validate()?;
        self.database.validate()?;
        self.stripe.validate()?;
        self.intake.validate()?;
        self.redrive.validate()?;
        within("retention.payload_days", self.retention.payload_days, 0, 36_500)?;
        self.attribution.validate()?;
        self.log.validate()
    }

    /// What `serve` needs: [`Self::validate_common`], a webhook secret, and sound secrets where they are set.
    ///
    /// # Errors
    /// The first key that does not fit; never with the text of a secret.
    pub fn validate_for_serve(&self) -> Result<(), SettingsError> {
        self.validate_common()?;
        self.stripe.validate_webhook_secrets()?;
        self.stripe.validate_secret_key()?;
        match &self.api.admin_token {
            Some(token) if is_short(token) => refuse("api.admin_token", "shorter than 16 characters"),
            Some(_) | None => Ok(()),
        }
    }
}

impl HttpSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        within("http.body_limit_bytes", self.body_limit_bytes, 1_024, MAX_BODY_BYTES)?;
        within("http.body_timeout_ms", self.body_timeout_ms, 1, HOUR_MS)?;
        within("http.header_timeout_ms", self.header_timeout_ms, 1, HOUR_MS)?;
        within("http.keep_alive_s", self.keep_alive_s, 1, HOUR_S)?;
        within("http.workers", self.workers, 0, 1_024)?;
        within("http.max_connections", self.max_connections, 1, 1_000_000)?;
        within("http.drain_notice_ms", self.drain_notice_ms, 0, HOUR_MS)?;
        within("http.drain_timeout_s", self.drain_timeout_s, 1, HOUR_S)
    }
}

impl DatabaseSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        within("database.max_connections", self.max_connections, 2, 10_000)?;
        within("database.read_connections", self.read_connections, 1, 1_000)?;
        within("database.acquire_timeout_ms", self.acquire_timeout_ms, 1, HOUR_MS)?;
        within("database.lock_timeout_ms", self.lock_timeout_ms, 1, HOUR_MS)?;
        within("database.memory_rows", self.memory_rows, 0, 10_000_000)?;
        within("database.statement_timeout_ms", self.statement_timeout_ms, 1, HOUR_MS)?;
        let url = self.url.expose_secret();
        if let Some(rest) = url.strip_prefix("sqlite:") {
            // The connection that writes and those that read must mean the same file.
            return match durability::danger_of_sqlite(rest)? {
                Some(danger) => refuse("database.url", &format!("{danger} is no ledger: name a file")),
                None => Ok(()),
            };
        }
        if !(url.starts_with("postgres:") || url.starts_with("postgresql:")) {
            return refuse("database.url", "must start with sqlite: or postgres: (postgresql:)");
        }
        match durability::danger_of_postgres(url)? {
            Some(danger) if !self.accept_loss_of_acknowledged_events => refuse(
                "database.url",
                &format!("{danger} may lose acknowledged events; change it {OVERRIDE}"),
            ),
            Some(_) | None => Ok(()),
        }
    }
}

impl IntakeSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        within("intake.queue_events", self.queue_events, 1, 1_000_000)?;
        within("intake.queue_bytes", self.queue_bytes, 16_777_216, u32::MAX)?;
        within("intake.batch_events", self.batch_events, 1, 1_000)?;
        within("intake.answer_within_ms", self.answer_within_ms, 1, HOUR_MS)?;
        within("intake.retry_after_s", self.retry_after_s, 1, DAY_S)
    }
}

impl RedriveSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        within("redrive.interval_s", self.interval_s, 1, u64::from(DAY_S))?;
        within("redrive.older_than_s", self.older_than_s, 1, YEAR_S)?;
        within("redrive.batch", self.batch, 1, 1_000)?;
        within("redrive.max_attempts", self.max_attempts, 1, 1_000)?;
        within("redrive.give_up_days", self.give_up_days, 1, 36_500)
    }
}

impl AttributionSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        within("attribution.lookback_s", self.lookback_s, 0, YEAR_S)?;
        let keys = &self.metadata_keys;
        if keys.len() > METADATA_KEYS_MAX {
            return refuse("attribution.metadata_keys", "more than 20 keys");
        }
        if keys.iter().any(|key| key.trim().is_empty() || key.chars().count() > METADATA_KEY_MAX_CHARS) {
            return refuse(
                "attribution.metadata_keys",
                "a key is empty or longer than Stripe's 40 characters",
            );
        }
        Ok(())
    }
}

impl LogSettings {
    fn validate(&self) -> Result<(), SettingsError> {
        EnvFilter::builder()
            .parse(&self.filter)
            .map(|_filter| ())
            .map_err(|source| SettingsError::Filter { source })
    }
}
