//! The first schema: what operators set up, attribution, the inbox, the facts, and the ledger. Above each table stands who reads
//! each of its indexes, by function of the store or by route; `tests/it/plans` fails for an index that no statement uses.
//!
//! Plain SQL, because the rules of the ledger (checks, triggers, partial indexes) are the point of it.

use sea_orm_migration::prelude::*;

use crate::dialect::spell;

mod guards;

/// The migration of this file.
#[derive(Debug, DeriveMigrationName)]
pub struct Migration;

/// The head stands before the migrations: whoever migrates holds its row (`Database::migrate`).
const STATEMENTS: [&str; 33] = [
    "CREATE TABLE program (
        key TEXT PRIMARY KEY CHECK (key <> ''),
        created_at BIGINT NOT NULL
    )",
    "CREATE TABLE program_version (
        program_key TEXT NOT NULL REFERENCES program (key),
        version BIGINT NOT NULL CHECK (version > 0),
        valid_from BIGINT NOT NULL,
        active BOOLEAN NOT NULL,
        rate_bps INTEGER NOT NULL CHECK (rate_bps BETWEEN 0 AND 10000),
        flat_minor BIGINT CHECK (flat_minor > 0),
        commission_base TEXT NOT NULL CHECK (commission_base IN ('net_of_tax', 'amount_paid')),
        exclude_shipping BOOLEAN NOT NULL,
        currency TEXT CHECK (length(currency) = 3),
        one_time BOOLEAN NOT NULL,
        limit_months INTEGER CHECK (limit_months > 0),
        limit_invoices BIGINT CHECK (limit_invoices > 0),
        tiers TEXT,
        tiers_by TEXT NOT NULL CHECK (tiers_by IN ('customers', 'signups')),
        product_rates TEXT,
        caps TEXT,
        min_invoices TEXT,
        min_payouts TEXT,
        new_customers_only BOOLEAN NOT NULL,
        max_rewards_per_promoter INTEGER CHECK (max_rewards_per_promoter > 0),
        conversion_window_days INTEGER CHECK (conversion_window_days >= 0),
        hold_days INTEGER NOT NULL CHECK (hold_days BETWEEN 0 AND 3650),
        PRIMARY KEY (program_key, version)
    )",
    "CREATE TABLE promoter (
        id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL UNIQUE CHECK (user_id <> ''),
        email TEXT,
        created_at BIGINT NOT NULL
    )",
    "CREATE TABLE promoter_email (
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        email TEXT NOT NULL,
        known_since BIGINT NOT NULL,
        PRIMARY KEY (promoter_id, email)
    )",
    // code_promoter: `codes::list` (`GET /v1/codes?promoter=`, a promoter's page).
    // code_program: `codes::list` (`?program=`); `claims::select`, the claims that a change of a program concerns.
    "CREATE TABLE code (
        key TEXT PRIMARY KEY CHECK (key <> ''),
        code TEXT NOT NULL CHECK (code <> ''),
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        program_key TEXT NOT NULL REFERENCES program (key),
        made_at BIGINT NOT NULL,
        max_uses BIGINT CHECK (max_uses >= 0),
        uses BIGINT NOT NULL CHECK (uses >= 0)
    );
    CREATE INDEX code_promoter ON code (promoter_id, key);
    CREATE INDEX code_program ON code (program_key, key)",
    "CREATE TABLE code_click (
        code_key TEXT PRIMARY KEY REFERENCES code (key),
        clicks BIGINT NOT NULL CHECK (clicks > 0)
    )",
    "CREATE TABLE code_version (
        code_key TEXT NOT NULL REFERENCES code (key),
        version BIGINT NOT NULL CHECK (version > 0),
        valid_from BIGINT NOT NULL,
        active BOOLEAN NOT NULL,
        expires_at BIGINT,
        PRIMARY KEY (code_key, version)
    )",
    // promotion_code_code: `codes::list` and `codes::one`, what a code carries; `claims::select`, the claims that wait for that.
    "CREATE TABLE promotion_code (
        id TEXT PRIMARY KEY CHECK (id <> ''),
        code_key TEXT NOT NULL REFERENCES code (key)
    );
    CREATE INDEX promotion_code_code ON promotion_code (code_key)",
    // stripe_customer_user, stripe_customer_alias: `customers::select`, the customers of a user and the accounts of a customer.
    "CREATE TABLE stripe_customer (
        id TEXT PRIMARY KEY,
        user_id TEXT CHECK (user_id <> ''),
        alias_of TEXT CHECK (alias_of <> id),
        CHECK (user_id IS NOT NULL OR alias_of IS NOT NULL)
    );
    CREATE INDEX stripe_customer_user ON stripe_customer (user_id) WHERE user_id IS NOT NULL;
    CREATE INDEX stripe_customer_alias ON stripe_customer (alias_of) WHERE alias_of IS NOT NULL",
    "CREATE TABLE customer_email (
        customer TEXT NOT NULL,
        email_hash {bytes} NOT NULL,
        told_by TEXT NOT NULL CHECK (told_by <> ''),
        PRIMARY KEY (customer, email_hash)
    ){narrow}",
    // claim_stripe_customer, claim_user: `claims::select`, the claims about a customer, by either name.
    // claim_code: `claims::select`, those that a change of a code or a program concerns.
    "CREATE TABLE claim (
        id TEXT PRIMARY KEY,
        stripe_customer_id TEXT,
        user_id TEXT,
        code TEXT NOT NULL CHECK (code <> ''),
        code_key TEXT NOT NULL CHECK (code_key <> ''),
        precedence INTEGER NOT NULL,
        claimed_at BIGINT NOT NULL,
        moved_at BIGINT,
        lookback_s BIGINT NOT NULL,
        invitation_method TEXT,
        CHECK (stripe_customer_id IS NOT NULL OR user_id IS NOT NULL)
    );
    CREATE INDEX claim_stripe_customer ON claim (stripe_customer_id) WHERE stripe_customer_id IS NOT NULL;
    CREATE INDEX claim_user ON claim (user_id) WHERE user_id IS NOT NULL;
    CREATE INDEX claim_code ON claim (code_key, claimed_at)",
    "CREATE TABLE claim_used_up (claim_id TEXT PRIMARY KEY REFERENCES claim (id))",
    "CREATE TABLE redemption (
        customer TEXT NOT NULL,
        code_key TEXT NOT NULL REFERENCES code (key),
        PRIMARY KEY (customer, code_key)
    ){narrow}",
    "CREATE TABLE referral_number (
        customer TEXT NOT NULL,
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        program_key TEXT NOT NULL REFERENCES program (key),
        number BIGINT NOT NULL CHECK (number > 0),
        PRIMARY KEY (customer, promoter_id, program_key)
    ){narrow}",
    // So that nobody has to look for the greatest number.
    "CREATE TABLE referral_counter (
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        program_key TEXT NOT NULL REFERENCES program (key),
        last BIGINT NOT NULL CHECK (last > 0),
        PRIMARY KEY (promoter_id, program_key)
    ){narrow}",
    // review_customer: `claims::select`, what was said of a customer.
    "CREATE TABLE review (
        id TEXT PRIMARY KEY,
        customer TEXT NOT NULL,
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        decision TEXT NOT NULL CHECK (decision IN ('released', 'refused')),
        reviewed_at BIGINT NOT NULL,
        reviewed_by TEXT,
        reason TEXT,
        covers_user BOOLEAN NOT NULL,
        covers_email BOOLEAN NOT NULL,
        CHECK (decision = 'released' OR NOT (covers_user OR covers_email))
    );
    CREATE INDEX review_customer ON review (customer)",
    // UNIQUE (customer): `referrals::select`, `referrals::of_customer`.
    // referral_promoter: `referrals::select`, the customers of a promoter; `referrals::list` (`GET /v1/referrals?promoter=`).
    // referral_program: `referrals::list` (`?program=`); new rows come at its end, because ids tell the time.
    // referral_held: `referrals::list` (`?status=held`); held rows only.
    // referral_slot: `referrals::rivals`, who competes for reward slots.
    "CREATE TABLE referral (
        id TEXT PRIMARY KEY,
        customer TEXT UNIQUE,
        merged_into TEXT,
        claim_id TEXT NOT NULL REFERENCES claim (id),
        precedence INTEGER NOT NULL,
        code TEXT NOT NULL,
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        program_key TEXT NOT NULL REFERENCES program (key),
        program_version BIGINT NOT NULL,
        claimed_at BIGINT NOT NULL,
        lookback_s BIGINT NOT NULL,
        referral_number BIGINT CHECK (referral_number > 0),
        void BOOLEAN NOT NULL,
        held BOOLEAN NOT NULL,
        qualified_at BIGINT,
        qualified_by TEXT,
        FOREIGN KEY (program_key, program_version) REFERENCES program_version (program_key, version),
        CHECK ((customer IS NULL) = (merged_into IS NOT NULL))
    );
    CREATE INDEX referral_promoter ON referral (promoter_id, id);
    CREATE INDEX referral_program ON referral (program_key, id);
    CREATE INDEX referral_held ON referral (id) WHERE held;
    CREATE INDEX referral_slot ON referral (promoter_id, program_key, qualified_at, qualified_by)
        WHERE qualified_at IS NOT NULL",
    // The key: `customers::select`; `customers::subscriptions`, of which the status of a referral is made.
    // subscription_id: `customers::of_subscription` (`explain sub_…`). A sale touches it once a subscription, when that is told
    // first, and at its end, because Stripe's ids tell the time; to key the table by id would cost the same two trees.
    "CREATE TABLE subscription (
        stripe_customer_id TEXT NOT NULL,
        id TEXT NOT NULL,
        ended BOOLEAN NOT NULL,
        PRIMARY KEY (stripe_customer_id, id)
    ){narrow};
    CREATE INDEX subscription_id ON subscription (id)",
    // `number` is the order of commits: lists, cursors and retention go by it, and need no index by time. UNIQUE is the check
    // that an event counts once.
    "CREATE TABLE event (
        number {number} CHECK (number > 0),
        id TEXT NOT NULL,
        api_version TEXT NOT NULL,
        event_type TEXT NOT NULL,
        created_at BIGINT,
        received_at BIGINT NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome IN ('posted', 'recorded', 'ignored', 'parked', 'quarantined')),
        reason TEXT,
        waits_for TEXT,
        lookups INTEGER NOT NULL DEFAULT 0 CHECK (lookups >= 0),
        lookup_at BIGINT,
        UNIQUE (id, api_version),
        CHECK ((outcome IN ('ignored', 'parked', 'quarantined')) = (reason IS NOT NULL)),
        CHECK ((outcome = 'parked' OR (outcome = 'ignored' AND reason = 'no_invoice')) = (waits_for IS NOT NULL))
    )",
    // A sale is in none of these.
    // event_waits: `inbox::select`, what an invoice of a payment settles.
    // event_lookup: `events::due_for_lookup`, what Stripe is asked about next.
    // event_open: `events::stored_with` (`replay`, `explain`), `newest` (`GET /v1/events?outcome=`), `parked_since`,
    // `count_parked`.
    // event_refund: `events::lacks_refund_events`, whether refunds are ever told by id.
    "CREATE INDEX event_waits ON event (waits_for) WHERE waits_for IS NOT NULL;
    CREATE INDEX event_lookup ON event (lookups, lookup_at) WHERE outcome = 'parked';
    CREATE INDEX event_open ON event (outcome, number, received_at) WHERE outcome IN ('parked', 'quarantined');
    CREATE INDEX event_refund ON event (number)
        WHERE event_type IN ('refund.created', 'refund.updated', 'refund.failed')",
    // The key: `payloads::of`, bodies for `replay` and `explain`; `payloads::sweep`, what is left behind it. A row has to be
    // shorter than a fifth of a page of SQLite's, and would not be with the event in it. No foreign key: it is written with its
    // event, which is never deleted, and PostgreSQL would lock and log the event's row once more for it.
    "CREATE TABLE event_payload (
        number {number} CHECK (number > 0),
        dictionary INTEGER NOT NULL CHECK (dictionary >= 0),
        zstd {bytes} NOT NULL CHECK (length(zstd) > 0)
    )",
    // Up to which event retention has come. One row.
    "CREATE TABLE payload_sweep (id INTEGER PRIMARY KEY CHECK (id = 1), through BIGINT NOT NULL);
    INSERT INTO payload_sweep (id, through) VALUES (1, 0)",
    // invoice_stripe_customer: `invoices::select`, all invoices of a customer, where terms count them or its referral changes.
    "CREATE TABLE invoice (
        id TEXT PRIMARY KEY,
        event_id TEXT NOT NULL,
        api_version TEXT NOT NULL,
        stripe_customer_id TEXT,
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        amount_paid_minor BIGINT NOT NULL CHECK (amount_paid_minor >= 0),
        total_minor BIGINT NOT NULL,
        total_excluding_tax_minor BIGINT,
        tax_minor BIGINT,
        shipping_minor BIGINT NOT NULL,
        shipping_tax_minor BIGINT NOT NULL,
        paid_at BIGINT NOT NULL,
        conflict BOOLEAN NOT NULL,
        lines TEXT,
        more_lines BOOLEAN NOT NULL,
        lines_read BOOLEAN NOT NULL
    );
    CREATE INDEX invoice_stripe_customer ON invoice (stripe_customer_id)",
    // unread_discounts_turn: `lookups::due_discounts`, what is read from Stripe next.
    "CREATE TABLE unread_discounts (
        invoice_id TEXT NOT NULL,
        event_id TEXT NOT NULL,
        stripe_customer_id TEXT NOT NULL,
        told_at BIGINT NOT NULL,
        lookups INTEGER NOT NULL CHECK (lookups >= 0),
        lookup_at BIGINT,
        is_read BOOLEAN NOT NULL,
        PRIMARY KEY (invoice_id, event_id)
    );
    CREATE INDEX unread_discounts_turn ON unread_discounts (lookups, lookup_at) WHERE NOT is_read",
    // Written only to find out whether a disk that was full has room again.
    "CREATE TABLE write_probe (id INTEGER PRIMARY KEY CHECK (id = 1), bytes {bytes} NOT NULL)",
    "CREATE TABLE line_lookup (
        invoice_id TEXT PRIMARY KEY,
        lookups INTEGER NOT NULL CHECK (lookups >= 0),
        lookup_at BIGINT NOT NULL
    )",
    // payment_intent: `payments::select`, the charges of a payment intent.
    "CREATE TABLE payment (
        id TEXT PRIMARY KEY,
        payment_intent TEXT,
        captured_minor BIGINT NOT NULL CHECK (captured_minor >= 0),
        amount_refunded_minor BIGINT NOT NULL CHECK (amount_refunded_minor >= 0),
        no_invoice BOOLEAN NOT NULL,
        released_minor BIGINT CHECK (released_minor > 0),
        released_captured_minor BIGINT CHECK (released_captured_minor >= 0),
        CHECK ((released_minor IS NULL) = (released_captured_minor IS NULL))
    );
    CREATE INDEX payment_intent ON payment (payment_intent) WHERE payment_intent IS NOT NULL",
    // payment_link_payment: `payments::select`, what a payment pays.
    "CREATE TABLE payment_link (
        invoice_id TEXT NOT NULL,
        payment_id TEXT NOT NULL,
        amount_minor BIGINT CHECK (amount_minor >= 0),
        PRIMARY KEY (invoice_id, payment_id)
    ){narrow};
    CREATE INDEX payment_link_payment ON payment_link (payment_id)",
    // refund_payment, dispute_payment, credit_note_invoice: `payments::select`, what takes from a payment, and from an invoice.
    "CREATE TABLE refund (
        id TEXT PRIMARY KEY,
        payment_id TEXT NOT NULL,
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        state TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed')),
        created_at BIGINT
    );
    CREATE INDEX refund_payment ON refund (payment_id)",
    "CREATE TABLE dispute (
        id TEXT PRIMARY KEY,
        payment_id TEXT NOT NULL,
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        state TEXT NOT NULL CHECK (state IN ('inquiry', 'open', 'returned', 'lost')),
        closed_at BIGINT,
        transactions TEXT,
        CHECK ((state IN ('returned', 'lost')) = (closed_at IS NOT NULL))
    );
    CREATE INDEX dispute_payment ON dispute (payment_id)",
    "CREATE TABLE credit_note (
        id TEXT PRIMARY KEY,
        invoice_id TEXT NOT NULL,
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        void BOOLEAN NOT NULL
    );
    CREATE INDEX credit_note_invoice ON credit_note (invoice_id)",
    // commission_promoter: `commissions::invoices` (`GET /v1/commissions?promoter=`).
    // commission_program: `commissions::invoices` (`?program=`); new rows come at its end, because ids of invoices tell the time.
    // commission_unseen: `lookups::due_lines`, invoices whose lines are read from Stripe next; those only.
    // No foreign key to the promoter: a commission is worked out from its referral, which has one, as has each entry. PostgreSQL
    // locks and writes the row of the promoter for each check.
    "CREATE TABLE commission (
        invoice_id TEXT PRIMARY KEY,
        referral_id TEXT,
        promoter_id TEXT,
        program_key TEXT,
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        base_minor BIGINT NOT NULL,
        rate_bps INTEGER,
        amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
        refund_minor BIGINT NOT NULL CHECK (refund_minor <= 0),
        dispute_minor BIGINT NOT NULL CHECK (dispute_minor <= 0),
        available_at BIGINT NOT NULL,
        reason TEXT,
        unseen_lines BOOLEAN NOT NULL,
        CHECK ((referral_id IS NULL) = (promoter_id IS NULL)),
        CHECK ((referral_id IS NULL) = (program_key IS NULL)),
        CHECK (referral_id IS NOT NULL OR reason IS NOT NULL),
        CHECK (reason IS NULL OR amount_minor = 0)
    ){narrow};
    CREATE INDEX commission_promoter ON commission (promoter_id, invoice_id) WHERE promoter_id IS NOT NULL;
    CREATE INDEX commission_program ON commission (program_key, invoice_id) WHERE program_key IS NOT NULL;
    CREATE INDEX commission_unseen ON commission (invoice_id) WHERE unseen_lines",
    // ledger_entry_invoice: `entries::select`, what is posted for an invoice; `entries::of_invoices`.
    // ledger_entry_promoter: `entries::list` (`GET /v1/entries?promoter=`), `entries::balances`.
    "CREATE TABLE ledger_entry (
        id {number} CHECK (id > 0),
        promoter_id TEXT NOT NULL REFERENCES promoter (id),
        invoice_id TEXT,
        kind TEXT NOT NULL CHECK (kind IN
            ('commission', 'refund', 'dispute', 'adjustment', 'payout', 'payout_reversal')),
        amount_minor BIGINT NOT NULL CHECK (amount_minor <> 0),
        currency TEXT NOT NULL CHECK (length(currency) = 3),
        available_at BIGINT NOT NULL,
        cause_kind TEXT NOT NULL CHECK (cause_kind IN
            ('event', 'claim', 'invoice', 'review', 'customer', 'promoter')),
        cause_id TEXT NOT NULL CHECK (cause_id <> ''),
        posted_at BIGINT NOT NULL,
        CHECK ((kind IN ('commission', 'refund', 'dispute')) = (invoice_id IS NOT NULL))
    );
    CREATE INDEX ledger_entry_invoice ON ledger_entry (invoice_id);
    CREATE INDEX ledger_entry_promoter ON ledger_entry (promoter_id, id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let backend = manager.get_database_backend();
        for statement in STATEMENTS {
            db.execute_unprepared(&spell(statement, backend)?).await?;
        }
        for statement in guards::statements(backend) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    /// Forward-only: a ledger is never unmade by a program.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("migrations of referrald go forward only".to_owned()))
    }
}
