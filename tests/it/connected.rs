//! Events that are hostile only together: each alone is an event like any other.

use crate::support;
use crate::support::World;
use crate::support::events::*;
use serde_json::{Value, json};

fn charge(id: &str, payment_intent: Option<&str>) -> Value {
    let charge = json!({ "id": id, "object": "charge", "amount": 10_000, "amount_captured": 10_000,
        "amount_refunded": 0, "currency": "usd", "customer": "cus_1", "payment_intent": payment_intent,
        "status": "succeeded" });
    event("charge.succeeded", charge)
}

fn refund_of(refund_id: &str, charge: Option<&str>, payment_intent: Option<&str>, status: &str) -> Value {
    let mut event = refund("refund.created", refund_id, "pi_x", 4_000, status);
    event["data"]["object"]["charge"] = json!(charge);
    event["data"]["object"]["payment_intent"] = json!(payment_intent);
    event
}

/// `cus_1` is referred and has paid `in_1` with `pi_1`.
async fn a_sale(world: &World) {
    world.with_anna("10").await;
    world.refer("ANNA", "cus_1").await;
    world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
    world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
}

fn verdict(world: &World) -> String {
    String::from_utf8(world.cli(&["verify"]).stdout).unwrap()
}

on_both_databases! {
    async fn a_charge_that_changes_its_payment_intent_takes_its_refunds_along(world: World) {
        a_sale(&world).await;
        world.expect("parked", &refund_of("re_1", Some("ch_1"), None, "succeeded")).await;
        world.expect("posted", &charge("ch_1", Some("pi_1"))).await;
        assert_eq!(world.sums("in_1").await, (1_000, -400));
        // Contradicting tellings resolve to the smallest id: from now on the refund is not of pi_1.
        world.send(&charge("ch_1", Some("pi_0"))).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0), "{}", verdict(&world));
    }

    async fn a_refund_that_changes_its_payment_takes_nothing_from_the_former(world: World) {
        a_sale(&world).await;
        world.expect("posted", &refund_of("re_1", None, Some("pi_1"), "pending")).await;
        assert_eq!(world.sums("in_1").await, (1_000, -400));
        world.send(&refund_of("re_1", None, Some("pi_2"), "succeeded")).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0), "{}", verdict(&world));
    }

    async fn names_of_a_payment_may_form_a_chain(world: World) {
        a_sale(&world).await;
        let mut refunded = charge_refunded("pi_x", "cus_1", 10_000, 5_000);
        refunded["data"]["object"]["id"] = json!("ch_a");
        refunded["data"]["object"]["payment_intent"] = Value::Null;
        world.expect("parked", &refunded).await;
        world.send(&charge("ch_a", Some("pi_b"))).await;
        world.send(&charge("pi_b", Some("pi_c"))).await;
        world.send(&invoice_payment("in_2", "pi_b", 10_000)).await;
        world.send(&invoice_paid("in_2", "cus_1", 10_000)).await;
    }

    async fn names_of_a_payment_may_form_a_circle(world: World) {
        a_sale(&world).await;
        world.send(&charge("ch_1", Some("pi_1"))).await;
        world.send(&charge("pi_1", Some("ch_1"))).await;
        world.send(&refund_of("re_1", Some("ch_1"), None, "succeeded")).await;
        world.send(&refund_of("re_2", None, Some("pi_1"), "succeeded")).await;
    }

    async fn an_invoice_that_cannot_be_assessed_blocks_neither_its_customer_nor_its_code(world: World) {
        world.with_anna("10").await;
        let unassessable = |invoice: &str, customer: &str| {
            let mut event = invoice_paid(invoice, customer, 10_000);
            event["data"]["object"]["total"] = json!(i64::MAX);
            event["data"]["object"]["total_excluding_tax"] = Value::Null;
            event["data"]["object"]["total_taxes"] = json!([{ "amount": -1 }]);
            event
        };
        world.send(&unassessable("in_1", "cus_1")).await;
        let (status, answer) = world.post_referral(&json!({ "code": "ANNA", "customer": "cus_1" })).await;
        assert_eq!(status, 201, "{answer}");
        world.send(&unassessable("in_2", "cus_2")).await;
        world.expect("posted", &invoice_paid_with_code("in_3", "cus_2", 10_000, "ANNA")).await;
        world.expect("posted", &invoice_paid("in_4", "cus_1", 10_000)).await;
        assert_eq!(world.earned("anna").await, 2_000);
    }

    async fn sums_beyond_64_bits_are_told_and_not_a_failure_of_the_server(world: World) {
        world.with_anna("100").await;
        world.refer("ANNA", "cus_1").await;
        // What no sum can hold is no amount; the largest amount is.
        world.expect("quarantined", &invoice_paid("in_1", "cus_1", i64::MAX)).await;
        world.expect("posted", &invoice_paid("in_2", "cus_1", 999_999_999_999_999)).await;
        let at = world.daemon.at("/v1/promoters/anna/balance");
        let answer = world.client.get(at).bearer_auth(support::ADMIN_TOKEN).send().await.unwrap();
        assert_ne!(answer.status(), 500, "{}", answer.text().await.unwrap());
    }

    async fn heavy_thirty_thousand_refunds_in_one_charge(world: World) {
        a_sale(&world).await;
        let refunds: Vec<Value> = (0..30_000).map(|id| json!({ "id": format!("re_{id}"), "amount": 1 })).collect();
        let mut refunded = charge_refunded("pi_1", "cus_1", 10_000, 10_000);
        refunded["data"]["object"]["refunds"] = json!({ "object": "list", "data": refunds });
        // It takes its time; where that is too long for one answer, Stripe sends it again.
        let acknowledged = async || support::post_event(&world.client, &world.daemon, &refunded).await.0 == 200;
        support::eventually("the refunds are taken", acknowledged).await;
        assert_eq!(world.sums("in_1").await, (1_000, -1_000));
    }

    async fn a_reason_names_the_path_and_nothing_that_a_customer_wrote(world: World) {
        for key in ["canary@example.com", "canary\0", "canary\u{1b}[2J", &"canary".repeat(50_000)] {
            let mut event = invoice_paid("in_1", "cus_1", 10_000);
            event["data"]["object"]["metadata"] = json!({ key: "MARK" });
            let body = event.to_string().replace("\"MARK\"", "1e999");
            let answer = support::post_raw(&world.client, &world.daemon, body.as_bytes()).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let kept = world.kept(event["id"].as_str().unwrap()).await;
            let reason = kept.strip_prefix("quarantined(").unwrap();
            let shown: String = reason.chars().take(100).collect();
            assert!(reason.starts_with("data.object.metadata") && !reason.contains("canary"), "{shown}");
        }
    }
}
