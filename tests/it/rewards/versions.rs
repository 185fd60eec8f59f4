//! The terms of a program: what may be said of them, and whom a change of them reaches.

use super::*;

/// Changes the terms of a program at that time.
fn update_at(world: &World, time: &str, program: &str, change: &str) {
    let update = format!("program update {program} {change} --now {time}");
    world.cli_ok(&update.split_whitespace().collect::<Vec<_>>());
}

/// How many versions of all programs there are.
fn versions(world: &World) -> usize {
    world.listed("program").len()
}

on_both_databases! {
    async fn a_change_reaches_only_referrals_that_are_made_later(world: World) {
        program(&world, "terms", "--rate 10").await;
        let refer = |customer: &str| {
            world.cli_ok(&["refer", "terms", "--customer", customer, "--claimed-at", CLAIMED]);
        };
        refer("cus_1");
        assert_eq!(sell(&world, &sale("in_1a", "cus_1", 10_000, PAID)).await, "1000");
        world.cli_ok(&["program", "update", "terms", "--rate", "20"]);
        // Whoever was referred before keeps the terms of then, also for what is paid now.
        assert_eq!(sell(&world, &invoice_paid("in_1b", "cus_1", 10_000)).await, "1000");
        world.cli_ok(&["refer", "terms", "--customer", "cus_1"]);
        assert_eq!(sell(&world, &invoice_paid("in_1c", "cus_1", 10_000)).await, "1000");
        world.cli_ok(&["refer", "terms", "--customer", "cus_2"]);
        assert_eq!(sell(&world, &invoice_paid("in_2", "cus_2", 10_000)).await, "2000");
        // It was referred then, and only told now.
        refer("cus_3");
        assert_eq!(sell(&world, &invoice_paid("in_3", "cus_3", 10_000)).await, "1000");
        // The second turns out to have been referred then, too.
        refer("cus_2");
        expect_held(&world, "by the older terms", &[("in_2", "1000")]).await;
        assert!(last_cause(&world, "in_2").await.starts_with("clm_"));
    }

    async fn each_term_is_frozen_when_a_referral_is_made(world: World) {
        let lines = json!({ "lines": { "data": [{ "amount": 1, "price": { "id": "price_1", "product": "prod_1" } }],
            "has_more": false } });
        let taxed = json!({ "total_excluding_tax": 8_000 });
        // What the second invoice of 100.00 earns for a referral of before and one of after the change.
        for (row, (before, change, fields, old, new)) in [
            ("--rate 10", "--rate 12.5", json!({}), "1000", "1250"),
            ("--rate 10", "--flat 700 --currency usd", json!({}), "1000", "700"),
            ("--flat 700 --currency usd", "--rate 10", json!({}), "700", "1000"),
            ("--flat 700 --currency usd", "--currency eur", json!({}), "700", "currency_mismatch"),
            ("--rate 10", "--base amount-paid", taxed.clone(), "800", "1000"),
            ("--rate 10 --base amount-paid", "--base net-of-tax", taxed, "1000", "800"),
            ("--rate 10", "--one-time", json!({}), "1000", "duration_over"),
            ("--rate 10 --one-time", "--recurring", json!({}), "duration_over", "1000"),
            ("--rate 10 --one-time", "--invoices 2", json!({}), "duration_over", "1000"),
            ("--rate 10 --invoices 1", "--invoices none", json!({}), "duration_over", "1000"),
            ("--rate 10", "--tiers 2:20", json!({}), "1000", "2000"),
            ("--rate 10 --tiers 1:20", "--tiers none", json!({}), "2000", "1000"),
            ("--rate 10", "--product-rates price_1:20", lines.clone(), "1000", "2000"),
            ("--rate 10 --product-rates prod_1:20", "--product-rates none", lines, "2000", "1000"),
            ("--rate 10", "--cap 250 --currency usd", json!({}), "1000", "250"),
            ("--rate 10 --cap 250 --currency usd", "--cap none --currency none", json!({}), "250", "1000"),
            ("--rate 10", "--max-rewards-per-promoter 1", json!({}), "1000", "reward_exhausted"),
            ("--rate 10 --conversion-window-days 7", "--conversion-window-days none", json!({}), "conversion_window", "1000"),
            ("--rate 10", "--min-invoice 10001 --currency usd", json!({}), "1000", "below_minimum"),
            ("--rate 10 --min-invoice 10001 --currency usd", "--min-invoice 0", json!({}), "below_minimum", "1000"),
            // What an update does not name stays.
            ("--rate 10 --cap 250 --currency usd", "--rate 20 --hold-days 7", json!({}), "250", "250"),
            ("--rate 10 --one-time", "--rate 20", json!({}), "duration_over", "duration_over"),
        ].into_iter().enumerate() {
            let name = format!("p_{row}");
            program(&world, &name, before).await;
            let [old_customer, new_customer] = ["before", "later"].map(|age| format!("cus_{age}_{row}"));
            claim(&world, &name, &old_customer, CLAIMED).await;
            let mut update = vec!["program", "update", &name];
            update.extend(change.split_whitespace());
            world.cli_ok(&update);
            world.refer(&name, &new_customer).await;
            // Paid in one second, `in_before…` comes before `in_later…`.
            for (customer, expected) in [(old_customer, old), (new_customer, new)] {
                let invoice = customer.replacen("cus", "in", 1);
                for number in 1..=2 {
                    let paid = invoice_paid(&format!("{invoice}_{number}"), &customer, 10_000);
                    world.send(&with(paid, fields.clone())).await;
                }
                assert_eq!(held(&world, &format!("{invoice}_2")).await, expected, "{before}, then {change}: {customer}");
            }
        }
    }

    async fn a_claim_is_judged_by_the_version_of_its_time(world: World) {
        program(&world, "terms", "--rate 10").await;
        update_at(&world, "2025-02-01T00:00:00Z", "terms", "--rate 20");
        update_at(&world, "2025-03-01T00:00:00Z", "terms", "--rate 30");
        let [second, third] = ["2025-02-01T00:00:00Z", "2025-03-01T00:00:00Z"].map(unix);
        // Versions and claims in any order; the first version counts for all earlier times.
        for (customer, claimed_at, expected) in [
            ("cus_4", third, "3000"), ("cus_3", third - 1, "2000"), ("cus_2", second, "2000"), ("cus_1", second - 1, "1000"),
            ("cus_0", unix(CLAIMED), "1000"),
        ] {
            claim_by(&world, json!({ "code": "terms", "customer": customer, "claimed_at": claimed_at })).await;
            let paid = invoice_paid(&customer.replace("cus", "in"), customer, 10_000);
            assert_eq!(sell(&world, &paid).await, expected, "{customer}");
        }
        // Nothing new: no version.
        world.cli_ok(&["program", "update", "terms", "--rate", "30"]);
        assert_eq!(versions(&world), 3);
        expect_refusal(&world, "program update nobody --rate 10", "key");
    }

    async fn an_inactive_program_takes_no_new_referrals(world: World) {
        program(&world, "pause", "--rate 10").await;
        claim(&world, "pause", "cus_1", CLAIMED).await;
        update_at(&world, "2025-02-01T00:00:00Z", "pause", "--active false");
        let (status, problem) = world.post_referral(&json!({ "code": "pause", "customer": "cus_2" })).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some("program_inactive")));
        expect_refusal(&world, "refer pause --customer cus_2", "code");
        assert_eq!(world.claims().await, 1, "a refused call makes no claim");
        world.expect("recorded", &ago(invoice_paid_with_code("in_2", "cus_2", 10_000, "pause"), 600)).await;
        expect_held(&world, "paused", &[("in_2", "program_inactive")]).await;
        // Whoever was referred before earns on, and so does whoever was referred then and is told of now.
        assert_eq!(sell(&world, &invoice_paid("in_1", "cus_1", 10_000)).await, "1000");
        claim(&world, "pause", "cus_3", CLAIMED).await;
        assert_eq!(sell(&world, &invoice_paid("in_3", "cus_3", 10_000)).await, "1000");
        update_at(&world, &seconds_ago(300), "pause", "--active true");
        expect_held(&world, "a claim of the pause stays refused", &[("in_2", "program_inactive")]).await;
        assert_eq!(sell(&world, &invoice_paid("in_4", "cus_2", 10_000)).await, "program_inactive");
        // A new one counts, and the invoices of the day before it.
        world.refer("pause", "cus_2").await;
        expect_held(&world, "a claim after the pause", &[("in_2", "1000"), ("in_4", "1000")]).await;
    }

    async fn terms_that_contradict_themselves_are_refused_in_one_line_that_names_the_field(world: World) {
        const TOO_MUCH: &str = "1000000000000000";
        world.program("share", "--rate 10 --tiers 2:15 --cap 9 --currency usd").await;
        world.program("sold", "--rate 10 --product-rates price_1:15").await;
        world.program("flat", "--flat 5 --currency usd").await;
        for (terms, field) in [
            ("--flat 500", "currency"),
            ("--flat 500 --currency none", "currency"),
            ("--rate 10 --cap 500", "currency"),
            ("--rate 10 --min-invoice 500", "currency"),
            ("--flat 0 --currency usd", "flat"),
            ("--flat=-5 --currency usd", "flat"),
            (&format!("--flat {TOO_MUCH} --currency usd"), "flat"),
            ("--rate 10 --cap 0 --currency usd", "cap"),
            (&format!("--rate 10 --cap {TOO_MUCH} --currency usd"), "cap"),
            ("--rate 10 --cap usd:500,eur:0", "cap"),
            ("--rate 10 --min-invoice=-1 --currency usd", "min_invoice"),
            ("--rate 10 --min-invoice usd:0", "min_invoice"),
            (&format!("--rate 10 --min-invoice {TOO_MUCH} --currency usd"), "min_invoice"),
            ("--rate 10 --min-payout usd:0", "min_payout"),
            (&format!("--rate 10 --min-payout usd:5000,eur:{TOO_MUCH}"), "min_payout"),
            ("--rate 10 --now 2100-01-01T00:00:00Z", "now"),
            ("--rate 10 --months 0", "recurrence"),
            ("--rate 10 --months 1201", "recurrence"),
            ("--rate 10 --invoices 0", "recurrence"),
            ("--flat 5 --currency usd --tiers 2:15", "tiers"),
            ("--rate 10 --tiers 0:15", "tiers"),
            ("--rate 10 --tiers 11:15,11:20", "tiers"),
            ("--rate 10 --tiers 11:15,5:20", "tiers"),
            ("--flat 5 --currency usd --product-rates price_1:20", "product_rates"),
            ("--rate 10 --max-rewards-per-promoter 0", "max_rewards_per_promoter"),
            ("--rate 10 --max-rewards-per-promoter 10001", "max_rewards_per_promoter"),
            ("--rate 10 --hold-days 3651", "hold_days"),
            ("--rate 10 --conversion-window-days 3651", "conversion_window_days"),
        ] {
            expect_refusal(&world, &format!("program create new {terms}"), field);
        }
        // A change may contradict what was there before.
        for (change, field) in [
            ("share --rate 20 --now 2100-01-01T00:00:00Z", "now"),
            ("share --flat 5", "tiers"),
            ("sold --flat 5 --currency usd", "product_rates"),
            ("flat --currency none", "currency"),
            ("flat --tiers 2:15", "tiers"),
            ("flat --product-rates price_1:15", "product_rates"),
            ("flat --months 0", "recurrence"),
        ] {
            expect_refusal(&world, &format!("program update {change}"), field);
        }
        // What cannot even be said is wrong usage.
        for arguments in [
            "program create new --rate 10 --flat 5 --currency usd",
            "program create new --rate 10 --one-time --recurring",
            "program create new --rate 10 --one-time --months 3",
            "program create new --rate 10 --one-time --invoices 3",
            "program create new --rate 10 --tiers 11",
            "program create new --rate 10 --product-rates price_1:101",
            "program create new --rate 10 --currency dollars",
            "program create new --rate 10 --cap usd:1,2",
            "program create new --rate 10 --min-invoice dollars:1",
            "program create new --rate 10 --tiers 2:15 --tiers-by money",
            "program create new --rate 10 --exclude-shipping maybe",
            "program update share --rate 100.01",
            "program update share --active perhaps",
        ] {
            let output = world.cli(&arguments.split_whitespace().collect::<Vec<_>>());
            assert_eq!(output.status.code(), Some(2), "{arguments}");
            assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments}");
        }
        assert_eq!(versions(&world), 3);
    }
}
