//! Old payloads are dropped; what they said stays.

use crate::support;
use crate::support::events::*;
use crate::support::{World, eventually};

on_both_databases! {
    async fn payloads_are_dropped_when_they_are_old_and_the_ledger_stays(world: World) {
        world.with_anna("10").await;
        let sale = invoice_paid("in_1", "cus_1", 10_000);
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &sale).await;
        world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
        world.expect("parked", &charge_refunded("pi_9", "cus_1", 10_000, 5_000)).await;
        world.make_events_old(31).await;
        assert_eq!(world.payloads().await, 6);
        let _daemon = support::Daemon::start(&world.url, &[("REFERRALD_RETENTION__PAYLOAD_DAYS", "30")]);
        // Of the three old ones the parked one keeps its payload.
        eventually("two payloads are dropped", async || world.payloads().await == 4).await;
        assert_eq!(world.events().await, 6);
        let old = format!("evt_old_{}", sale["id"].as_str().unwrap());
        let told = world.cli_ok(&["explain", &old]);
        assert!(told.contains("dropped after retention.payload_days"), "{told}");
        assert_eq!(world.kept(&old).await, "posted()");
        world.cli_ok(&["replay", &old]);
        assert_eq!(world.kept(&old).await, "posted()");
        assert_eq!(world.sums("in_1").await, (1_000, 0));
        world.expect("duplicate", &sale).await;
    }
}
