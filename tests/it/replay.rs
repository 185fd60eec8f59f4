//! Running stored events again.

use crate::support::World;
use crate::support::events::{dispute, invoice_paid, invoice_payment};
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
}
