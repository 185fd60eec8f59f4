//! The tables of the settings. Numbers that are used beside timestamps or counters are of a small type, so that they
//! widen without a cast; `validate` bounds them all.

use std::net::SocketAddr;

use secrecy::SecretString;
use serde::Deserialize;

/// `[http]`: the server and its bounds against slow or greedy clients.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Bytes of one request body; larger is 413.
    pub body_limit_bytes: usize,
    /// Milliseconds for the whole body to arrive; slower is 408.
    pub body_timeout_ms: u64,
    /// Milliseconds for the request line and headers to arrive; then the connection is closed without an answer.
    pub header_timeout_ms: u64,
    /// Seconds that a connection is kept open for its next request.
    pub keep_alive_s: u64,
    /// Worker threads; 0 is one per core.
    pub workers: usize,
    /// Open connections over all workers.
    pub max_connections: usize,
    /// Milliseconds for which `/readyz` says that it stops, before the port closes.
    pub drain_notice_ms: u64,
    /// Seconds that requests in flight get to finish after a stop signal.
    pub drain_timeout_s: u64,
}

/// `[database]`: where the ledger is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite:` or `postgres:` URL; secret because it may hold a password.
    pub url: SecretString,
    /// Whether `serve` applies migrations first.
    pub migrate_on_start: bool,
    /// Connections to PostgreSQL, of which one changes the ledger; unused on SQLite.
    pub max_connections: u32,
    /// Read-only connections to SQLite beside the one writer; unused on PostgreSQL.
    pub read_connections: u32,
    /// Milliseconds to wait for a free connection of the pool.
    pub acquire_timeout_ms: u64,
    /// Milliseconds to wait for the lock of the ledger.
    pub lock_timeout_ms: u64,
    /// Codes, programs and promoters that a process remembers.
    pub memory_rows: usize,
    /// Milliseconds after which PostgreSQL gives up a statement.
    pub statement_timeout_ms: u64,
    /// Allows a database that may lose events after they were acknowledged; Stripe never sends those again.
    pub accept_loss_of_acknowledged_events: bool,
}

/// `[stripe]`: whose events these are and how Stripe is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeSettings {
    /// Signing secrets of the endpoint, `whsec_` included; several while one is rolled. Required by `serve`.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretString>,
    /// API key (`sk_` or `rk_`); without it Stripe's API is never called.
    pub secret_key: Option<SecretString>,
    /// Whether live events (true) or test events (false) count.
    pub livemode: bool,
    /// `acct_` id of the Connect account whose events are ours; none means the endpoint's own account.
    pub account: Option<String>,
    /// Base URL of the API, without a path.
    pub api_base: String,
    /// Seconds that the signature's time may differ from ours, either way.
    pub signature_tolerance_s: u32,
    /// Milliseconds for one answer of the API.
    pub api_timeout_ms: u64,
}

/// `[intake]`: the bounded queue and the batches in front of the database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntakeSettings {
    /// Events waiting for their commit; beyond that the answer is 503.
    pub queue_events: usize,
    /// Bytes of the bodies of events waiting or being committed; beyond that the answer is 503.
    pub queue_bytes: u32,
    /// Events of one transaction at most.
    pub batch_events: usize,
    /// Milliseconds after which a request whose event is not committed is answered 503.
    pub answer_within_ms: u64,
    /// Seconds in the `Retry-After` of a 503.
    pub retry_after_s: u32,
}

/// `[redrive]`: the loop that asks Stripe for what parked events are missing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedriveSettings {
    /// Whether the loop runs; it is idle all the same without `stripe.secret_key`.
    pub enabled: bool,
    /// Seconds between two rounds.
    pub interval_s: u64,
    /// Seconds that an event must have been parked before Stripe is asked.
    pub older_than_s: u32,
    /// Parked events of one round at most.
    pub batch: u16,
    /// Rounds after which an event is left to the operator.
    pub max_attempts: u16,
    /// Days after which an event that waits for an invoice is ignored.
    pub give_up_days: u16,
}

/// `[retention]`: what is dropped when it is old.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// Days after which the payload of an event is dropped; 0 keeps it for ever.
    pub payload_days: u16,
}

/// `[attribution]`: how a customer is matched with a promoter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributionSettings {
    /// Seconds before the claim in which an invoice still belongs to the referral; frozen on each referral.
    pub lookback_s: u32,
    /// Metadata keys that may carry a referral code, in the order of precedence.
    pub metadata_keys: Vec<String>,
}

/// `[api]`: the operator's API.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSettings {
    /// Bearer token of the operator; without it the API answers 401.
    pub admin_token: Option<SecretString>,
    /// Clicks on codes that are counted in a minute, over all codes; 0 counts none.
    pub clicks_per_minute: u32,
}

/// `[log]`: what is written to standard error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// `tracing` directives, such as `info,referrald=debug`; `RUST_LOG` overrides them.
    pub filter: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// Text for eyes.
    Human,
    /// One JSON object a line.
    Json,
}
