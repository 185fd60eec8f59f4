//! Running stored events again.

use crate::support::World;
use crate::support::events::{dispute, invoice_paid, invoice_payment};
use referrald::domain::inbox::PackedBody;
use referrald::store::packing::unpack;
use serde_json::json;

on_both_databases! {
    async fn a_replay_changes_nothing_and_repairs_what_an_older_version_ignored(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let lost = dispute("du_1", "pi_1", 10_000, "usd", "lost");
        let broken = json!({ "id": "evt_broken", "object": "event", "type": "invoice.paid", "livemode": false });
        for event in [&invoice_paid("in_1", "cus_1", 10_000), &invoice_payment("in_1", "pi_1", 10_000), &broken] {
            world.send(event).await;
        }
        world.expect("posted", &lost).await;
        let before = world.entries().await;
        // As if an older version had ignored the dispute: the event is there, its facts and entries are not.
        let id = lost["id"].as_str().unwrap();
        let replayed = world.cli_ok(&["replay", id, "--format", "json"]);
        assert!(replayed.contains("posted") && replayed.contains("recorded"), "{replayed}");
        let quarantined = world.cli_ok(&["replay", "--quarantined"]);
        assert!(quarantined.contains("evt_broken") && quarantined.contains("created: missing"), "{quarantined}");
        assert_eq!(world.entries().await, before);
        assert_eq!(world.cli(&["replay", "evt_nowhere"]).status.code(), Some(1));
        assert_eq!(world.cli(&["replay"]).status.code(), Some(2));
        world.forget_the_dispute_of(id).await;
        assert_eq!(world.cli(&["verify"]).status.code(), Some(1), "the entry has lost its fact");
        world.cli_ok(&["replay", id]);
        assert_eq!(world.entries().await, before);
    }
    async fn a_body_that_was_packed_without_a_dictionary_is_replayed(world: World) {
        let lost = a_lost_dispute(&world).await;
        let before = world.entries().await;
        let packed = world.body_of(&lost).await.unwrap();
        assert_eq!(packed.dictionary, 1);
        let raw = unpack(&packed).unwrap();
        let older = PackedBody { dictionary: 0, zstd: zstd::bulk::compress(&raw, 1).unwrap() };
        world.repack(&lost, &older).await;
        world.forget_the_dispute_of(&lost).await;
        assert_eq!(world.cli(&["verify"]).status.code(), Some(1), "the entry has lost its fact");
        world.cli_ok(&["replay", &lost]);
        assert_eq!(world.entries().await, before);
        assert!(world.cli_ok(&["explain", &lost]).contains("It says that dispute du_1"));
        assert_eq!(world.body_of(&lost).await.unwrap(), older);
    }

    async fn a_body_that_only_a_newer_version_can_read_is_refused_and_its_outcome_stays(world: World) {
        let lost = a_lost_dispute(&world).await;
        world.send(&json!({ "id": "evt_broken", "object": "event", "type": "invoice.paid", "livemode": false })).await;
        let packed = world.body_of(&lost).await.unwrap();
        let broken = world.body_of("evt_broken").await.unwrap();
        for (event, body) in [(lost.as_str(), &packed), ("evt_broken", &broken)] {
            world.repack(event, &PackedBody { dictionary: 99, ..body.clone() }).await;
        }
        world.forget_the_dispute_of(&lost).await;
        let outcomes = [world.kept(&lost).await, world.kept("evt_broken").await];
        assert_eq!(outcomes[0], "ignored(unhandled_type)");
        assert!(outcomes[1].starts_with("quarantined("), "{outcomes:?}");
        for command in [["replay", &lost], ["explain", &lost], ["replay", "--quarantined"], ["explain", "in_unknown"]] {
            let refused = world.cli(&command);
            let told = String::from_utf8_lossy(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{command:?}: {told}");
            assert!(told.contains("\"dictionary 99\", which this version does not know"), "{told}");
        }
        assert_eq!([world.kept(&lost).await, world.kept("evt_broken").await], outcomes);
        assert_eq!(world.body_of(&lost).await.unwrap().dictionary, 99);
        // The version that knows it finds all as it was.
        world.repack(&lost, &packed).await;
        world.repack("evt_broken", &broken).await;
        world.cli_ok(&["replay", &lost]);
    }
}

/// A sale of which a dispute has taken everything; the id of the dispute's event.
async fn a_lost_dispute(world: &World) -> String {
    world.with_anna("10").await;
    world.refer("ANNA", "cus_1").await;
    let lost = dispute("du_1", "pi_1", 10_000, "usd", "lost");
    for event in [&invoice_paid("in_1", "cus_1", 10_000), &invoice_payment("in_1", "pi_1", 10_000)] {
        world.send(event).await;
    }
    world.expect("posted", &lost).await;
    lost["id"].as_str().unwrap().to_owned()
}
