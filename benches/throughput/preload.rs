//! A large ledger, made by SQL in the form in which the daemon keeps it, so that `verify` holds: invoices of customers
//! with five each, half of them referred.
//!
//! A column of the schema stands here once, beside what it holds ([`tables`]). `tests/it/preload.rs` includes this file,
//! and fails when a table has changed and this has not.

use anyhow::{Context, ensure};
use referrald::domain::ClaimSource;
use referrald::store::packing::pack;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection};

/// The version of the events, as their template names it.
const API_VERSION: &str = "2025-06-30.basil";
const INVOICES_OF_CUSTOMER: u64 = 5;
/// Seconds between two invoices, and from the last one to now: the oldest payload is not old enough to be dropped.
const EVERY_S: u64 = 3;
const AGO_S: u64 = 40 * 86_400;
const HOLD_S: u64 = 30 * 86_400;
const LOOKBACK_S: u64 = 86_400;

/// What is stored.
#[derive(Debug, Clone, Copy)]
pub struct Preload<'p> {
    /// Invoices, each with its event; a tenth as many referrals.
    pub invoices: u64,
    /// The first so many codes of the ledger, in the order of their keys, take turns at the referrals.
    pub codes: u64,
    /// What the codes' program gives, in basis points of what was paid net of tax.
    pub rate_bps: i64,
    /// The raw body of each event.
    pub body: &'p [u8],
    /// Unix seconds.
    pub now: i64,
}

impl Preload<'_> {
    /// Stores it in a ledger that has the codes, their promoters and their program, and nothing else.
    pub async fn store(&self, db: &DatabaseConnection) -> anyhow::Result<()> {
        let least = INVOICES_OF_CUSTOMER * 2 * self.codes;
        ensure!(
            self.invoices >= least && self.invoices.is_multiple_of(INVOICES_OF_CUSTOMER * 2),
            "the invoices of a ledger: a multiple of 10, {least} at least"
        );
        let backend = db.get_database_backend();
        if backend == DatabaseBackend::Sqlite {
            // A preload that is cut off is thrown away.
            db.execute_unprepared(
                "PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA foreign_keys = OFF",
            )
            .await?;
        }
        for statement in statements(&Words::new(backend, self)?) {
            let done = db.execute_unprepared(&statement).await;
            done.with_context(|| statement.chars().take(300).collect::<String>())?;
        }
        let tidy: &[&str] = match backend {
            DatabaseBackend::Postgres => &["VACUUM ANALYZE", "CHECKPOINT"],
            _ => &["PRAGMA wal_checkpoint(TRUNCATE)"],
        };
        for statement in tidy {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// Where the two databases differ, and expressions over the number `i` of an invoice or `c` of a customer.
struct Words {
    backend: DatabaseBackend,
    invoices: u64,
    customers: u64,
    referrals: u64,
    codes: u64,
    rate_bps: i64,
    since: i64,
    dictionary: i32,
    body: String,
}

impl Words {
    fn new(backend: DatabaseBackend, preload: &Preload<'_>) -> anyhow::Result<Self> {
        let Preload { invoices, codes, rate_bps, body, now } = *preload;
        let customers = invoices / INVOICES_OF_CUSTOMER;
        let packed = pack(body)?;
        let hex = hex::encode(&packed.zstd);
        let body = match backend {
            DatabaseBackend::Postgres => format!("'\\x{hex}'::bytea"),
            _ => format!("x'{hex}'"),
        };
        let before = i64::try_from(invoices * EVERY_S + AGO_S).unwrap_or(i64::MAX);
        Ok(Self {
            backend,
            invoices,
            customers,
            referrals: customers / 2,
            codes,
            rate_bps,
            since: now - before,
            dictionary: packed.dictionary,
            body,
        })
    }

    /// A table of the numbers below `count`.
    fn numbers(&self, name: &str, count: u64) -> String {
        match self.backend {
            DatabaseBackend::Postgres => {
                format!("generate_series(0::bigint, {count} - 1) AS n_{name}({name})")
            }
            _ => format!(
                "(WITH RECURSIVE s({name}) AS (SELECT 0 UNION ALL SELECT {name} + 1 FROM s WHERE {name} < {count} - 1) \
                 SELECT {name} FROM s) AS n_{name}"
            ),
        }
    }

    /// So many bytes that follow from an id.
    fn hash(&self, of: &str, bytes: usize) -> String {
        match self.backend {
            DatabaseBackend::Postgres => {
                format!("substring(decode(md5({of}) || md5({of} || 'b'), 'hex') FROM 1 FOR {bytes})")
            }
            _ => format!("randomblob({bytes})"),
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

/// The rows of a table: where they come from, and what each column holds.
struct Rows {
    table: &'static str,
    from: String,
    columns: Vec<(&'static str, String)>,
}

impl Rows {
    fn insert(&self) -> String {
        let (names, values): (Vec<&str>, Vec<&str>) =
            self.columns.iter().map(|(name, value)| (*name, value.as_str())).unzip();
        let Self { table, from, .. } = self;
        format!("INSERT INTO {table} ({}) SELECT {} FROM {from}", names.join(", "), values.join(", "))
    }
}

fn statements(words: &Words) -> Vec<String> {
    let mut statements: Vec<String> = tables(words).iter().map(Rows::insert).collect();
    statements.extend([
        "UPDATE code SET uses = (SELECT COUNT(*) FROM redemption WHERE redemption.code_key = code.key)"
            .to_owned(),
        // The head's time is that of the program and the codes, which is later than all of this. Nobody who wrote
        // before may take what it remembers for true.
        "UPDATE ledger_head SET seq = seq + 1, writer = '', \
         last_entry_id = (SELECT MAX(id) FROM ledger_entry), \
         last_event_number = (SELECT MAX(number) FROM event) WHERE id = 1"
            .to_owned(),
    ]);
    statements
}

fn tables(words: &Words) -> Vec<Rows> {
    let Words { referrals, customers, codes, rate_bps, since, .. } = *words;
    let (event, invoice, name) = (id("evt_", "i"), id("in_", "i"), scattered_id("cus_", "c"));
    let precedence = ClaimSource::SubscriptionMetadata(0).precedence();
    let claim = format!("'clm_' || {} || '_{precedence}'", id("evt_", "c"));
    let referral = own_id("ref_", "c");
    let customer = format!("'customer:' || {name}");
    let paid_at = |number: &str| format!("({since} + {number} * {EVERY_S})");
    let (of_invoice, of_customer) = (paid_at("i"), paid_at("c"));
    let net = "(900 + i * 7919 % 49000)";
    let tax = format!("({net} * 19 / 100)");
    let earned = format!("((2 * {net} * {rate_bps} + 10000) / 20000)");
    // Customer c has the invoices c, c + customers, …; the first half of the customers is referred.
    let sales =
        format!("(SELECT i, i % {customers} AS c FROM {}) AS sales", words.numbers("i", words.invoices));
    let people = words.numbers("c", customers);
    let code_of = format!(
        "JOIN (SELECT key, code, promoter_id, program_key, ROW_NUMBER() OVER (ORDER BY key) - 1 AS k FROM code) AS codes \
         ON codes.k = c % {codes}"
    );
    let referred = format!("{} {code_of}", words.numbers("c", referrals));
    let earning = format!("{sales} {code_of} WHERE c < {referrals}");
    let text = str::to_owned;
    let word = |word: &str| format!("'{word}'");
    let number = format!("c / {codes} + 1");
    let outcome = format!("CASE WHEN c < {referrals} THEN 'posted' ELSE 'recorded' END");
    let lines = format!(
        "'[[\"price_1RfTeamHu7ixraBmT4seats0\",\"prod_SaTeamHu7ixraB\",' || CAST({net} AS TEXT) || ']]'"
    );
    vec![
        Rows {
            table: "event",
            from: sales.clone(),
            columns: vec![
                ("number", text("i + 1")),
                ("id", event.clone()),
                ("api_version", word(API_VERSION)),
                ("event_type", word("invoice.paid")),
                ("created_at", of_invoice.clone()),
                ("received_at", of_invoice.clone()),
                ("outcome", outcome),
            ],
        },
        Rows {
            table: "event_payload",
            from: sales.clone(),
            columns: vec![
                ("number", text("i + 1")),
                ("dictionary", words.dictionary.to_string()),
                ("zstd", words.body.clone()),
            ],
        },
        Rows {
            table: "invoice",
            from: sales,
            columns: vec![
                ("id", invoice.clone()),
                ("event_id", event.clone()),
                ("api_version", word(API_VERSION)),
                ("stripe_customer_id", name.clone()),
                ("currency", word("usd")),
                ("amount_paid_minor", format!("{net} + {tax}")),
                ("total_minor", format!("{net} + {tax}")),
                ("total_excluding_tax_minor", text(net)),
                ("tax_minor", tax),
                ("shipping_minor", text("0")),
                ("shipping_tax_minor", text("0")),
                ("paid_at", of_invoice.clone()),
                ("conflict", text("FALSE")),
                ("lines", lines),
                ("more_lines", text("FALSE")),
                ("lines_read", text("FALSE")),
            ],
        },
        Rows {
            table: "subscription",
            from: people.clone(),
            columns: vec![
                ("stripe_customer_id", name.clone()),
                ("id", scattered_id("sub_", "c")),
                ("ended", text("FALSE")),
            ],
        },
        Rows {
            table: "customer_email",
            from: people,
            columns: vec![
                ("customer", customer.clone()),
                ("email_hash", words.hash(&name, 16)),
                ("told_by", word("evt_preload")),
            ],
        },
        // Of each customer the first sale makes the claim: those that follow say nothing new.
        Rows {
            table: "claim",
            from: referred.clone(),
            columns: vec![
                ("id", claim.clone()),
                ("stripe_customer_id", name),
                ("code", text("codes.code")),
                ("code_key", text("codes.key")),
                ("precedence", precedence.to_string()),
                ("claimed_at", of_customer.clone()),
                ("lookback_s", LOOKBACK_S.to_string()),
            ],
        },
        Rows {
            table: "referral",
            from: referred.clone(),
            columns: vec![
                ("id", referral.clone()),
                ("customer", customer.clone()),
                ("claim_id", claim),
                ("precedence", precedence.to_string()),
                ("code", text("codes.code")),
                ("promoter_id", text("codes.promoter_id")),
                ("program_key", text("codes.program_key")),
                ("program_version", text("1")),
                ("claimed_at", of_customer.clone()),
                ("lookback_s", LOOKBACK_S.to_string()),
                ("referral_number", number.clone()),
                ("void", text("FALSE")),
                ("held", text("FALSE")),
                ("qualified_at", of_customer),
                ("qualified_by", id("in_", "c")),
            ],
        },
        Rows {
            table: "redemption",
            from: referred.clone(),
            columns: vec![("customer", customer.clone()), ("code_key", text("codes.key"))],
        },
        Rows {
            table: "referral_number",
            from: referred,
            columns: vec![
                ("customer", customer),
                ("promoter_id", text("codes.promoter_id")),
                ("program_key", text("codes.program_key")),
                ("number", number),
            ],
        },
        Rows {
            table: "referral_counter",
            from: text("referral_number GROUP BY promoter_id, program_key"),
            columns: vec![
                ("promoter_id", text("promoter_id")),
                ("program_key", text("program_key")),
                ("last", text("MAX(number)")),
            ],
        },
        // Where nobody was referred there is none.
        Rows {
            table: "commission",
            from: earning.clone(),
            columns: vec![
                ("invoice_id", invoice.clone()),
                ("referral_id", referral),
                ("promoter_id", text("codes.promoter_id")),
                ("program_key", text("codes.program_key")),
                ("currency", word("usd")),
                ("base_minor", text(net)),
                ("rate_bps", rate_bps.to_string()),
                ("amount_minor", earned.clone()),
                ("refund_minor", text("0")),
                ("dispute_minor", text("0")),
                ("available_at", format!("{of_invoice} + {HOLD_S}")),
                ("unseen_lines", text("FALSE")),
            ],
        },
        Rows {
            table: "ledger_entry",
            from: format!("{earning} ORDER BY i"),
            columns: vec![
                ("id", text("ROW_NUMBER() OVER (ORDER BY i)")),
                ("promoter_id", text("codes.promoter_id")),
                ("invoice_id", invoice),
                ("kind", word("commission")),
                ("amount_minor", earned),
                ("currency", word("usd")),
                ("available_at", format!("{of_invoice} + {HOLD_S}")),
                ("cause_kind", word("event")),
                ("cause_id", event),
                ("posted_at", of_invoice),
            ],
        },
    ]
}
