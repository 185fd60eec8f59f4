//! Old payloads are dropped; what they said stays.

use std::time::Duration;

use crate::support;
use crate::support::events::*;
use crate::support::{World, eventually, now};
use sea_orm::ConnectionTrait;

/// As if the daemon had run then: nobody may change when an event was received, so it is stored anew.
async fn make_old(world: &World, days: i64) {
    let received_at = now().unix() - days * 86_400;
    let columns = "event_type, api_version, created_at, outcome, reason, parked_on, body_sha256, body_zstd";
    let sql = format!(
        "INSERT INTO event (id, received_at, {columns}) SELECT 'evt_old_' || id, {received_at}, {columns} FROM event"
    );
    let db = world.connection().await;
    db.execute_unprepared(&sql).await.unwrap();
    db.close().await.unwrap();
}

async fn payloads(world: &World) -> String {
    world.query("SELECT CAST(COUNT(*) AS TEXT) FROM event WHERE length(body_zstd) > 0").await
}

on_both_databases! {
    async fn payloads_are_dropped_when_they_are_old_and_the_ledger_stays(world: World) {
        world.with_anna("10");
        let sale = invoice_paid("in_1", "cus_1", 10_000);
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &sale).await;
        world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
        world.expect("parked", &charge_refunded("pi_9", "cus_1", 10_000, 5_000)).await;
        make_old(&world, 31).await;
        assert_eq!(payloads(&world).await, "6");
        let _daemon = support::Daemon::start(&world.url, &[("REFERRALD_RETENTION__PAYLOAD_DAYS", "30")]);
        // Of the three old ones the parked one keeps its payload.
        eventually("two payloads are dropped", Duration::from_secs(20), async || payloads(&world).await == "4").await;
        assert_eq!(world.count("event").await, 6);
        let old = format!("evt_old_{}", sale["id"].as_str().unwrap());
        let told = world.cli_ok(&["explain", &old]);
        assert!(told.contains("dropped after retention.payload_days"), "{told}");
        assert_eq!(world.query(&format!("SELECT outcome FROM event WHERE id = '{old}'")).await, "posted");
        world.cli_ok(&["replay", &old]);
        assert_eq!(world.query(&format!("SELECT outcome FROM event WHERE id = '{old}'")).await, "posted");
        assert_eq!(world.sums("in_1").await, (1_000, 0));
        world.expect("duplicate", &sale).await;
    }
}
