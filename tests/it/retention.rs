//! Old payloads are dropped; what they said stays.

use crate::support;
use crate::support::events::*;
use crate::support::{World, eventually};
use referrald::domain::inbox::PackedBody;
use referrald::store::packing::unpack;
use serde_json::Value;

/// What is parked is not given up meanwhile.
const DAYS: [(&str, &str); 2] =
    [("REFERRALD_RETENTION__PAYLOAD_DAYS", "30"), ("REFERRALD_REDRIVE__GIVE_UP_DAYS", "90")];
const YEAR_S: i64 = 365 * 86_400;

fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

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
        let raw = unpack(&world.body_of(&old).await.unwrap()).unwrap();
        world.repack(&old, &PackedBody { dictionary: 0, zstd: zstd::bulk::compress(&raw, 1).unwrap() }).await;
        let _daemon = support::Daemon::start(&world.url, &DAYS);
        // Of the three old ones the parked one keeps its payload.
        eventually("two payloads are dropped", async || world.payloads().await == 4).await;
        assert_eq!(world.events().await, 6);
        assert_eq!([world.body_of(&old).await, world.body_of(&old_link).await], [None, None]);
        let told = world.cli_ok(&["explain", &old]);
        assert!(told.contains("dropped after retention.payload_days"), "{told}");
        assert_eq!(world.kept(&old).await, "posted()");
        world.cli_ok(&["replay", &old]);
        assert_eq!(world.kept(&old).await, "posted()");
        assert_eq!(world.sums("in_1").await, (1_000, 0));
        world.expect("duplicate", &sale).await;
        // What was parked then is passed over, and dropped once it is settled.
        let of_the_parked = "the payload of the one that was parked is dropped";
        world.expect("posted", &invoice_payment("in_1", "pi_9", 10_000)).await;
        let _next = support::Daemon::start(&world.url, &DAYS);
        eventually(of_the_parked, async || world.payloads().await == 4).await;
    }

    async fn a_clock_that_was_wrong_neither_drops_a_payload_too_early_nor_keeps_those_behind_it(world: World) {
        let [ahead, behind, young] = ["in_1", "in_2", "in_3"].map(|id| invoice_paid(id, "cus_1", 10_000));
        for sale in [&ahead, &behind, &young] {
            world.expect("recorded", sale).await;
        }
        world.make_events_old(31).await;
        let [old_ahead, old_behind, _] = [&ahead, &behind, &young].map(|sale| format!("evt_old_{}", id(sale)));
        world.receive_by_a_wrong_clock(&old_ahead, 10 * YEAR_S).await;
        world.receive_by_a_wrong_clock(&old_behind, -10 * YEAR_S).await;
        // Dated years ago, but received after one that is young.
        world.receive_by_a_wrong_clock(id(&young), -10 * YEAR_S).await;
        let daemon = support::Daemon::start(&world.url, &DAYS);
        eventually("two of the old ones are dropped", async || world.payloads().await == 4).await;
        let told = async || daemon.log().contains("old payloads were dropped");
        eventually("the round is over", told).await;
        for kept in [&old_ahead, id(&ahead), id(&behind), id(&young)] {
            assert_eq!(world.payloads_of(kept).await, 1, "{kept}");
        }
        drop(daemon);
        // Once its date is old, too, the first one is dropped.
        world.receive_by_a_wrong_clock(&old_ahead, -40 * 86_400).await;
        let _next = support::Daemon::start(&world.url, &DAYS);
        eventually("it is dropped", async || world.payloads_of(&old_ahead).await == 0).await;
        assert_eq!(world.payloads().await, 3);
    }
}
