//! What takes from a sale and what is told of it, through the front door, on both databases. The sums themselves stand in
//! the histories of `support::scenarios::money`.

use crate::support::World;
use crate::support::events::*;
use crate::support::people::with;
use serde_json::{Value, json};

/// The status of a commission, and what is left of it.
async fn status(world: &World, invoice: &str) -> (String, i64) {
    let row = world.get(&format!("/v1/commissions/{invoice}")).await;
    (row["status"].as_str().unwrap().to_owned(), row["net"].as_i64().unwrap())
}

/// A sale of 100.00 that its payment paid.
async fn sell(world: &World, number: u8) -> (String, String) {
    let [invoice, payment] = ["in", "pi"].map(|prefix| format!("{prefix}_{number}"));
    world.expect("posted", &invoice_paid(&invoice, "cus_1", 10_000)).await;
    world.expect("recorded", &invoice_payment(&invoice, &payment, 10_000)).await;
    (invoice, payment)
}

on_both_databases! {
    async fn what_a_dispute_leaves_nothing_of_is_lost_and_what_refunds_do_is_refunded(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let expect = async |invoice: &str, expected: &str, net| {
            assert_eq!(status(&world, invoice).await, (expected.to_owned(), net), "{invoice}");
        };
        let (invoice, payment) = sell(&world, 1).await;
        expect(&invoice, "pending", 1_000).await;
        world.send(&dispute("du_1", &payment, 10_000, "usd", "needs_response")).await;
        expect(&invoice, "disputed", 0).await;
        world.send(&dispute("du_1", &payment, 10_000, "usd", "lost")).await;
        expect(&invoice, "lost", 0).await;
        // A refund of half, and a dispute about the rest.
        let (invoice, payment) = sell(&world, 2).await;
        world.send(&refund("refund.created", "re_2", &payment, 5_000, "succeeded")).await;
        expect(&invoice, "pending", 500).await;
        world.send(&dispute("du_2", &payment, 5_000, "usd", "lost")).await;
        expect(&invoice, "lost", 0).await;
        // Refunds alone, and a dispute that finds nothing left.
        let (invoice, payment) = sell(&world, 3).await;
        world.send(&refund("refund.created", "re_3", &payment, 10_000, "succeeded")).await;
        expect(&invoice, "refunded", 0).await;
        world.send(&dispute("du_3", &payment, 10_000, "usd", "lost")).await;
        expect(&invoice, "refunded", 0).await;
        // A dispute that has taken nothing, and one that gave back in part.
        let (invoice, payment) = sell(&world, 4).await;
        world.send(&dispute("du_4", &payment, 10_000, "usd", "won")).await;
        expect(&invoice, "pending", 1_000).await;
        let (invoice, payment) = sell(&world, 5).await;
        let moved = json!([{ "id": "txn_1", "amount": -10_000, "currency": "usd" },
            { "id": "txn_2", "amount": 4_000, "currency": "usd" }]);
        let lost = dispute("du_5", &payment, 10_000, "usd", "lost");
        world.send(&with(lost, "/data/object/balance_transactions", moved)).await;
        expect(&invoice, "pending", 400).await;
        assert!(world.cli_ok(&["explain", &invoice]).contains("On the balance it has moved -100.00 USD, 40.00 USD."));
        for (word, count) in [("lost", 2), ("refunded", 1), ("disputed", 0), ("pending", 2)] {
            let listed = world.get(&format!("/v1/commissions?status={word}")).await;
            assert_eq!(listed["data"].as_array().unwrap().len(), count, "{word}");
        }
    }

    async fn the_release_of_what_was_not_captured_is_told_as_such(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &legacy_invoice_paid("in_1", "cus_1", 20_300, "pi_1")).await;
        let told = legacy_charge_refunded("pi_1", "cus_1", "in_1", 20_300, &[("re_1", 375)]);
        world.expect("recorded", &with(told, "/data/object/amount", json!(20_675))).await;
        let story = world.cli_ok(&["explain", "in_1"]);
        assert!(story.contains("Refund re_1 of pi_1: 3.75 USD, the release of what was not captured"), "{story}");
        assert!(story.contains("Nothing was taken back: 20.30 USD"), "{story}");
    }

    async fn lines_that_are_no_list_flag_the_commission(world: World) {
        world.program("sold", "--rate 10 --product-rates prod_new:20").await;
        world.with_promoter("anna", "sold").await;
        world.refer("ANNA", "cus_1").await;
        let flag = async |invoice: &str| world.get(&format!("/v1/commissions/{invoice}")).await["unseen_lines"].clone();
        for (number, (lines, unseen)) in [
            (json!({}), true),
            (json!({ "object": "list", "has_more": false }), true),
            (Value::Null, true),
            (json!({ "object": "list", "data": [] }), false),
            (json!({ "data": ["il_1"] }), true),
        ].into_iter().enumerate() {
            let invoice = format!("in_{number}");
            let sale = invoice_paid(&invoice, "cus_1", 10_000);
            world.expect("posted", &with(sale, "/data/object/lines", lines)).await;
            assert_eq!((world.sums(&invoice).await, flag(&invoice).await), ((1_000, 0), json!(unseen)), "{invoice}");
        }
    }

    async fn two_versions_of_one_invoice_are_no_conflict_where_it_was_paid_by_hand(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let mut old = legacy_invoice_paid("in_1", "cus_1", 0, "pi_1");
        for (field, value) in [("paid_out_of_band", json!(true)), ("amount_remaining", json!(10_000)),
            ("total", json!(10_000)), ("payment_intent", Value::Null), ("charge", Value::Null)] {
            old = with(old, &format!("/data/object/{field}"), value);
        }
        world.expect("posted", &old).await;
        world.expect("recorded", &invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0));
        assert_eq!(world.get("/v1/commissions/in_1").await["conflict"], false);
        // Since basil the field says nothing: amount_paid has the money already.
        let new = with(invoice_paid("in_2", "cus_1", 4_000), "/data/object/paid_out_of_band", json!(true));
        world.expect("posted", &with(new, "/data/object/amount_remaining", json!(6_000))).await;
        assert_eq!(world.sums("in_2").await, (400, 0));
    }

    async fn terms_are_listed_in_fields_for_programs(world: World) {
        let listed = || -> Value {
            serde_json::from_str(&world.cli_ok(&["program", "list", "--format", "json"])).unwrap()
        };
        world.program("all", "--rate 12.5 --base amount-paid --exclude-shipping --months 12 --invoices 6 \
            --tiers 11:15 --tiers-by signups --product-rates prod_1:20 --cap usd:5000,eur:4500 --min-invoice usd:1000 \
            --min-payout usd:2500 --max-rewards-per-promoter 100 --conversion-window-days 90 --new-customers-only \
            --hold-days 14").await;
        let row = &listed()[0];
        assert_eq!((&row["program"], &row["version"], &row["active"]), (&json!("all"), &json!(1), &json!(true)));
        assert_eq!(row["terms"], json!({
            "rate_bps": 1_250, "flat_minor": null, "currency": null, "base": "amount_paid", "exclude_shipping": true,
            "recurrence": "recurring", "months": 12, "invoices": 6,
            "tiers": [{ "from_number": 11, "rate_bps": 1_500 }], "tiers_by": "signups",
            "product_rates_bps": { "prod_1": 2_000 }, "caps_minor": { "usd": 5_000, "eur": 4_500 },
            "max_rewards_per_promoter": 100, "conversion_window_days": 90, "new_customers_only": true,
            "min_invoices_minor": { "usd": 1_000 }, "min_payouts_minor": { "usd": 2_500 }, "hold_days": 14,
        }));
        let summary = row["summary"].as_str().unwrap();
        for words in ["12.5 % of amount_paid without shipping", "15 % from signup 11", "at most 50.00 USD an invoice",
            "for invoices of 10.00 USD or more", "for new customers only"] {
            assert!(summary.contains(words), "{words}: {summary}");
        }
        assert!(world.cli_ok(&["program", "list"]).contains("signup 11"));
        // Each is taken back by itself.
        world.cli_ok(&["program", "update", "all", "--exclude-shipping=false", "--new-customers-only=false",
            "--tiers-by", "customers", "--cap", "none", "--min-invoice", "none"]);
        let terms = listed()[1]["terms"].clone();
        let taken = ["exclude_shipping", "new_customers_only", "tiers_by", "caps_minor", "min_invoices_minor"];
        let expected = [json!(false), json!(false), json!("customers"), json!({}), json!({})];
        assert_eq!(taken.map(|field| terms[field].clone()), expected);
        // An amount alone is one of --currency, which a percentage does not keep for amounts that name theirs.
        world.program("flat", "--flat 500 --currency usd --cap 400 --min-invoice 100").await;
        let flat = listed().as_array().unwrap().iter().find(|row| row["program"] == "flat").unwrap()["terms"].clone();
        assert_eq!((&flat["flat_minor"], &flat["currency"]), (&json!(500), &json!("usd")));
        assert_eq!((&flat["caps_minor"], &flat["min_invoices_minor"]), (&json!({ "usd": 400 }), &json!({ "usd": 100 })));
    }
}
