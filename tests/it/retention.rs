//! Old payloads are dropped; what they said stays.

use crate::support;
use crate::support::events::*;
use crate::support::{World, eventually};
use referrald::domain::inbox::PackedBody;
use referrald::store::payload::unpack;

on_both_databases! {
    async fn payloads_are_dropped_when_they_are_old_and_the_ledger_stays(world: World) {
        world.with_anna("10").await;
        let sale = invoice_paid("in_1", "cus_1", 10_000);
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &sale).await;
        let link = invoice_payment("in_1", "pi_1", 10_000);
        world.expect("recorded", &link).await;
        world.expect("parked", &charge_refunded("pi_9", "cus_1", 10_000, 5_000)).await;
        world.make_events_old(31).await;
        assert_eq!(world.payloads().await, 6);
        let old = format!("evt_old_{}", sale["id"].as_str().unwrap());
        let old_link = format!("evt_old_{}", link["id"].as_str().unwrap());
        // One of those that are dropped was packed without a dictionary, the other one with it.
        let raw = unpack(&world.body_of(&old).await.0).unwrap();
        world.repack(&old, &PackedBody { dictionary: 0, zstd: zstd::bulk::compress(&raw, 1).unwrap() }).await;
        let sha256 = [world.body_of(&old).await.1, world.body_of(&old_link).await.1];
        let _daemon = support::Daemon::start(&world.url, &[("REFERRALD_RETENTION__PAYLOAD_DAYS", "30")]);
        // Of the three old ones the parked one keeps its payload.
        eventually("two payloads are dropped", async || world.payloads().await == 4).await;
        assert_eq!(world.events().await, 6);
        let dropped = PackedBody { dictionary: 0, zstd: Vec::new() };
        let bodies = [world.body_of(&old).await, world.body_of(&old_link).await];
        assert_eq!(bodies, sha256.map(|sha256| (dropped.clone(), sha256)));
        let told = world.cli_ok(&["explain", &old]);
        assert!(told.contains("dropped after retention.payload_days"), "{told}");
        assert_eq!(world.kept(&old).await, "posted()");
        world.cli_ok(&["replay", &old]);
        assert_eq!(world.kept(&old).await, "posted()");
        assert_eq!(world.sums("in_1").await, (1_000, 0));
        world.expect("duplicate", &sale).await;
    }
}
