//! A ledger of an older schema is carried over as it stands.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_imports,
    reason = "a test says what it expects by failing"
)]

mod support;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database};
use support::events::*;
use support::{Daemon, client, command, post_event};

/// What the first schema held: three referrals of one promoter, of which one is of its own user; sales, one of them
/// refunded by half, one of nothing, and one that nobody referred.
const FIRST_LEDGER: &str = "
    INSERT INTO program (key, created_at) VALUES ('default', 5);
    INSERT INTO program_version (program_key, valid_from, rate_bps, commission_base, hold_days)
        VALUES ('default', 5, 1000, 'net_of_tax', 30);
    INSERT INTO promoter (id, user_id, email, created_at) VALUES ('prm_1', 'anna', 'anna@example.com', 6);
    INSERT INTO code (code, promoter_id, program_key, created_at) VALUES ('ANNA', 'prm_1', 'default', 7);
    INSERT INTO customer (id, user_id) VALUES ('cus_2', '42'), ('cus_4', 'anna');
    INSERT INTO claim (id, customer_id, user_id, code, precedence, claimed_at, lookback_s) VALUES
        ('clm_1', 'cus_1', NULL, 'ANNA', 100, 1000, 86400),
        ('clm_2', 'cus_2', '42', 'ANNA', 100, 900, 86400),
        ('clm_4', 'cus_4', 'anna', 'ANNA', 100, 950, 86400);
    INSERT INTO referral (id, party, claim_id, precedence, code, promoter_id, program_key, program_version_id,
            claimed_at, lookback_s) VALUES
        ('ref_1', 'customer:cus_1', 'clm_1', 100, 'ANNA', 'prm_1', 'default', 1, 1000, 86400),
        ('ref_2', 'user:42', 'clm_2', 100, 'ANNA', 'prm_1', 'default', 1, 900, 86400),
        ('ref_4', 'user:anna', 'clm_4', 100, 'ANNA', 'prm_1', 'default', 1, 950, 86400);
    INSERT INTO invoice (id, event_id, customer_id, currency, amount_paid_minor, total_minor,
            total_excluding_tax_minor, paid_at, conflict) VALUES
        ('in_1', 'evt_1', 'cus_1', 'usd', 10000, 10000, 10000, 2000, FALSE),
        ('in_2', 'evt_2', 'cus_2', 'usd', 5000, 5000, 5000, 3000, FALSE),
        ('in_3', 'evt_3', 'cus_3', 'usd', 700, 700, 700, 3000, FALSE),
        ('in_4', 'evt_5', 'cus_4', 'usd', 100, 100, 100, 3000, FALSE),
        ('in_5', 'evt_6', 'cus_1', 'usd', 0, 0, 0, 3000, FALSE);
    INSERT INTO payment_link (invoice_id, payment_id, amount_minor) VALUES ('in_1', 'pi_1', 10000);
    INSERT INTO payment (id, captured_minor, amount_refunded_minor) VALUES ('pi_1', 10000, 5000);
    INSERT INTO commission (invoice_id, referral_id, promoter_id, currency, base_minor, rate_bps, amount_minor,
            available_at, reason) VALUES
        ('in_1', 'ref_1', 'prm_1', 'usd', 10000, 1000, 1000, 2594000, NULL),
        ('in_2', 'ref_2', 'prm_1', 'usd', 5000, 1000, 500, 2595000, NULL),
        ('in_3', NULL, NULL, 'usd', 0, NULL, 0, 3000, 'not_referred'),
        ('in_4', 'ref_4', 'prm_1', 'usd', 100, 1000, 10, 2595000, NULL),
        ('in_5', 'ref_1', 'prm_1', 'usd', 0, 1000, 0, 2595000, 'zero_amount');
    INSERT INTO ledger_entry (promoter_id, invoice_id, kind, amount_minor, currency, available_at, cause, posted_at)
        VALUES ('prm_1', 'in_1', 'commission', 1000, 'usd', 2594000, 'evt_1', 2000),
        ('prm_1', 'in_1', 'refund', -500, 'usd', 2594000, 'evt_4', 2001),
        ('prm_1', 'in_2', 'commission', 500, 'usd', 2595000, 'evt_2', 3000),
        ('prm_1', 'in_4', 'commission', 10, 'usd', 2595000, 'evt_5', 3000);";

async fn is_carried_over(url: &str) {
    let db = Database::connect(url).await.unwrap();
    Migrator::up(&db, Some(1)).await.unwrap();
    db.execute_unprepared(FIRST_LEDGER).await.unwrap();
    db.close().await.unwrap();

    let migrated = command(url).arg("migrate").output().unwrap();
    let told = String::from_utf8(migrated.stdout).unwrap();
    assert!(migrated.status.success() && told.contains("terms_and_attribution"), "{told}");
    let verified = command(url).arg("verify").output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));

    // It goes on from there: the next referral is the fourth, and a refund takes what is left.
    let daemon = Daemon::start(url, &[]);
    let referred = command(url).args(["refer", "ANNA", "--customer", "cus_3"]).output().unwrap();
    assert!(referred.status.success());
    let refunded = charge_refunded("pi_1", "cus_1", 10_000, 10_000);
    assert_eq!(post_event(&client(), &daemon, &refunded).await.1["outcome"], "posted");
    let verified = command(url).arg("verify").output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let db = Database::connect(url).await.unwrap();
    for (sql, expected) in [
        ("SELECT ordinal FROM referral WHERE party = 'customer:cus_3'", 4),
        ("SELECT ordinal FROM referral WHERE party = 'user:42'", 1),
        ("SELECT uses FROM code WHERE code = 'ANNA'", 4),
        ("SELECT CAST(SUM(amount_minor) AS BIGINT) FROM ledger_entry WHERE invoice_id = 'in_4'", 0),
        ("SELECT CAST(SUM(amount_minor) AS BIGINT) FROM ledger_entry WHERE invoice_id = 'in_1'", 0),
    ] {
        let statement = sea_orm::Statement::from_string(db.get_database_backend(), sql);
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), expected, "{sql}");
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_ledger_of_the_first_schema_is_carried_over_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("old.db").display());
    is_carried_over(&url).await;
}

#[tokio::test]
async fn a_ledger_of_the_first_schema_is_carried_over_on_postgres() {
    is_carried_over(&support::postgres::new_database().await).await;
}
