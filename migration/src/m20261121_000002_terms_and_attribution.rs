//! Every rule of reward and attribution: richer terms, versions of codes and their uses, ordinals, promotion codes,
//! accounts, e-mails, rulings, subscriptions.
//!
//! Ledgers of the first schema are carried over: what their referrals were given by arrival (ordinal and use) is given in
//! the order of `claimed_at`, and the first version of each code is one that is switched on.

use sea_orm_migration::prelude::*;

use crate::dialect::{refuse_change, spell};

/// The migration of this file.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

/// Columns, one statement each: SQLite adds one at a time.
const COLUMNS: [(&str, &str); 27] = [
    ("program_version", "active BOOLEAN NOT NULL DEFAULT TRUE"),
    ("program_version", "flat_minor BIGINT CHECK (flat_minor > 0)"),
    ("program_version", "currency TEXT CHECK (length(currency) = 3)"),
    ("program_version", "one_time BOOLEAN NOT NULL DEFAULT FALSE"),
    ("program_version", "limit_months INTEGER CHECK (limit_months > 0)"),
    ("program_version", "limit_invoices BIGINT CHECK (limit_invoices > 0)"),
    ("program_version", "tiers TEXT"),
    ("program_version", "product_rates TEXT"),
    ("program_version", "cap_minor BIGINT CHECK (cap_minor > 0)"),
    ("program_version", "max_rewards_per_promoter INTEGER CHECK (max_rewards_per_promoter > 0)"),
    ("program_version", "conversion_window_days INTEGER CHECK (conversion_window_days >= 0)"),
    ("program_version", "min_invoice_minor BIGINT NOT NULL DEFAULT 0 CHECK (min_invoice_minor >= 0)"),
    ("program_version", "min_payout TEXT"),
    ("claim", "moved_at BIGINT"),
    ("code", "max_uses BIGINT CHECK (max_uses >= 0)"),
    ("code", "uses BIGINT NOT NULL DEFAULT 0 CHECK (uses >= 0)"),
    ("code", "clicks BIGINT NOT NULL DEFAULT 0 CHECK (clicks >= 0)"),
    ("referral", "ordinal BIGINT NOT NULL DEFAULT 1 CHECK (ordinal > 0)"),
    ("referral", "void BOOLEAN NOT NULL DEFAULT FALSE"),
    ("referral", "held BOOLEAN NOT NULL DEFAULT FALSE"),
    ("referral", "qualified_at BIGINT"),
    ("referral", "qualified_by TEXT"),
    ("invoice", "lines TEXT"),
    ("invoice", "more_lines BOOLEAN NOT NULL DEFAULT FALSE"),
    ("commission", "unseen_lines BOOLEAN NOT NULL DEFAULT FALSE"),
    ("commission", "refund_minor BIGINT NOT NULL DEFAULT 0 CHECK (refund_minor <= 0)"),
    ("commission", "dispute_minor BIGINT NOT NULL DEFAULT 0 CHECK (dispute_minor <= 0)"),
];

const STATEMENTS: [&str; 19] = [
    "CREATE TABLE code_version (
        id {row_id},
        code TEXT NOT NULL REFERENCES code (code),
        valid_from BIGINT NOT NULL,
        active BOOLEAN NOT NULL,
        expires_at BIGINT
    );
    CREATE INDEX code_version_code ON code_version (code)",
    "INSERT INTO code_version (code, valid_from, active) SELECT code, created_at, TRUE FROM code ORDER BY code",
    "CREATE TABLE promotion_code (
        id TEXT PRIMARY KEY CHECK (id <> ''),
        code TEXT NOT NULL REFERENCES code (code)
    );
    CREATE INDEX promotion_code_code ON promotion_code (code)",
    "CREATE TABLE claim_used_up (claim_id TEXT PRIMARY KEY REFERENCES claim (id))",
    "CREATE TABLE code_use (
        party TEXT NOT NULL,
        code TEXT NOT NULL REFERENCES code (code),
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        program_key TEXT NOT NULL REFERENCES program (key),
        ordinal BIGINT NOT NULL CHECK (ordinal > 0),
        PRIMARY KEY (party, code)
    );
    CREATE INDEX code_use_ordinal ON code_use (promoter_id, program_key, ordinal)",
    "INSERT INTO code_use (party, code, promoter_id, program_key, ordinal)
        SELECT party, code, promoter_id, program_key,
            ROW_NUMBER() OVER (PARTITION BY promoter_id, program_key ORDER BY claimed_at, id)
        FROM referral WHERE party IS NOT NULL",
    // The last ordinal that was given, so that nobody has to look for the greatest one.
    "CREATE TABLE ordinal (
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        program_key TEXT NOT NULL REFERENCES program (key),
        last BIGINT NOT NULL CHECK (last > 0),
        PRIMARY KEY (promoter_id, program_key)
    )",
    "INSERT INTO ordinal (promoter_id, program_key, last)
        SELECT promoter_id, program_key, MAX(ordinal) FROM code_use GROUP BY promoter_id, program_key",
    "UPDATE referral SET ordinal = (SELECT code_use.ordinal FROM code_use WHERE code_use.party = referral.party)
        WHERE party IS NOT NULL",
    "UPDATE code SET uses = (SELECT COUNT(*) FROM code_use WHERE code_use.code = code.code)",
    "CREATE INDEX commission_referral ON commission (referral_id);
    CREATE INDEX commission_promoter ON commission (promoter_id)",
    "UPDATE referral SET
        qualified_by = (SELECT invoice.id FROM commission JOIN invoice ON invoice.id = commission.invoice_id
            WHERE commission.referral_id = referral.id AND commission.reason IS NULL
            ORDER BY invoice.paid_at, invoice.id LIMIT 1)
        WHERE party IS NOT NULL;
    UPDATE referral SET qualified_at = (SELECT paid_at FROM invoice WHERE invoice.id = referral.qualified_by)
        WHERE party IS NOT NULL;
    CREATE INDEX referral_seat ON referral (promoter_id, program_key, qualified_at, qualified_by)
        WHERE qualified_at IS NOT NULL;
    CREATE INDEX referral_promoter ON referral (promoter_id)",
    "CREATE TABLE party_email (
        party TEXT NOT NULL,
        email_hash {bytes} NOT NULL,
        PRIMARY KEY (party, email_hash)
    );
    CREATE INDEX party_email_hash ON party_email (email_hash)",
    "CREATE TABLE promoter_email (
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        email TEXT NOT NULL,
        PRIMARY KEY (promoter_id, email)
    )",
    "INSERT INTO promoter_email (promoter_id, email) SELECT id, email FROM promoter WHERE email IS NOT NULL",
    "CREATE TABLE ruling (
        id TEXT PRIMARY KEY,
        party TEXT NOT NULL,
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        verdict TEXT NOT NULL CHECK (verdict IN ('released', 'refused')),
        ruled_at BIGINT NOT NULL,
        UNIQUE (party, promoter_id)
    )",
    "CREATE TABLE subscription (
        id TEXT PRIMARY KEY,
        customer_id TEXT NOT NULL,
        ended BOOLEAN NOT NULL
    );
    CREATE INDEX subscription_customer ON subscription (customer_id)",
    // Whether refunds are told at all is asked now and then; only their events pay for it.
    "CREATE INDEX event_refund ON event (received_at)
        WHERE event_type IN ('refund.created', 'refund.updated', 'refund.failed')",
    // A customer may be known by an account only: the user is optional now. SQLite cannot drop NOT NULL, so the table is
    // made again.
    "CREATE TABLE customer_2 (
        id TEXT PRIMARY KEY,
        user_id TEXT CHECK (user_id <> ''),
        alias_of TEXT CHECK (alias_of <> id),
        CHECK (user_id IS NOT NULL OR alias_of IS NOT NULL)
    );
    INSERT INTO customer_2 (id, user_id) SELECT id, user_id FROM customer;
    DROP TABLE customer;
    ALTER TABLE customer_2 RENAME TO customer;
    CREATE INDEX customer_user ON customer (user_id) WHERE user_id IS NOT NULL;
    CREATE INDEX customer_alias ON customer (alias_of) WHERE alias_of IS NOT NULL",
];

/// The sums of the entries of each invoice, which the row of a commission shows from now on.
const SHOW_LOSSES: [&str; 3] = [
    // The rate stands beside an amount that was computed with it, and only there.
    "UPDATE commission SET rate_bps = NULL WHERE reason IS NOT NULL",
    "UPDATE commission SET refund_minor = (SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_entry
        WHERE ledger_entry.invoice_id = commission.invoice_id AND kind = 'refund'
            AND ledger_entry.promoter_id = commission.promoter_id)",
    "UPDATE commission SET dispute_minor = (SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_entry
        WHERE ledger_entry.invoice_id = commission.invoice_id AND kind = 'dispute'
            AND ledger_entry.promoter_id = commission.promoter_id)",
];

/// Users that promote themselves were not found out before: what they earned is taken back, and an operator decides.
const HOLD_SELF_REFERRALS: [&str; 4] = [
    "UPDATE referral SET held = TRUE, qualified_at = NULL, qualified_by = NULL WHERE EXISTS (
        SELECT 1 FROM promoter
        WHERE promoter.id = referral.promoter_id AND referral.party = 'user:' || promoter.user_id)",
    "INSERT INTO ledger_entry
            (promoter_id, invoice_id, kind, amount_minor, currency, available_at, cause, posted_at)
        SELECT entry.promoter_id, entry.invoice_id, entry.kind, CAST(-SUM(entry.amount_minor) AS BIGINT),
            entry.currency, entry.available_at, 'held by an upgrade', MAX(entry.posted_at)
        FROM ledger_entry AS entry
            JOIN commission ON commission.invoice_id = entry.invoice_id
            JOIN referral ON referral.id = commission.referral_id
        WHERE referral.held AND entry.promoter_id = referral.promoter_id
        GROUP BY entry.promoter_id, entry.invoice_id, entry.kind, entry.currency, entry.available_at
        HAVING SUM(entry.amount_minor) <> 0",
    "UPDATE commission SET amount_minor = 0, rate_bps = NULL, refund_minor = 0, dispute_minor = 0,
            reason = 'self_referral'
        WHERE reason IS NULL AND referral_id IN (SELECT id FROM referral WHERE held)",
    "CREATE INDEX referral_held ON referral (promoter_id) WHERE held",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let backend = manager.get_database_backend();
        for (table, column) in COLUMNS {
            db.execute_unprepared(&format!("ALTER TABLE {table} ADD COLUMN {column}")).await?;
        }
        for statement in STATEMENTS.into_iter().chain(SHOW_LOSSES).chain(HOLD_SELF_REFERRALS) {
            db.execute_unprepared(&spell(statement, backend)?).await?;
        }
        for table in ["code_version", "promotion_code", "claim_used_up", "code_use", "ruling"] {
            for statement in refuse_change(table, &[], backend) {
                db.execute_unprepared(&statement).await?;
            }
        }
        Ok(())
    }

    /// Forward-only: a ledger is never unmade by a program.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("migrations of referrald go forward only".to_owned()))
    }
}
