//! The inbox: tellings of one event, what waits for an invoice that there is none of, and its lists.

use crate::redrive::{always, asking, page};
use crate::support::api::refusal;
use crate::support::events::*;
use crate::support::people::with;
use crate::support::{Daemon, World, eventually};
use serde_json::{Value, json};
use wiremock::MockServer;

/// What the Dashboard's test button sends for everything.
const BUTTON: &str = "evt_00000000000000";

/// The id of an event.
fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

/// The same id in the shape of another API version.
fn of_id(mut event: Value, id: &str) -> Value {
    event["id"] = json!(id);
    event
}

/// `charge.refunded` of an older version: half of it, of no invoice.
fn refunded_without_invoice(payment: &str, customer: &str) -> Value {
    let refunded = legacy_charge_refunded(payment, customer, "in_none", 10_000, &[]);
    let refunded = with(refunded, "/data/object/invoice", Value::Null);
    with(refunded, "/data/object/amount_refunded", json!(5_000))
}

on_both_databases! {
    async fn two_tellings_of_one_event_are_two_facts_and_a_third_copy_is_a_duplicate(world: World) {
        world.with_anna("10").await;
        for (place, newer_first) in [true, false].into_iter().enumerate() {
            let [invoice, customer, payment] = ["in", "cus", "pi"].map(|kind| format!("{kind}_{place}"));
            world.refer("ANNA", &customer).await;
            let newer = invoice_paid(&invoice, &customer, 10_000);
            let older = of_id(legacy_invoice_paid(&invoice, &customer, 10_000, &payment), id(&newer));
            let (first, second) = if newer_first { (&newer, &older) } else { (&older, &newer) };
            world.expect("posted", first).await;
            world.expect("recorded", second).await;
            for copy in [first, second] {
                // What differs between deliveries of one telling is no telling of its own.
                world.expect("duplicate", &with(copy.clone(), "/pending_webhooks", json!(7))).await;
            }
            world.expect("posted", &charge_refunded(&payment, &customer, 10_000, 5_000)).await;
            assert_eq!(world.sums(&invoice).await, (1_000, -500));
            let shown = world.get(&format!("/v1/events/{}", id(&newer))).await;
            let mut tellings: Vec<(&str, &str)> = shown["tellings"].as_array().unwrap().iter()
                .map(|telling| (telling["api_version"].as_str().unwrap(), telling["outcome"].as_str().unwrap()))
                .collect();
            tellings.sort_unstable();
            let outcomes = if newer_first { ["recorded", "posted"] } else { ["posted", "recorded"] };
            assert_eq!(tellings, [("2020-08-27", outcomes[0]), ("2025-06-30.basil", outcomes[1])]);
            let replayed = world.cli_ok(&["replay", id(&newer)]);
            assert!(replayed.contains("2020-08-27") && replayed.contains("2025-06-30.basil"), "{replayed}");
            let told = world.cli_ok(&["explain", id(&newer)]);
            assert!(told.contains("API version 2020-08-27") && told.contains("2025-06-30.basil"), "{told}");
        }
        let entries = world.entries().await;
        assert_eq!(entries.len(), 4, "{entries:?}");
    }

    async fn a_telling_that_waits_is_settled_and_its_twin_is_not_touched(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let newer = charge_refunded("pi_1", "cus_1", 10_000, 5_000);
        let older = of_id(legacy_charge_refunded("pi_1", "cus_1", "in_1", 10_000, &[("re_1", 5_000)]), id(&newer));
        world.expect("parked", &newer).await;
        world.expect("parked", &older).await;
        let unversioned = with(of_id(newer.clone(), id(&newer)), "/api_version", Value::Null);
        world.expect("parked", &unversioned).await;
        world.expect("duplicate", &unversioned).await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!((world.parked().await, world.sums("in_1").await), (0, (1_000, -500)));
        let shown = world.get(&format!("/v1/events/{}", id(&newer))).await;
        let tellings = shown["tellings"].as_array().unwrap();
        assert_eq!(tellings.len(), 3);
        assert!(tellings.iter().all(|telling| telling["outcome"] == "posted"), "{shown}");
        assert!(tellings.iter().any(|telling| telling["api_version"].is_null()), "{shown}");
    }

    async fn what_the_test_button_sends_is_told_apart_by_its_body(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let sale = of_id(invoice_paid("in_1", "cus_1", 10_000), BUTTON);
        let link = of_id(invoice_payment("in_1", "pi_1", 10_000), BUTTON);
        let other = of_id(invoice_paid_with_code("in_2", "cus_2", 5_000, "ANNA"), BUTTON);
        let unknown = of_id(event("price.created", json!({})), BUTTON);
        world.expect("posted", &sale).await;
        world.expect("recorded", &link).await;
        world.expect("posted", &other).await;
        world.expect("ignored", &unknown).await;
        for copy in [&sale, &link, &other, &unknown] {
            world.expect("duplicate", copy).await;
        }
        assert_eq!(world.events().await, 4);
        assert_eq!(world.get("/v1/commissions/in_2").await["amount"], 500);
        let ids = world.event_ids().await;
        assert!(ids.iter().all(|id| id.starts_with("body_")), "{ids:?}");
        let before = world.entries().await;
        for id in &ids {
            let replayed = world.cli_ok(&["replay", id]);
            assert!(!replayed.contains("quarantined"), "{replayed}");
        }
        assert_eq!(world.entries().await, before);
    }

    async fn what_an_old_charge_of_no_invoice_takes_is_ignored_in_every_order(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        for order in 0..6 {
            let [payment, refund_id, dispute_id] = ["pi", "re", "du"].map(|kind| format!("{kind}_{order}"));
            let events = [
                refunded_without_invoice(&payment, "cus_1"),
                refund("refund.created", &refund_id, &payment, 5_000, "succeeded"),
                dispute(&dispute_id, &payment, 5_000, "usd", "needs_response"),
            ];
            for place in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order] {
                world.send(&events[place]).await;
            }
            for event in &events {
                assert_eq!(world.kept(id(event)).await, "ignored(no_invoice)", "order {order}");
                world.expect("duplicate", event).await;
            }
            let shown = world.get(&format!("/v1/events/{}", id(&events[1]))).await;
            assert_eq!(shown["tellings"][0]["waits_for"], json!(payment));
            // An invoice comes all the same, and its link.
            let invoice = format!("in_{order}");
            world.expect("posted", &invoice_paid(&invoice, "cus_1", 10_000)).await;
            world.expect("posted", &invoice_payment(&invoice, &payment, 10_000)).await;
            for event in &events {
                assert_eq!(world.kept(id(event)).await, "posted()", "order {order}");
            }
            assert_eq!(world.sums(&invoice).await, (1_000, -500), "order {order}");
        }
    }

    async fn an_empty_answer_is_weaker_than_a_link_that_an_event_told(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        // Of an older version, which names the invoice; the invoice itself is late.
        let refunded = legacy_charge_refunded("pi_1", "cus_1", "in_1", 10_000, &[("re_1", 5_000)]);
        world.expect("parked", &refunded).await;
        let stripe = MockServer::start().await;
        always(&stripe, "pi_1", page(&[], false)).await;
        let daemon = asking(&world, &stripe, &[("REFERRALD_REDRIVE__MAX_ATTEMPTS", "1")]).await;
        eventually("it was asked", async || daemon.log().contains("stay parked")).await;
        assert_eq!(world.parked().await, 1);
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!((world.sums("in_1").await, world.parked().await), ((1_000, -500), 0));
    }

    /// A newer account names its customer as `customer_account` alone: that is a customer.
    async fn a_charge_of_an_account_may_be_of_an_invoice(world: World) {
        let refunded = with(charge_refunded("pi_1", "cus_1", 10_000, 5_000), "/data/object/customer", Value::Null);
        let refunded = with(refunded, "/data/object/customer_account", json!("acct_1"));
        world.expect("parked", &refunded).await;
    }

    async fn a_charge_without_customer_is_of_no_invoice_until_one_comes(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let refunded = with(charge_refunded("pi_1", "cus_1", 10_000, 5_000), "/data/object/customer", Value::Null);
        world.expect("ignored", &refunded).await;
        assert_eq!(world.kept(id(&refunded)).await, "ignored(no_invoice)");
        let replayed = world.cli_ok(&["replay", id(&refunded)]);
        assert!(replayed.contains("no_invoice"), "{replayed}");
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!(world.kept(id(&refunded)).await, "ignored(no_invoice)");
        world.expect("posted", &invoice_payment("in_1", "pi_1", 10_000)).await;
        assert_eq!((world.kept(id(&refunded)).await.as_str(), world.sums("in_1").await), ("posted()", (1_000, -500)));
    }

    async fn a_null_of_a_newer_version_says_nothing_and_a_link_is_stronger_than_a_null(world: World) {
        let newer = with(charge_refunded("pi_1", "cus_1", 10_000, 5_000), "/data/object/invoice", Value::Null);
        world.expect("parked", &newer).await;
        world.expect("recorded", &invoice_payment("in_2", "pi_2", 10_000)).await;
        world.expect("parked", &refunded_without_invoice("pi_2", "cus_1")).await;
        world.expect("recorded", &invoice_paid("in_2", "cus_1", 10_000)).await;
        assert_eq!(world.parked().await, 1);
    }

    async fn what_waits_for_too_long_is_given_up_without_a_key_and_still_settled(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let refunded = charge_refunded("pi_1", "cus_1", 10_000, 5_000);
        world.expect("parked", &refunded).await;
        world.make_events_old(31).await;
        let old = format!("evt_old_{}", id(&refunded));
        let _daemon = Daemon::start(&world.url, &[("REFERRALD_REDRIVE__GIVE_UP_DAYS", "31")]);
        let given_up = async || world.kept(&old).await == "ignored(no_invoice)";
        eventually("it is given up", given_up).await;
        assert_eq!(world.kept(id(&refunded)).await, "parked(invoice_unknown)", "the young one still waits");
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        world.expect("posted", &invoice_payment("in_1", "pi_1", 10_000)).await;
        for event in [old.as_str(), id(&refunded)] {
            assert_eq!(world.kept(event).await, "posted()");
        }
        assert_eq!(world.sums("in_1").await, (1_000, -500));
    }

    async fn events_are_listed_the_newest_first_page_by_page_and_by_filter(world: World) {
        let mut sent = Vec::new();
        for number in 0..7 {
            let sale = invoice_paid(&format!("in_{number}"), "cus_1", 10_000);
            let refunded = charge_refunded(&format!("pi_{number}"), "cus_1", 10_000, 5_000);
            let broken = with(invoice_paid("in_9", "cus_1", 10_000), "/created", Value::Null);
            for (outcome, event) in [("recorded", sale), ("parked", refunded), ("quarantined", broken)] {
                world.expect(outcome, &event).await;
                sent.push((outcome, event));
            }
        }
        world.expect("ignored", &event("price.created", json!({}))).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("/v1/events?limit=4{cursor}")).await;
            let data = page["data"].as_array().unwrap();
            assert!(data.len() == 4 || page["has_more"] == false, "{page}");
            seen.extend(data.clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            // A cursor is stable: what comes later stands before it.
            if seen.len() == 8 {
                world.expect("ignored", &event("price.updated", json!({}))).await;
            }
        }
        assert_eq!(seen.len(), 22);
        let times: Vec<i64> = seen.iter().map(|event| event["received_at"].as_i64().unwrap()).collect();
        assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");
        let told: Vec<&str> = seen.iter().rev().map(id).collect();
        let in_order: Vec<&str> = sent.iter().map(|(_, event)| id(event)).collect();
        assert_eq!(told[..sent.len()], in_order, "by number, not by time");
        let mut ids: Vec<&str> = seen.iter().map(id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 22);
        let parked = world.all_of("/v1/events?outcome=parked&limit=3").await;
        assert_eq!(parked.len(), 7);
        for event in &parked {
            assert_eq!((&event["outcome"], &event["reason"]), (&json!("parked"), &json!("invoice_unknown")));
            assert_eq!((&event["type"], &event["api_version"]), (&json!("charge.refunded"), &json!("2025-06-30.basil")));
            assert!(event["waits_for"].as_str().unwrap().starts_with("pi_"), "{event}");
            assert!(event["created"].is_i64() && event["object"] == "event", "{event}");
            assert_eq!(event.as_object().unwrap().len(), 9, "no body: {event}");
        }
        assert_eq!(world.all_of("/v1/events?type=invoice.paid&limit=5").await.len(), 14);
        assert_eq!(world.all_of("/v1/events?outcome=quarantined&type=charge.refunded&limit=5").await.len(), 0);
        assert_eq!(world.all_of("/v1/events?outcome=ignored&limit=1").await.len(), 2);
        let listed = world.cli_ok(&["event", "list", "--outcome", "quarantined", "--format", "json"]);
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        assert!(listed.len() == 7 && listed.iter().all(|event| event["reason"] == "created: missing"), "{listed:?}");
        let listed = world.cli_ok(&["event", "list", "--type", "charge.refunded", "--limit", "2"]);
        assert_eq!(listed.matches("charge.refunded").count(), 2, "{listed}");
        let shown = world.cli_ok(&["event", "show", id(&sent[1].1)]);
        assert!(shown.contains("parked") && shown.contains("pi_0"), "{shown}");
        assert_eq!(world.cli(&["event", "show", "evt_nowhere"]).status.code(), Some(1));
        assert_eq!(world.cli(&["event", "list", "--outcome", "lost"]).status.code(), Some(2));
        for (query, code) in [
            ("/v1/events?outcome=lost", (400, "invalid_query")),
            ("/v1/events?cursor=zz", (400, "invalid_query")),
            ("/v1/events?cursor=1_0", (400, "invalid_query")),
            ("/v1/events?limit=0", (400, "invalid_query")),
            ("/v1/events?nothing=1", (400, "invalid_query")),
            ("/v1/events/evt_nowhere", (404, "unknown_event")),
        ] {
            assert_eq!(refusal(&world.try_get(query).await), code, "{query}");
        }
    }
}
