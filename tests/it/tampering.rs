//! Somebody at the SQL prompt: what the database refuses by itself, and what `verify` finds.

use crate::support::World;
use crate::support::events::*;
use sea_orm::ConnectionTrait;
use serde_json::Value;

async fn a_sale(world: &World) {
    world.with_anna("10").await;
    world.refer("ANNA", "cus_1").await;
    world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
    world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
}

/// Does what must be found; returns what `verify` says.
async fn tampered(world: &World, sql: &str) -> String {
    world.leave_broken();
    let db = world.connection().await;
    db.execute_unprepared(sql).await.unwrap();
    db.close().await.unwrap();
    let output = world.cli(&["verify"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{sql}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A forged entry for an invoice.
fn forged_entry(invoice: &str) -> String {
    format!(
        "INSERT INTO ledger_entry \
         (id, promoter_id, invoice_id, kind, amount_minor, currency, available_at, cause_kind, cause_id, posted_at) \
         SELECT 99, id, '{invoice}', 'commission', 100, 'usd', 0, 'event', 'evt_forged', 0 FROM promoter"
    )
}

async fn verify_finds(world: &World, sql: &str, told: &[&str]) {
    a_sale(world).await;
    let text = tampered(world, sql).await;
    for told in told {
        assert!(text.contains(told), "{sql}: {text}");
    }
    let output = world.cli(&["verify", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(report["violations"][0].as_str().unwrap().contains(told[0]), "{report}");
}

/// Each of these on a world of its own, with the name of the invoice in what is told.
macro_rules! found_on_both {
    ($($name:ident: $sql:expr, $told:expr;)+) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                verify_finds(&World::sqlite(), $sql, &$told).await;
            })+
        }
        mod postgres {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                verify_finds(&World::postgres().await, $sql, &$told).await;
            })+
        }
    };
}

found_on_both! {
    verify_finds_an_entry_made_by_hand: &forged_entry("in_1"), ["in_1", "available at 1970-01-01T00:00:00Z is 1.00 USD", "say 0.00 USD"];
    verify_finds_an_entry_of_no_invoice: &forged_entry("in_forged"), ["in_forged"];
    verify_finds_a_changed_fact: "UPDATE invoice SET total_excluding_tax_minor = 20000", ["in_1"];
    verify_finds_a_lost_fact: "DELETE FROM invoice", ["in_1"];
    verify_finds_a_changed_commission: "UPDATE commission SET amount_minor = 1", ["in_1"];
    verify_finds_a_lost_commission: "DELETE FROM commission", ["in_1"];
    verify_finds_a_moved_referral: "UPDATE referral SET customer = 'customer:cus_2'", ["in_1"];
    verify_finds_a_forged_refund:
        "INSERT INTO refund (id, payment_id, amount_minor, state) VALUES ('re_1', 'pi_1', 5000, 'succeeded')",
        ["in_1"];
}

/// True when the database refuses the statement.
async fn refused(world: &World, sql: &str) -> bool {
    let db = world.connection().await;
    let refused = db.execute_unprepared(sql).await.is_err();
    db.close().await.unwrap();
    refused
}

mod both {
    use super::*;

    on_both_databases! {
        async fn the_database_itself_refuses_to_change_what_is_written(world: World) {
            a_sale(&world).await;
            for table in ["ledger_entry", "claim", "program_version", "event"] {
                let sql = format!("DELETE FROM {table}");
                assert!(refused(&world, &sql).await, "{sql}");
            }
            for (table, column, value) in [
                ("ledger_entry", "amount_minor", "1"),
                ("ledger_entry", "promoter_id", "promoter_id"),
                ("ledger_entry", "cause_kind", "'claim'"),
                ("ledger_entry", "cause_id", "'x'"),
                ("ledger_entry", "available_at", "0"),
                ("claim", "code", "'BERT'"),
                ("claim", "claimed_at", "0"),
                ("claim", "stripe_customer_id", "'cus_2'"),
                ("program_version", "rate_bps", "10000"),
                ("event", "number", "number + 100"),
                ("event", "id", "'evt_x'"),
                ("event", "event_type", "'x'"),
                ("event", "created_at", "0"),
                ("event", "received_at", "0"),
                ("event_payload", "number", "number + 100"),
                ("event_payload", "dictionary", "0"),
                ("event_payload", "zstd", "zstd"),
            ] {
                let sql = format!("UPDATE {table} SET {column} = {value}");
                assert!(refused(&world, &sql).await, "{sql}");
            }
            assert!(!refused(&world, "UPDATE event SET outcome = 'recorded'").await, "an outcome may change");
        }

        async fn there_is_no_way_around_the_refusal(world: World) {
            a_sale(&world).await;
            let replace = "INSERT OR REPLACE INTO ledger_entry \
                SELECT id, promoter_id, invoice_id, kind, 1, currency, available_at, cause_kind, cause_id, posted_at \
                FROM ledger_entry";
            let ways = if world.url.starts_with("sqlite:") { [replace, replace] } else {
                ["TRUNCATE ledger_entry", "TRUNCATE event, claim CASCADE"]
            };
            let columns = "id, api_version, event_type, received_at, outcome";
            let twice = format!("INSERT INTO event (number, {columns}) SELECT number + 100, {columns} FROM event");
            for sql in ways.into_iter().chain([twice.as_str()]) {
                assert!(refused(&world, sql).await, "{sql}");
            }
        }
    }
}
