//! The first schema: the inbox, the facts, attribution, and the ledger.
//!
//! Plain SQL, because the rules of the ledger (checks, triggers, partial indexes) are the point of it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

use crate::dialect::{POSTGRES_REFUSE_CHANGE, refuse_change, refuse_replace, spell};

/// The migration of this file.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

const STATEMENTS: [&str; 23] = [
    "CREATE TABLE program (
        key TEXT PRIMARY KEY CHECK (key <> ''),
        created_at BIGINT NOT NULL
    )",
    "CREATE TABLE program_version (
        id {row_id},
        program_key TEXT NOT NULL REFERENCES program (key),
        valid_from BIGINT NOT NULL,
        rate_bps INTEGER NOT NULL CHECK (rate_bps BETWEEN 0 AND 10000),
        commission_base TEXT NOT NULL CHECK (commission_base IN ('net_of_tax', 'amount_paid')),
        hold_days INTEGER NOT NULL CHECK (hold_days BETWEEN 0 AND 3650)
    )",
    "CREATE INDEX program_version_program ON program_version (program_key)",
    "CREATE TABLE promoter (
        id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL UNIQUE CHECK (user_id <> ''),
        email TEXT,
        created_at BIGINT NOT NULL
    )",
    "CREATE TABLE code (
        code TEXT PRIMARY KEY CHECK (code <> ''),
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        program_key TEXT NOT NULL REFERENCES program (key),
        created_at BIGINT NOT NULL
    )",
    "CREATE INDEX code_promoter ON code (promoter_id)",
    "CREATE TABLE customer (
        id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL CHECK (user_id <> '')
    )",
    "CREATE INDEX customer_user ON customer (user_id)",
    "CREATE TABLE claim (
        id TEXT PRIMARY KEY,
        customer_id TEXT,
        user_id TEXT,
        code TEXT NOT NULL CHECK (code <> ''),
        precedence INTEGER NOT NULL,
        claimed_at BIGINT NOT NULL,
        lookback_s BIGINT NOT NULL,
        invitation_method TEXT,
        CHECK (customer_id IS NOT NULL OR user_id IS NOT NULL)
    )",
    "CREATE INDEX claim_customer ON claim (customer_id)",
    "CREATE INDEX claim_user ON claim (user_id)",
    "CREATE INDEX claim_code ON claim (code)",
    "CREATE TABLE referral (
        id TEXT PRIMARY KEY,
        party TEXT UNIQUE,
        merged_into TEXT,
        claim_id TEXT NOT NULL REFERENCES claim (id),
        precedence INTEGER NOT NULL,
        code TEXT NOT NULL REFERENCES code (code),
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        program_key TEXT NOT NULL REFERENCES program (key),
        program_version_id BIGINT NOT NULL REFERENCES program_version (id),
        claimed_at BIGINT NOT NULL,
        lookback_s BIGINT NOT NULL,
        CHECK ((party IS NULL) = (merged_into IS NOT NULL))
    )",
    "CREATE TABLE event (
        id TEXT PRIMARY KEY,
        event_type TEXT NOT NULL,
        api_version TEXT,
        created_at BIGINT,
        received_at BIGINT NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome IN ('posted', 'recorded', 'ignored', 'parked', 'quarantined')),
        reason TEXT,
        parked_on TEXT,
        body_sha256 {bytes} NOT NULL,
        body_zstd {bytes} NOT NULL,
        lookups INTEGER NOT NULL DEFAULT 0 CHECK (lookups >= 0),
        lookup_at BIGINT,
        CHECK ((outcome IN ('ignored', 'parked', 'quarantined')) = (reason IS NOT NULL)),
        CHECK ((outcome = 'parked') = (parked_on IS NOT NULL))
    )",
    "CREATE INDEX event_parked ON event (parked_on) WHERE parked_on IS NOT NULL;
    CREATE INDEX event_lookup ON event (lookups, lookup_at) WHERE parked_on IS NOT NULL",
    "CREATE TABLE invoice (
        id TEXT PRIMARY KEY,
        event_id TEXT NOT NULL,
        customer_id TEXT,
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        amount_paid_minor BIGINT NOT NULL CHECK (amount_paid_minor >= 0),
        total_minor BIGINT NOT NULL,
        total_excluding_tax_minor BIGINT,
        tax_minor BIGINT,
        paid_at BIGINT NOT NULL,
        conflict BOOLEAN NOT NULL
    );
    CREATE INDEX invoice_customer ON invoice (customer_id)",
    "CREATE TABLE payment (
        id TEXT PRIMARY KEY,
        payment_intent TEXT,
        captured_minor BIGINT NOT NULL CHECK (captured_minor >= 0),
        amount_refunded_minor BIGINT NOT NULL CHECK (amount_refunded_minor >= 0)
    );
    CREATE INDEX payment_intent ON payment (payment_intent) WHERE payment_intent IS NOT NULL",
    "CREATE TABLE payment_link (
        invoice_id TEXT NOT NULL,
        payment_id TEXT NOT NULL,
        amount_minor BIGINT CHECK (amount_minor >= 0),
        PRIMARY KEY (invoice_id, payment_id)
    );
    CREATE INDEX payment_link_payment ON payment_link (payment_id)",
    "CREATE TABLE refund (
        id TEXT PRIMARY KEY,
        payment_id TEXT NOT NULL,
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        state TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed'))
    );
    CREATE INDEX refund_payment ON refund (payment_id)",
    "CREATE TABLE dispute (
        id TEXT PRIMARY KEY,
        payment_id TEXT NOT NULL,
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        state TEXT NOT NULL CHECK (state IN ('inquiry', 'open', 'returned', 'lost'))
    );
    CREATE INDEX dispute_payment ON dispute (payment_id)",
    "CREATE TABLE credit_note (
        id TEXT PRIMARY KEY,
        invoice_id TEXT NOT NULL,
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        void BOOLEAN NOT NULL
    );
    CREATE INDEX credit_note_invoice ON credit_note (invoice_id)",
    "CREATE TABLE commission (
        invoice_id TEXT PRIMARY KEY,
        referral_id TEXT,
        promoter_id TEXT REFERENCES promoter (id),
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        base_minor BIGINT NOT NULL,
        rate_bps INTEGER,
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        available_at BIGINT NOT NULL,
        reason TEXT,
        CHECK ((referral_id IS NULL) = (promoter_id IS NULL)),
        CHECK (referral_id IS NOT NULL OR reason IS NOT NULL),
        CHECK (reason IS NULL OR amount_minor = 0)
    )",
    "CREATE TABLE ledger_entry (
        id {row_id},
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        invoice_id TEXT,
        kind TEXT NOT NULL CHECK (kind IN
            ('commission', 'refund', 'dispute', 'adjustment', 'payout', 'payout_reversal')),
        amount_minor BIGINT NOT NULL CHECK (amount_minor <> 0),
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        available_at BIGINT NOT NULL,
        cause TEXT NOT NULL,
        posted_at BIGINT NOT NULL,
        CHECK ((kind IN ('commission', 'refund', 'dispute')) = (invoice_id IS NOT NULL))
    );
    CREATE INDEX ledger_entry_invoice ON ledger_entry (invoice_id);
    CREATE INDEX ledger_entry_promoter ON ledger_entry (promoter_id, currency)",
];

/// Columns of an event that nobody may change; its outcome may.
const EVENT_IDENTITY: [&str; 6] =
    ["id", "event_type", "api_version", "created_at", "received_at", "body_sha256"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let backend = manager.get_database_backend();
        for statement in STATEMENTS {
            db.execute_unprepared(&spell(statement, backend)?).await?;
        }
        if backend == DatabaseBackend::Postgres {
            db.execute_unprepared(POSTGRES_REFUSE_CHANGE).await?;
        }
        for (table, columns) in [
            ("ledger_entry", [].as_slice()),
            ("claim", &[]),
            ("program_version", &[]),
            ("event", &EVENT_IDENTITY),
        ] {
            for statement in refuse_change(table, columns, backend) {
                db.execute_unprepared(&statement).await?;
            }
        }
        if backend == DatabaseBackend::Sqlite {
            db.execute_unprepared(&refuse_replace("ledger_entry")).await?;
        }
        Ok(())
    }

    /// Forward-only: a ledger is never unmade by a program.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("migrations of referrald go forward only".to_owned()))
    }
}
