//! What is left of a commission after refunds, on top of each rule: C − `round_half_up`(C × x / paid), and nothing when
//! all is refunded.

use super::*;

/// Terms, what is special about the sale, what was paid, C, and the refunds: (Σ so far, what the ledger holds then).
type Row<'r> = (&'r str, Value, i64, &'r [(i64, &'r str)]);

on_both_databases! {
    async fn a_refund_takes_its_part_of_whatever_the_rule_gave(world: World) {
        let line = |price: &str, amount: i64| json!({ "amount": amount, "price": { "id": price, "product": "prod_x" } });
        let lines = json!({ "lines": { "data": [line("price_a", 3_000), line("price_c", 7_000)], "has_more": false } });
        let credit = json!({ "total": 11_900, "total_excluding_tax": 10_000 });
        let taxed = json!({ "total_excluding_tax": 10_000 });
        let rows: [Row<'_>; 16] = [
            // C = 2: 0.4, 0.533, 1.467, 1.6
            ("--rate 10", json!({}), 15, &[(3, "2"), (4, "2 -1"), (11, "2 -1"), (12, "2 -2"), (15, "2 -2")]),
            // C = 1: 0.4, 0.5
            ("--rate 10", json!({}), 10, &[(4, "1"), (5, "1 -1"), (10, "1 -1")]),
            // C = 125: 41.625, 41.75, 124.875
            ("--rate 12.5", json!({}), 1_000, &[(333, "125 -42"), (334, "125 -42"), (999, "125 -125"), (1_000, "125 -125")]),
            ("--rate 100", json!({}), 7, &[(1, "7 -1"), (3, "7 -3"), (7, "7 -7")]),
            // C = 700: 233.1, 350, 699.3
            ("--flat 700 --currency usd", json!({}), 1_000,
                &[(333, "700 -233"), (500, "700 -350"), (999, "700 -699"), (1_000, "700 -700")]),
            // No more than was paid.
            ("--flat 700 --currency usd", json!({}), 3, &[(1, "3 -1"), (2, "3 -2"), (3, "3 -3")]),
            // C = 250: 0.475, 0.5, 125, 249.975
            ("--rate 10 --cap 250 --currency usd", json!({}), 10_000,
                &[(19, "250"), (20, "250 -1"), (5_000, "250 -125"), (9_999, "250 -250"), (10_000, "250 -250")]),
            // C = 150: 49.95
            ("--rate 10 --tiers 1:15", json!({}), 1_000, &[(333, "150 -50"), (1_000, "150 -150")]),
            // C = 1300: 0.39, 0.52, 650
            ("--rate 10 --product-rates price_a:20", lines, 10_000,
                &[(3, "1300"), (4, "1300 -1"), (5_000, "1300 -650"), (10_000, "1300 -1300")]),
            // C = 496 of 59.00 paid, the rest being credit: 248, 495.916
            ("--rate 10", credit.clone(), 5_900, &[(2_950, "496 -248"), (5_899, "496 -496"), (5_900, "496 -496")]),
            // C = 590: 295, 589.9
            ("--rate 10 --base amount-paid", credit, 5_900, &[(2_950, "590 -295"), (5_899, "590 -590"), (5_900, "590 -590")]),
            // C = 1000, net of tax; refunds are of what was paid, with tax: 100, 184.03
            ("--rate 10", taxed, 11_900, &[(1_190, "1000 -100"), (2_190, "1000 -184"), (11_900, "1000 -1000")]),
            ("--rate 10 --one-time", json!({}), 10_000, &[(2_500, "1000 -250"), (10_000, "1000 -1000")]),
            ("--rate 10 --months 1 --invoices 1", json!({}), 10_000, &[(2_504, "1000 -250"), (2_505, "1000 -251")]),
            ("--rate 10 --conversion-window-days 30 --min-invoice 10000 --currency usd", json!({}), 10_000,
                // What is left may be less than the minimum.
                &[(9_994, "1000 -999"), (9_995, "1000 -1000"), (10_000, "1000 -1000")]),
            ("--rate 10 --max-rewards-per-promoter 1", json!({}), 10_000, &[(1, "1000"), (5, "1000 -1")]),
        ];
        for (row, (terms, fields, paid, refunds)) in rows.into_iter().enumerate() {
            let [name, customer, invoice] = ["p", "cus", "in"].map(|prefix| format!("{prefix}_{row}"));
            program(&world, &name, terms).await;
            claim(&world, &name, &customer, CLAIMED).await;
            world.expect("posted", &with(sale(&invoice, &customer, paid, PAID), fields)).await;
            let mut before = 0;
            for (refunded, expected) in refunds {
                let id = format!("re_{row}_{refunded}");
                refund_of(&world, &invoice, paid, &id, refunded - before).await;
                before = *refunded;
                assert_eq!(held(&world, &invoice).await, *expected, "{terms}: {refunded} of {paid}");
            }
        }
    }

    async fn many_partial_refunds_that_add_up_to_the_whole_leave_exactly_nothing(world: World) {
        let line = |price: &str| json!({ "amount": 1, "price": { "id": price, "product": "prod_x" } });
        let lines = json!({ "lines": { "data": [line("price_a"), line("price_c"), line("price_c")], "has_more": false } });
        let credit = json!({ "total": 150, "total_excluding_tax": 129 });
        // Terms, what is special, C, and the parts: so many of so much.
        for (row, (terms, fields, commission, parts)) in [
            // 33.33 of 100
            ("--rate 33.33", json!({}), 33, vec![(100, 1)]),
            // 1.5 of 15
            ("--rate 10", json!({}), 2, vec![(15, 1)]),
            ("--flat 70 --currency usd", json!({}), 70, vec![(37, 2), (13, 1)]),
            // A tenth of 61 × 163 = 9943, and no more than 250
            ("--rate 10 --cap 250 --currency usd", json!({}), 250, vec![(61, 163)]),
            // (20 % + 10 % + 10 %) / 3 of 100
            ("--rate 10 --product-rates price_a:20", lines, 13, vec![(1, 1), (1, 2), (1, 3), (1, 5), (1, 8), (27, 3)]),
            // 15 % of ⌊97 × 129 / 150⌋ = 83 are 12.45
            ("--rate 10 --tiers 1:15", credit, 12, vec![(97, 1)]),
        ].into_iter().enumerate() {
            let [name, customer, invoice, payment] = ["p", "cus", "in", "pi"].map(|prefix| format!("{prefix}_{row}"));
            program(&world, &name, terms).await;
            claim(&world, &name, &customer, CLAIMED).await;
            let paid = parts.iter().map(|(times, part)| times * part).sum();
            assert_eq!(
                sell(&world, &with(sale(&invoice, &customer, paid, PAID), fields)).await,
                commission.to_string(),
                "{terms}"
            );
            world.expect("recorded", &invoice_payment(&invoice, &payment, paid)).await;
            let parts = parts.into_iter().flat_map(|(times, part)| std::iter::repeat_n(part, times.try_into().unwrap()));
            for (number, part) in parts.enumerate() {
                world.send(&refund("refund.created", &format!("re_{row}_{number}"), &payment, part, "succeeded")).await;
            }
            assert_eq!(held(&world, &invoice).await, format!("{commission} -{commission}"), "{terms}");
        }
        // Monotone: a further refund never gave anything back.
        let entries = world.entries().await;
        assert!(entries.iter().all(|(_, kind, amount)| kind != "refund" || *amount < 0), "{entries:?}");
    }

    async fn what_was_refunded_before_an_invoice_earned_is_taken_when_it_does(world: World) {
        program(&world, "week", "--rate 10 --conversion-window-days 7").await;
        claim(&world, "week", "cus_1", CLAIMED).await;
        assert_eq!(sell(&world, &sale("in_2", "cus_1", 10_000, "2025-02-01T00:00:00Z")).await, "conversion_window");
        refund_of(&world, "in_2", 10_000, "re_2", 2_500).await;
        expect_held(&world, "nothing to take", &[("in_2", "conversion_window")]).await;
        assert_eq!(world.entries().await, []);
        assert_eq!(sell(&world, &sale("in_1", "cus_1", 10_000, "2025-01-12T00:00:00Z")).await, "1000");
        expect_held(&world, "both at once", &[("in_2", "1000 -250")]).await;

        program(&world, "one", "--rate 10 --max-rewards-per-promoter 1").await;
        for customer in ["cus_2", "cus_3"] {
            claim(&world, "one", customer, CLAIMED).await;
        }
        assert_eq!(sell(&world, &sale("in_3", "cus_2", 10_000, "2025-01-13T00:00:00Z")).await, "1000");
        refund_of(&world, "in_3", 10_000, "re_3", 2_500).await;
        assert_eq!(sell(&world, &sale("in_4", "cus_3", 10_000, "2025-01-14T00:00:00Z")).await, "reward_exhausted");
        refund_of(&world, "in_4", 10_000, "re_4", 5_000).await;
        assert_eq!(sell(&world, &sale("in_5", "cus_3", 10_000, "2025-01-12T00:00:00Z")).await, "1000");
        expect_held(&world, "the other has the place", &[("in_3", "reward_exhausted"), ("in_4", "1000 -500")]).await;
        // What it loses without a place, nobody takes from it; when the refund fails, nobody gives it back.
        world.expect("recorded", &refund("refund.failed", "re_3", "pi_3", 2_500, "failed")).await;
        expect_held(&world, "as before", &[("in_3", "reward_exhausted")]).await;
    }
}
