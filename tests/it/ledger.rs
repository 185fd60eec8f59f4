//! What events do to the ledger, through the front door, on both databases.

use crate::support;
use crate::support::World;
use crate::support::events::*;
use serde_json::{Value, json};

/// $100.00 paid at 10 %, then $50.00 refunded.
fn the_documented_example() -> Vec<Value> {
    vec![
        invoice_paid("in_1", "cus_1", 10_000),
        invoice_payment("in_1", "pi_1", 10_000),
        charge_refunded("pi_1", "cus_1", 10_000, 5_000),
        refund("refund.created", "re_1", "pi_1", 5_000, "succeeded"),
    ]
}

on_both_databases! {
    async fn a_sale_of_100_dollars_at_10_percent_and_half_of_it_refunded(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        for (event, outcome) in
            the_documented_example().iter().zip(["posted", "recorded", "posted", "recorded"])
        {
            world.expect(outcome, event).await;
        }
        let expected = [("in_1", "commission", 1_000), ("in_1", "refund", -500)];
        let entries = world.entries().await;
        let entries: Vec<_> =
            entries.iter().map(|(invoice, kind, amount)| (invoice.as_str(), kind.as_str(), *amount)).collect();
        assert_eq!(entries, expected);
        assert_eq!(world.earned("anna").await, 500);
    }

    async fn the_refund_may_come_first(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let [sale, link, refund, status] = the_documented_example().try_into().unwrap();
        world.expect("parked", &refund).await;
        world.expect("parked", &status).await;
        world.expect("recorded", &link).await;
        world.expect("posted", &sale).await;
        assert_eq!(world.sums("in_1").await, (1_000, -500));
        assert_eq!(world.parked().await, 0, "both parked events are settled");
        world.expect("duplicate", &refund).await;
    }

    async fn every_event_three_times_at_once(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let events = the_documented_example();
        let sent = events.iter().cycle().take(3 * events.len());
        let outcomes = futures_util::future::join_all(sent.map(|event| world.send(event))).await;
        let duplicates = outcomes.iter().filter(|outcome| *outcome == "duplicate").count();
        assert_eq!(duplicates, 2 * events.len(), "{outcomes:?}");
        assert_eq!(world.sums("in_1").await, (1_000, -500));
        assert_eq!(world.events().await, 4);
    }

    async fn two_replicas_get_the_refund_and_the_sale_at_once(world: World) {
        world.with_anna("10").await;
        let replica = world.replica();
        for round in 0..20 {
            let [invoice, customer, payment] =
                ["in", "cus", "pi"].map(|prefix| format!("{prefix}_{round}"));
            world.refer("ANNA", &customer).await;
            let sale = legacy_invoice_paid(&invoice, &customer, 10_000, &payment);
            let refund = charge_refunded(&payment, &customer, 10_000, 5_000);
            let here = support::post_event(&world.client, &world.daemon, &sale);
            let there = support::post_event(&world.client, &replica, &refund);
            let ((here, _), (there, _)) = tokio::join!(here, there);
            assert_eq!((here, there), (200, 200));
            assert_eq!(world.sums(&invoice).await, (1_000, -500), "round {round}");
        }
    }

    async fn two_hundred_refunds_of_5_cents_leave_exactly_nothing(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.send(&invoice_paid("in_1", "cus_1", 1_000)).await;
        world.send(&invoice_payment("in_1", "pi_1", 1_000)).await;
        for number in 1..=200 {
            let id = format!("re_{number}");
            world.send(&refund("refund.created", &id, "pi_1", 5, "succeeded")).await;
        }
        assert_eq!(world.sums("in_1").await, (100, -100));
    }

    async fn paid_and_payment_succeeded_tell_one_sale(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        let told_again = event("invoice.payment_succeeded", basil_invoice("in_1", "cus_1", 10_000));
        world.expect("recorded", &told_again).await;
        let mut open = basil_invoice("in_2", "cus_1", 10_000);
        open["status"] = json!("open");
        world.expect("ignored", &event("invoice.payment_succeeded", open)).await;
        assert_eq!(world.earned("anna").await, 1_000);
        assert_eq!(world.commissions().await.len(), 1);
    }

    async fn every_paid_invoice_of_a_subscription_earns(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        for month in 1..=12 {
            world.expect("posted", &invoice_paid(&format!("in_{month}"), "cus_1", 1_999)).await;
        }
        assert_eq!(world.earned("anna").await, 12 * 200);
    }

    async fn an_older_api_version_names_the_payment_on_the_invoice(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &legacy_invoice_paid("in_1", "cus_1", 10_000, "pi_1")).await;
        let refunds = [("re_1", 1_000), ("re_2", 1_500)];
        world.expect("posted", &legacy_charge_refunded("pi_1", "cus_1", "in_1", 10_000, &refunds)).await;
        assert_eq!(world.sums("in_1").await, (1_000, -250));
        // The same refunds, told by a newer version, take nothing more.
        world.expect("recorded", &charge_refunded("pi_1", "cus_1", 10_000, 2_500)).await;
        world.expect("recorded", &refund("refund.created", "re_2", "pi_1", 1_500, "succeeded")).await;
        assert_eq!(world.sums("in_1").await, (1_000, -250));
    }

    async fn a_charge_without_a_payment_intent_is_the_payment_until_the_intent_is_known(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let mut by_charge = refund("refund.created", "re_1", "pi_1", 4_000, "succeeded");
        by_charge["data"]["object"]["payment_intent"] = Value::Null;
        world.expect("parked", &by_charge).await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0), "nobody said that ch_1 is of pi_1");
        let charge = json!({ "id": "ch_1", "object": "charge", "amount": 10_000, "amount_captured": 10_000,
            "amount_refunded": 0, "currency": "usd", "customer": "cus_1", "payment_intent": "pi_1",
            "status": "succeeded" });
        world.expect("posted", &event("charge.succeeded", charge)).await;
        assert_eq!(world.sums("in_1").await, (1_000, -400));
    }

    async fn a_failed_refund_comes_back(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.send(&invoice_paid("in_1", "cus_1", 10_000)).await;
        world.send(&invoice_payment("in_1", "pi_1", 10_000)).await;
        world.expect("posted", &refund("refund.created", "re_1", "pi_1", 3_000, "pending")).await;
        assert_eq!(world.sums("in_1").await, (1_000, -300));
        world.expect("posted", &refund("refund.failed", "re_1", "pi_1", 3_000, "failed")).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0));
        // A late "succeeded" and the cumulative total of the charge do not take it again.
        world.expect("recorded", &refund("refund.updated", "re_1", "pi_1", 3_000, "succeeded")).await;
        world.expect("recorded", &charge_refunded("pi_1", "cus_1", 10_000, 3_000)).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0));
    }

    async fn one_payment_of_two_invoices_splits_its_refund(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        for (invoice, amount) in [("in_1", 3_000), ("in_2", 1_000)] {
            world.send(&invoice_paid(invoice, "cus_1", amount)).await;
            world.send(&invoice_payment(invoice, "pi_1", amount)).await;
        }
        world.send(&charge_refunded("pi_1", "cus_1", 4_000, 2_000)).await;
        assert_eq!((world.sums("in_1").await, world.sums("in_2").await), ((300, -150), (100, -50)));
        world.send(&charge_refunded("pi_1", "cus_1", 4_000, 4_000)).await;
        assert_eq!((world.sums("in_1").await, world.sums("in_2").await), ((300, -300), (100, -100)));
    }

    async fn zero_decimals_and_tax(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let mut yen = invoice_paid("in_1", "cus_1", 1_195);
        yen["data"]["object"]["currency"] = json!("jpy");
        world.expect("posted", &yen).await;
        assert_eq!(world.sums("in_1").await, (120, 0));
        let mut taxed = legacy_invoice_paid("in_2", "cus_1", 11_900, "pi_2");
        taxed["data"]["object"]["tax"] = json!(1_900);
        taxed["data"]["object"]["total_tax_amounts"] = json!([{ "amount": 1_900, "inclusive": false }]);
        world.expect("posted", &taxed).await;
        assert_eq!(world.sums("in_2").await, (1_000, 0), "net of tax by default");
        world.expect("recorded", &invoice_paid("in_3", "cus_1", 0)).await;
        assert_eq!(world.reason("in_3").await, "zero_amount");
    }

    async fn claims_that_contradict_each_other_are_flagged(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 12_000)).await;
        world.expect("recorded", &invoice_paid("in_1", "cus_1", 11_000)).await;
        assert_eq!(world.sums("in_1").await, (1_200, 0));
        assert!(world.cli_ok(&["verify"]).contains("contradict each other about in_1"));
    }

    async fn the_date_of_an_amount_does_not_depend_on_the_order(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let early = created() - 3_600;
        for (invoice, early_first) in [("in_1", true), ("in_2", false)] {
            let mut told = [invoice_paid(invoice, "cus_1", 10_000), invoice_paid(invoice, "cus_1", 10_000)];
            told[usize::from(!early_first)]["data"]["object"]["status_transitions"]["paid_at"] = json!(early);
            world.send(&told[0]).await;
            world.send(&told[1]).await;
            let entries = world.entries_of(invoice).await;
            let dated = entries.iter().filter(|entry| entry["available_at"] == json!(early + 30 * 86_400));
            assert_eq!(dated.map(|entry| entry["amount"].as_i64().unwrap()).sum::<i64>(), 1_000, "{invoice}");
            assert_eq!(world.sums(invoice).await, (1_000, 0));
        }
    }

    async fn disputes_take_and_give_back(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let status = |status| dispute("du_1", "pi_1", 10_000, "usd", status);
        world.expect("parked", &status("warning_needs_response")).await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
        world.expect("posted", &status("needs_response")).await;
        assert_eq!(world.sum("in_1", "dispute").await, -1_000);
        world.expect("posted", &status("won")).await;
        world.expect("recorded", &status("under_review")).await;
        assert_eq!((world.sum("in_1", "dispute").await, world.earned("anna").await), (0, 1_000));
        let note = credit_note("credit_note.created", "cn_1", "in_1", 1_000, "issued");
        world.expect("posted", &note).await;
        assert_eq!(world.sums("in_1").await, (1_000, -100));
    }

    async fn a_row_of_a_newer_version_is_not_the_event_s_fault(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.send(&invoice_paid("in_1", "cus_1", 10_000)).await;
        world.send(&invoice_payment("in_1", "pi_1", 10_000)).await;
        world.claim_like_a_newer_version("cus_1").await;
        let refund = charge_refunded("pi_1", "cus_1", 10_000, 5_000);
        let (status, _) = support::post_event(&world.client, &world.daemon, &refund).await;
        assert_eq!(status, 503, "Stripe sends it again, perhaps to a replica that understands the row");
        assert_eq!(world.events().await, 2);
        world.take_the_newer_claim_away().await;
        world.expect("posted", &refund).await;
    }

}
