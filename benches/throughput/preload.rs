//! A large ledger, made by SQL in the form in which the daemon keeps it, so that `verify` holds: invoices of customers
//! with five each, half of them referred.

use anyhow::ensure;
use referrald::domain::ClaimSource;
use sea_orm::ConnectionTrait;

use crate::events::{CODES, RATE_BPS};
use crate::ledger::{Kind, Ledger};

const INVOICES_OF_CUSTOMER: u64 = 5;
/// Seconds between two invoices, and from the last one to now: the oldest payload is not old enough to be dropped.
const EVERY_S: u64 = 3;
const AGO_S: u64 = 40 * 86_400;
const HOLD_S: u64 = 30 * 86_400;
const LOOKBACK_S: u64 = 86_400;

/// Stores so many invoices, and a tenth as many referrals, with their events. `body_zstd` is the body of each event.
pub async fn preload(ledger: &Ledger, invoices: u64, body_zstd: &[u8], now: i64) -> anyhow::Result<()> {
    let least = INVOICES_OF_CUSTOMER * 2 * u64::try_from(CODES)?;
    ensure!(
        invoices >= least && invoices.is_multiple_of(INVOICES_OF_CUSTOMER * 2),
        "--growth: a multiple of 10, {least} at least"
    );
    let db = ledger.connect().await?;
    if ledger.kind == Kind::Sqlite {
        // A preload that is cut off is thrown away.
        db.execute_unprepared(
            "PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA foreign_keys = OFF",
        )
        .await?;
    }
    for statement in statements(&Words::new(ledger.kind, invoices, body_zstd, now)) {
        db.execute_unprepared(&statement).await?;
    }
    let tidy: &[&str] = match ledger.kind {
        Kind::Sqlite => &["PRAGMA wal_checkpoint(TRUNCATE)"],
        Kind::Postgres => &["VACUUM ANALYZE", "CHECKPOINT"],
    };
    for statement in tidy {
        db.execute_unprepared(statement).await?;
    }
    Ok(db.close().await?)
}

/// Where the two databases differ, and expressions over the number `i` of an invoice or `c` of a customer.
struct Words {
    kind: Kind,
    invoices: u64,
    customers: u64,
    referrals: u64,
    since: i64,
    body: String,
}

impl Words {
    fn new(kind: Kind, invoices: u64, body_zstd: &[u8], now: i64) -> Self {
        let customers = invoices / INVOICES_OF_CUSTOMER;
        let hex = hex::encode(body_zstd);
        let body = match kind {
            Kind::Sqlite => format!("x'{hex}'"),
            Kind::Postgres => format!("'\\x{hex}'::bytea"),
        };
        let before = i64::try_from(invoices * EVERY_S + AGO_S).unwrap_or(i64::MAX);
        Self { kind, invoices, customers, referrals: customers / 2, since: now - before, body }
    }

    /// A table of the numbers below `count`.
    fn numbers(&self, name: &str, count: u64) -> String {
        match self.kind {
            Kind::Sqlite => format!(
                "(WITH RECURSIVE s({name}) AS (SELECT 0 UNION ALL SELECT {name} + 1 FROM s WHERE {name} < {count} - 1) \
                 SELECT {name} FROM s) AS n_{name}"
            ),
            Kind::Postgres => format!("generate_series(0::bigint, {count} - 1) AS n_{name}({name})"),
        }
    }

    /// So many bytes that follow from an id.
    fn hash(&self, of: &str, bytes: usize) -> String {
        match self.kind {
            Kind::Sqlite => format!("randomblob({bytes})"),
            Kind::Postgres => {
                format!("substring(decode(md5({of}) || md5({of} || 'b'), 'hex') FROM 1 FOR {bytes})")
            }
        }
    }
}

/// An id of the length of Stripe's; like these it tells the time, so that later rows have greater ones.
fn id(prefix: &str, number: &str) -> String {
    format!("'{prefix}1' || CAST(10000000000 + {number} AS TEXT) || 'LkdIwHu7ixra'")
}

/// The id of a customer, of whom anyone may buy next: in no order, a multiple of the number modulo a prime.
fn scattered_id(prefix: &str, number: &str) -> String {
    id(prefix, &format!("({number} + 1) * 48271 % 2147483647"))
}

/// An id of ours: 26 characters, which tell the time.
fn own_id(prefix: &str, number: &str) -> String {
    format!("'{prefix}01' || CAST(10000000000 + {number} AS TEXT) || '0000000000000'")
}

fn statements(words: &Words) -> Vec<String> {
    let (event, invoice, name) = (id("evt_", "i"), id("in_", "i"), scattered_id("cus_", "c"));
    let precedence = ClaimSource::SubscriptionMetadata(0).precedence();
    let claim = format!("'clm_' || {} || '_{precedence}'", id("evt_", "c"));
    let referral = own_id("ref_", "c");
    let customer = format!("'customer:' || {name}");
    let (referrals, customers, since) = (words.referrals, words.customers, words.since);
    let paid_at = |number: &str| format!("({since} + {number} * {EVERY_S})");
    let (of_invoice, of_customer) = (paid_at("i"), paid_at("c"));
    let net = "(900 + i * 7919 % 49000)";
    let tax = format!("({net} * 19 / 100)");
    let earned = format!("((2 * {net} * {RATE_BPS} + 10000) / 20000)");
    // Customer c has the invoices c, c + customers, …; the first half of the customers is referred.
    let sales =
        format!("(SELECT i, i % {customers} AS c FROM {}) AS sales", words.numbers("i", words.invoices));
    let people = words.numbers("c", customers);
    let referred = words.numbers("c", referrals);
    let codes = "(SELECT key, code, promoter_id, program_key, ROW_NUMBER() OVER (ORDER BY key) - 1 AS k FROM code) AS codes";
    let code_of = format!("JOIN {codes} ON codes.k = c % {CODES}");
    let hash = words.hash(&event, 32);
    let email = words.hash(&name, 16);
    let body = &words.body;
    vec![
        format!(
            "INSERT INTO event (id, api_version, event_type, created_at, received_at, outcome, body_sha256, body_zstd) \
             SELECT {event}, '2025-06-30.basil', 'invoice.paid', {of_invoice}, {of_invoice}, \
             CASE WHEN c < {referrals} THEN 'posted' ELSE 'recorded' END, {hash}, {body} FROM {sales}"
        ),
        format!(
            "INSERT INTO invoice (id, event_id, stripe_customer_id, currency, amount_paid_minor, total_minor, \
             total_excluding_tax_minor, tax_minor, paid_at, conflict, lines, more_lines) \
             SELECT {invoice}, {event}, {name}, 'usd', {net} + {tax}, {net} + {tax}, {net}, {tax}, {of_invoice}, \
             FALSE, '[[\"price_1RfTeamHu7ixraBmT4seats0\",\"prod_SaTeamHu7ixraB\",' || CAST({net} AS TEXT) || ']]', \
             FALSE FROM {sales}"
        ),
        format!(
            "INSERT INTO subscription (stripe_customer_id, id, ended) SELECT {name}, {}, FALSE FROM {people}",
            scattered_id("sub_", "c")
        ),
        format!(
            "INSERT INTO customer_email (customer, email_hash, told_by) SELECT {customer}, {email}, 'evt_preload' FROM {people}"
        ),
        // Of each customer the first sale makes the claim: those that follow say nothing new.
        format!(
            "INSERT INTO claim (id, stripe_customer_id, code, code_key, precedence, claimed_at, lookback_s) \
             SELECT {claim}, {name}, codes.code, codes.key, {precedence}, {of_customer}, {LOOKBACK_S} \
             FROM {referred} {code_of}"
        ),
        format!(
            "INSERT INTO referral (id, customer, claim_id, precedence, code, promoter_id, program_key, \
             program_version, claimed_at, lookback_s, referral_number, void, held, qualified_at, qualified_by) \
             SELECT {referral}, {customer}, {claim}, {precedence}, codes.code, codes.promoter_id, \
             codes.program_key, 1, {of_customer}, {LOOKBACK_S}, c / {CODES} + 1, FALSE, FALSE, {of_customer}, {} \
             FROM {referred} {code_of}",
            id("in_", "c"),
        ),
        format!(
            "INSERT INTO redemption (customer, code_key) SELECT {customer}, codes.key FROM {referred} {code_of}"
        ),
        format!(
            "INSERT INTO referral_number (customer, promoter_id, program_key, number) \
             SELECT {customer}, codes.promoter_id, codes.program_key, c / {CODES} + 1 FROM {referred} {code_of}"
        ),
        "INSERT INTO referral_counter (promoter_id, program_key, last) \
         SELECT promoter_id, program_key, MAX(number) FROM referral_number GROUP BY promoter_id, program_key"
            .to_owned(),
        "UPDATE code SET uses = (SELECT COUNT(*) FROM redemption WHERE redemption.code_key = code.key)"
            .to_owned(),
        format!(
            "INSERT INTO commission (invoice_id, referral_id, promoter_id, program_key, currency, base_minor, \
             rate_bps, amount_minor, refund_minor, dispute_minor, available_at, unseen_lines) \
             SELECT {invoice}, {referral}, codes.promoter_id, codes.program_key, 'usd', {net}, {RATE_BPS}, {earned}, \
             0, 0, {of_invoice} + {HOLD_S}, FALSE FROM {sales} {code_of} WHERE c < {referrals}"
        ),
        format!(
            "INSERT INTO commission (invoice_id, currency, base_minor, amount_minor, refund_minor, dispute_minor, \
             available_at, reason, unseen_lines) \
             SELECT {invoice}, 'usd', 0, 0, 0, 0, {of_invoice}, 'not_referred', FALSE FROM {sales} \
             WHERE c >= {referrals}"
        ),
        format!(
            "INSERT INTO ledger_entry (id, promoter_id, invoice_id, kind, amount_minor, currency, available_at, cause, \
             posted_at) SELECT ROW_NUMBER() OVER (ORDER BY i), codes.promoter_id, {invoice}, 'commission', {earned}, \
             'usd', {of_invoice} + {HOLD_S}, {event}, {of_invoice} FROM {sales} {code_of} WHERE c < {referrals} \
             ORDER BY i"
        ),
        // The head's time is that of the program and the codes, which is later than all of this. Nobody who wrote
        // before may take what it remembers for true.
        "UPDATE ledger_head SET seq = seq + 1, writer = '', \
         last_entry_id = (SELECT MAX(id) FROM ledger_entry) WHERE id = 1"
            .to_owned(),
    ]
}
