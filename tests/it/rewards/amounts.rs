//! Percentage, flat reward, cap, minimum and hold period; currencies, and the bounds of amounts.

use super::*;

on_both_databases! {
    async fn a_percentage_is_rounded_at_the_half(world: World) {
        for (program_no, (rate, sales)) in [
            // 10 %: 0.4, 0.5, 1.4, 1.5, 999.9, 1000
            ("10", vec![(4, "0"), (5, "1"), (14, "1"), (15, "2"), (9_999, "1000"), (10_000, "1000")]),
            // 12.5 %: 0.375, 0.5, 1.375, 1.5, 2.5, 12.5, 250
            ("12.5", vec![(3, "0"), (4, "1"), (11, "1"), (12, "2"), (20, "3"), (100, "13"), (2_000, "250")]),
            // One basis point: 0.4999, 0.5, 1.4999, 1.5
            ("0.01", vec![(4_999, "0"), (5_000, "1"), (14_999, "1"), (15_000, "2")]),
            // 33.33 %: 0.3333, 0.6666, 3333, 4.9995
            ("33.33", vec![(1, "0"), (2, "1"), (10_000, "3333"), (15, "5")]),
            // 99.99 %: 0.9999, 4999.5, 4998.5001
            ("99.99", vec![(1, "1"), (5_000, "5000"), (4_999, "4999")]),
            ("100", vec![(1, "1"), (10_000, "10000")]),
            // No reason, and nothing.
            ("0", vec![(10_000, "0")]),
        ].into_iter().enumerate() {
            let [name, customer] = ["share", "cus"].map(|prefix| format!("{prefix}_{program_no}"));
            program(&world, &name, &format!("--rate {rate}")).await;
            claim(&world, &name, &customer, CLAIMED).await;
            for (amount, expected) in sales {
                let invoice = format!("in_{program_no}_{amount}");
                assert_eq!(sell(&world, &sale(&invoice, &customer, amount, PAID)).await, expected, "{rate} % of {amount}");
            }
        }
        assert_eq!(shown(&world, "rate_bps", "in_1_12").await, "1250");
        assert_eq!(shown(&world, "base", "in_1_12").await, "12");
        // 1 + 1 + 2 + 1000 + 1000, and nothing of anybody else.
        assert_eq!(world.earned("share_0").await, 2_004);
    }

    async fn a_flat_reward_is_the_same_for_every_invoice_in_its_currency_that_is_large_enough(world: World) {
        program(&world, "flat", "--flat 700 --currency usd").await;
        program(&world, "capped", "--flat 700 --currency usd --cap 500").await;
        program(&world, "gross", "--flat 700 --currency usd --base amount-paid").await;
        for name in ["flat", "capped", "gross"] {
            claim(&world, name, &format!("cus_{name}"), CLAIMED).await;
        }
        let only_tax = json!({ "total_excluding_tax": 0 });
        for (invoice, customer, amount, currency, fields, expected) in [
            ("in_1", "cus_flat", 10_000, "usd", json!({}), "700"),
            // No more than what it is taken of.
            ("in_2", "cus_flat", 1, "usd", json!({}), "1"),
            ("in_11", "cus_flat", 700, "usd", json!({}), "700"),
            ("in_12", "cus_flat", 900, "usd", json!({ "total_excluding_tax": 699 }), "699"),
            ("in_3", "cus_flat", 10_000, "eur", json!({}), "currency_mismatch"),
            ("in_4", "cus_flat", 10_000, "jpy", json!({}), "currency_mismatch"),
            ("in_5", "cus_flat", 0, "usd", json!({}), "zero_amount"),
            ("in_6", "cus_flat", 0, "eur", json!({}), "zero_amount"),
            ("in_7", "cus_flat", 1_900, "usd", only_tax.clone(), "zero_amount"),
            ("in_8", "cus_gross", 1_900, "usd", only_tax, "700"),
            ("in_9", "cus_capped", 10_000, "usd", json!({}), "500"),
            ("in_10", "cus_capped", 10_000, "eur", json!({}), "currency_mismatch"),
        ] {
            let sale = in_currency(with(sale(invoice, customer, amount, PAID), fields), currency);
            assert_eq!(sell(&world, &sale).await, expected, "{invoice}");
        }
        assert_eq!(shown(&world, "rate_bps", "in_1").await, "", "a flat reward has no rate");
    }

    async fn the_cap_holds_for_each_invoice_in_its_currency(world: World) {
        program(&world, "cap", "--rate 10 --cap 250 --currency usd").await;
        claim(&world, "cap", "cus_1", CLAIMED).await;
        program(&world, "caps", "--rate 10 --cap usd:250,jpy:90 --min-invoice kwd:500").await;
        claim(&world, "caps", "cus_2", CLAIMED).await;
        for (invoice, amount, currency, expected) in [
            ("in_8", 10_000, "usd", "250"),
            ("in_9", 10_000, "jpy", "90"),
            ("in_10", 10_000, "eur", "1000"),
            ("in_11", 499, "kwd", "below_minimum"),
            ("in_12", 499, "usd", "50"),
        ] {
            let sale = in_currency(sale(invoice, "cus_2", amount, PAID), currency);
            assert_eq!(sell(&world, &sale).await, expected, "{invoice}");
        }
        let story = world.cli_ok(&["explain", "in_10"]);
        assert!(story.contains("Its terms have caps, but none for EUR: this was not capped."), "{story}");
        assert!(story.contains("Its terms have minima, but none for EUR: no invoice of it is too small."), "{story}");
        let story = world.cli_ok(&["explain", "in_9"]);
        assert!(story.contains("That is the cap of its terms, 90 JPY."), "{story}");
        let story = world.cli_ok(&["explain", "in_12"]);
        assert!(!story.contains("caps, but none") && !story.contains("the cap of"), "{story}");
        for (invoice, amount, currency, expected) in [
            ("in_1", 2_000, "usd", "200"),
            // 249.4, 249.5, 250.4 and 1000 become 249 and 250
            ("in_2", 2_494, "usd", "249"),
            ("in_3", 2_495, "usd", "250"),
            ("in_4", 2_504, "usd", "250"),
            ("in_5", 10_000, "usd", "250"),
            // Once more: the cap is one of each invoice, not of all.
            ("in_6", 10_000, "usd", "250"),
            // An amount of dollars says nothing about yen.
            ("in_7", 10_000, "jpy", "1000"),
        ] {
            let sale = in_currency(sale(invoice, "cus_1", amount, PAID), currency);
            assert_eq!(sell(&world, &sale).await, expected, "{invoice}");
        }
    }

    async fn an_invoice_below_the_minimum_earns_nothing(world: World) {
        program(&world, "least", "--rate 10 --min-invoice 500 --currency usd").await;
        claim(&world, "least", "cus_1", CLAIMED).await;
        for (invoice, amount, currency, net, expected) in [
            ("in_1", 499, "usd", 499, "below_minimum"),
            ("in_2", 500, "usd", 500, "50"),
            // The minimum is one of what was paid, the share one of what is not tax.
            ("in_3", 500, "usd", 420, "42"),
            ("in_4", 499, "eur", 499, "50"),
            ("in_5", 1, "kwd", 1, "0"),
            ("in_6", 0, "usd", 0, "zero_amount"),
        ] {
            let sale = in_currency(sale(invoice, "cus_1", amount, PAID), currency);
            let sale = with(sale, json!({ "total_excluding_tax": net }));
            assert_eq!(sell(&world, &sale).await, expected, "{invoice}");
        }
        // Before the referral comes before the minimum.
        let early = sale("in_7", "cus_1", 499, "2025-01-08T23:59:59Z");
        assert_eq!(sell(&world, &early).await, "before_referral");
        let just_in_time = sale("in_8", "cus_1", 500, "2025-01-09T00:00:00Z");
        assert_eq!(sell(&world, &just_in_time).await, "50");
    }

    async fn the_hold_period_counts_from_the_payment(world: World) {
        for (name, terms, days) in [
            ("default", "--rate 10", 30),
            ("none", "--rate 10 --hold-days 0", 0),
            ("two-weeks", "--rate 10 --hold-days 14", 14),
            ("ten-years", "--rate 10 --hold-days 3650", 3_650),
        ] {
            program(&world, name, terms).await;
            let (invoice, customer) = (format!("in_{name}"), format!("cus_{name}"));
            claim(&world, name, &customer, CLAIMED).await;
            world.send(&sale(&invoice, &customer, 10_000, PAID)).await;
            refund_of(&world, &invoice, 10_000, &format!("re_{name}"), 2_500).await;
            assert_eq!(held(&world, &invoice).await, "1000 -250");
            let available_at = json!(unix(PAID) + days * 86_400);
            assert_eq!(shown(&world, "available_at", &invoice).await, available_at.to_string(), "{name}");
            // The loss shares the date of what it takes from.
            let entries = world.entries_of(&invoice).await;
            assert!(entries.iter().all(|entry| entry["available_at"] == available_at), "{name}: {entries:?}");
        }
        let shown: Value =
            serde_json::from_str(&world.cli_ok(&["promoter", "show", "ten-years", "--format", "json"])).unwrap();
        let balance = &shown["balances"][0];
        assert_eq!((&balance["earned"], &balance["held"], &balance["available"]), (&json!(750), &json!(750), &json!(0)));
        let shown: Value =
            serde_json::from_str(&world.cli_ok(&["promoter", "show", "none", "--format", "json"])).unwrap();
        let balance = &shown["balances"][0];
        assert_eq!((&balance["earned"], &balance["held"], &balance["available"]), (&json!(750), &json!(0), &json!(750)));
    }

    async fn amounts_are_minor_units_of_their_currency_and_shown_as_such(world: World) {
        program(&world, "mixed", "--rate 10 --hold-days 0").await;
        program(&world, "yen", "--flat 300 --currency jpy --hold-days 0").await;
        claim(&world, "mixed", "cus_1", CLAIMED).await;
        claim(&world, "yen", "cus_2", CLAIMED).await;
        for (invoice, customer, amount, currency, expected) in [
            ("in_1", "cus_1", 12_000, "jpy", "1200"),
            // 0.010 dinars
            ("in_2", "cus_1", 10, "kwd", "1"),
            ("in_3", "cus_1", 12_345, "usd", "1235"),
            ("in_4", "cus_2", 12_000, "jpy", "300"),
            ("in_5", "cus_2", 12_000, "kwd", "currency_mismatch"),
        ] {
            let sale = in_currency(sale(invoice, customer, amount, PAID), currency);
            assert_eq!(sell(&world, &sale).await, expected, "{invoice}");
        }
        let shown = world.cli_ok(&["promoter", "show", "mixed"]);
        for amount in ["1200 JPY", "0.001 KWD", "12.35 USD"] {
            assert!(shown.contains(amount), "{amount}\n{shown}");
        }
        let shown = world.cli_ok(&["promoter", "show", "yen"]);
        assert!(shown.contains("300 JPY") && !shown.contains("KWD"), "{shown}");
        let shown: Value =
            serde_json::from_str(&world.cli_ok(&["promoter", "show", "mixed", "--format", "json"])).unwrap();
        let balances = shown["balances"].as_array().unwrap();
        let mut balances: Vec<_> = balances
            .iter()
            .map(|balance| (balance["currency"].as_str().unwrap(), balance["earned"].as_i64().unwrap()))
            .collect();
        balances.sort_unstable();
        assert_eq!(balances, [("jpy", 1_200), ("kwd", 1), ("usd", 1_235)], "never summed across currencies");
    }

    async fn fifteen_digits_are_an_amount_and_sixteen_are_not(world: World) {
        const MOST: i64 = 999_999_999_999_999;
        program(&world, "tenth", "--rate 10").await;
        program(&world, "odd", "--rate 33.33").await;
        program(&world, "all", "--rate 100").await;
        program(&world, "flat", &format!("--flat {MOST} --currency usd")).await;
        program(&world, "capped", &format!("--rate 100 --cap {MOST} --currency usd")).await;
        program(&world, "sold", "--rate 10 --product-rates price_a:99.99").await;
        for (name, expected) in [
            // 99 999 999 999 999.9
            ("tenth", "100000000000000"),
            // 333 299 999 999 999.6667
            ("odd", "333300000000000"),
            ("all", "999999999999999"),
            ("flat", "999999999999999"),
            ("capped", "999999999999999"),
            // Of three equal lines one is at 10 %, two at 99.99 %: 69.99333… % are 699 933 333 333 332.63…
            ("sold", "699933333333333"),
        ] {
            let (invoice, customer) = (format!("in_{name}"), format!("cus_{name}"));
            claim(&world, name, &customer, CLAIMED).await;
            let line = |price: &str| json!({ "amount": MOST, "price": { "id": price, "product": price } });
            let lines = json!({ "data": [line("price_a"), line("price_b"), line("price_a")], "has_more": false });
            let sold = with(sale(&invoice, &customer, MOST, PAID), json!({ "lines": lines }));
            assert_eq!(sell(&world, &sold).await, expected, "{name}");
            // All but one cent is refunded: C − C × (paid − 1) / paid is less than a whole cent, or one.
            refund_of(&world, &invoice, MOST, &format!("re_{name}"), MOST - 1).await;
            let left = if expected == "999999999999999" { 1 } else { i64::from(expected.starts_with('6')) };
            let refunded = left - expected.parse::<i64>().unwrap();
            assert_eq!(held(&world, &invoice).await, format!("{expected} {refunded}"), "{name}");
            // One digit more.
            let sale = sale(&format!("in_more_{name}"), &customer, MOST + 1, PAID);
            world.expect("quarantined", &sale).await;
        }
        // However large the fixed amount is, one cent earns no more than itself.
        assert_eq!(sell(&world, &sale("in_cent", "cus_flat", 1, PAID)).await, "1");
        for terms in ["--flat", "--rate 10 --cap", "--rate 10 --min-invoice"] {
            let field = terms.rsplit("--").next().unwrap().replace('-', "_");
            expect_refusal(&world, &format!("program create more {terms} {} --currency usd", MOST + 1), &field);
        }
        let earned = world.commissions().await;
        assert!(!earned.iter().any(|row| row["invoice"].as_str().unwrap().starts_with("in_more")), "{earned:?}");
    }
}
