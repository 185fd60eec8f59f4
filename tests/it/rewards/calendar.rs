//! Which of a referral's invoices earn: the first one, so many, for so many months; and when the first must be paid.

use super::*;

on_both_databases! {
    async fn one_time_pays_for_the_first_invoice_only_whenever_it_arrives(world: World) {
        program(&world, "once", "--rate 10 --one-time --min-invoice 500 --currency usd").await;
        claim(&world, "once", "cus_1", CLAIMED).await;
        let send = async |invoice: &str, amount: i64, paid_at: &str| {
            world.send(&sale(invoice, "cus_1", amount, paid_at)).await;
        };
        send("in_m", 10_000, "2025-02-01T00:00:00Z").await;
        expect_held(&world, "alone it is the first", &[("in_m", "1000")]).await;
        send("in_z", 20_000, "2025-03-01T00:00:00Z").await;
        expect_held(&world, "a later one", &[("in_m", "1000"), ("in_z", "duration_over")]).await;
        // None of these is the first, although each was paid earlier.
        send("in_0", 0, "2025-01-11T00:00:00Z").await;
        send("in_1", 499, "2025-01-12T00:00:00Z").await;
        send("in_2", 10_000, "2025-01-08T23:59:59Z").await;
        expect_held(&world, "what is not counted", &[
            ("in_0", "zero_amount"), ("in_1", "below_minimum"), ("in_2", "before_referral"), ("in_m", "1000"),
        ]).await;
        assert_eq!(world.entries().await.len(), 1);
        // A late earlier one takes its place.
        send("in_k", 5_000, "2025-01-20T00:00:00Z").await;
        expect_held(&world, "in_k", &[("in_k", "500"), ("in_m", "duration_over"), ("in_z", "duration_over")]).await;
        assert_eq!(last_cause(&world, "in_m").await, "superseded by in_k");
        // Paid in the same second, the smaller id is the first.
        send("in_l", 6_000, "2025-01-20T00:00:00Z").await;
        expect_held(&world, "in_l", &[("in_k", "500"), ("in_l", "duration_over")]).await;
        send("in_j", 7_000, "2025-01-20T00:00:00Z").await;
        expect_held(&world, "in_j", &[("in_j", "700"), ("in_k", "duration_over"), ("in_l", "duration_over")]).await;
        assert_eq!(last_cause(&world, "in_k").await, "superseded by in_j");
        // A refund gives the place to nobody.
        refund_of(&world, "in_j", 7_000, "re_j", 7_000).await;
        expect_held(&world, "refunded", &[("in_j", "700 -700"), ("in_k", "duration_over")]).await;
        // It loses its place with what it lost.
        send("in_i", 8_000, "2025-01-09T00:00:00Z").await;
        expect_held(&world, "in_i", &[("in_i", "800"), ("in_j", "duration_over")]).await;
        assert_eq!(last_cause(&world, "in_j").await, "superseded by in_i");
        // An earlier payment told of the same invoice moves it, too.
        send("in_l", 6_000, "2025-01-09T00:00:00Z").await;
        expect_held(&world, "in_l is as early and has the greater id", &[("in_i", "800"), ("in_l", "duration_over")]).await;
    }

    async fn whatever_else_keeps_the_first_invoice_from_earning_it_is_the_first(world: World) {
        program(&world, "flat", "--flat 700 --currency usd --one-time").await;
        program(&world, "net", "--rate 10 --one-time").await;
        for name in ["flat", "net"] {
            claim(&world, name, &format!("cus_{name}"), CLAIMED).await;
        }
        // In another currency.
        let first = in_currency(sale("in_f1", "cus_flat", 10_000, "2025-01-11T00:00:00Z"), "eur");
        assert_eq!(sell(&world, &first).await, "currency_mismatch");
        assert_eq!(sell(&world, &sale("in_f2", "cus_flat", 10_000, "2025-01-12T00:00:00Z")).await, "duration_over");
        // Over comes before the currency.
        let third = in_currency(sale("in_f3", "cus_flat", 10_000, "2025-01-13T00:00:00Z"), "eur");
        assert_eq!(sell(&world, &third).await, "duration_over");
        // Something was paid, and all of it was tax.
        let first = with(sale("in_n1", "cus_net", 1_900, "2025-01-11T00:00:00Z"), json!({ "total_excluding_tax": 0 }));
        assert_eq!(sell(&world, &first).await, "zero_amount");
        assert_eq!(sell(&world, &sale("in_n2", "cus_net", 10_000, "2025-01-12T00:00:00Z")).await, "duration_over");
    }

    async fn the_first_invoice_is_that_of_all_customers_of_a_user(world: World) {
        program(&world, "once", "--rate 10 --one-time").await;
        for customer in ["cus_1", "cus_2"] {
            let body = json!({ "code": "once", "user_id": "u1", "customer": customer, "claimed_at": unix(CLAIMED) });
            claim_by(&world, body).await;
        }
        claim(&world, "once", "cus_3", CLAIMED).await;
        assert_eq!(sell(&world, &sale("in_1", "cus_1", 10_000, PAID)).await, "1000");
        assert_eq!(sell(&world, &sale("in_2", "cus_2", 20_000, "2025-01-12T00:00:00Z")).await, "2000");
        expect_held(&world, "the other customer was earlier", &[("in_1", "duration_over")]).await;
        assert_eq!(last_cause(&world, "in_1").await, "superseded by in_2");
        assert_eq!(sell(&world, &sale("in_3", "cus_3", 10_000, "2025-01-11T00:00:00Z")).await, "1000");
        expect_held(&world, "another referral", &[("in_2", "2000")]).await;
        // It turns out to be a customer of the same user.
        let body = json!({ "code": "once", "user_id": "u1", "customer": "cus_3", "claimed_at": unix(CLAIMED) });
        claim_by(&world, body).await;
        expect_held(&world, "one referral", &[("in_1", "duration_over"), ("in_2", "duration_over"), ("in_3", "1000")]).await;
    }

    async fn months_are_calendar_months_by_utc_date(world: World) {
        for (case, (months, claimed_at, first, invoices)) in [
            // 31 January and a month is 28 February, at its first second.
            (1, "2025-01-31T12:00:00Z", "2025-01-31T12:00:00Z", vec![
                ("2025-02-27T23:59:59Z", "1000"), ("2025-02-28T00:00:00Z", "duration_over"),
                ("2025-02-28T12:00:00Z", "duration_over"), ("2025-03-31T00:00:00Z", "duration_over"),
            ]),
            // The time of the day does not matter: 15 March and a month is 15 April.
            (1, "2025-03-15T23:59:59Z", "2025-03-15T23:59:59Z", vec![
                ("2025-04-14T23:59:59Z", "1000"), ("2025-04-15T00:00:00Z", "duration_over"),
            ]),
            (2, "2024-12-31T00:00:00Z", "2024-12-31T00:00:00Z", vec![
                ("2025-02-27T23:59:59Z", "1000"), ("2025-02-28T00:00:00Z", "duration_over"),
            ]),
            // Clamped once and not in between: two months after 31 December 2023 are 29 February, three 31 March.
            (2, "2023-12-31T00:00:00Z", "2023-12-31T00:00:00Z", vec![
                ("2024-02-28T23:59:59Z", "1000"), ("2024-02-29T00:00:00Z", "duration_over"),
            ]),
            (3, "2023-12-31T00:00:00Z", "2023-12-31T00:00:00Z", vec![
                ("2024-03-30T23:59:59Z", "1000"), ("2024-03-31T00:00:00Z", "duration_over"),
            ]),
            (12, "2024-02-29T08:00:00Z", "2024-02-29T08:00:00Z", vec![
                ("2025-02-27T23:59:59Z", "1000"), ("2025-02-28T00:00:00Z", "duration_over"),
            ]),
            // They count from the first invoice and not from the claim.
            (1, "2025-01-10T00:00:00Z", "2025-03-01T00:00:00Z", vec![
                ("2025-03-31T23:59:59Z", "1000"), ("2025-04-01T00:00:00Z", "duration_over"),
            ]),
        ].into_iter().enumerate() {
            let [name, customer] = ["months", "cus"].map(|prefix| format!("{prefix}_{case}"));
            program(&world, &name, &format!("--rate 10 --months {months}")).await;
            claim(&world, &name, &customer, claimed_at).await;
            let opening = format!("in_{case}_first");
            assert_eq!(sell(&world, &sale(&opening, &customer, 10_000, first)).await, "1000", "{case}");
            for (number, (paid_at, expected)) in invoices.into_iter().enumerate() {
                let invoice = format!("in_{case}_{number}");
                assert_eq!(sell(&world, &sale(&invoice, &customer, 10_000, paid_at)).await, expected, "{case} {paid_at}");
            }
        }
    }

    async fn a_late_earlier_invoice_moves_the_months(world: World) {
        program(&world, "month", "--rate 10 --recurring --months 1").await;
        claim(&world, "month", "cus_1", CLAIMED).await;
        for (invoice, paid_at, expected) in [
            ("in_3", "2025-03-20T00:00:00Z", "1000"),
            ("in_4", "2025-04-14T23:59:59Z", "1000"),
            ("in_5", "2025-04-15T00:00:00Z", "1000"),
            ("in_6", "2025-04-19T23:59:59Z", "1000"),
            ("in_7", "2025-04-20T00:00:00Z", "duration_over"),
            // From 15 March on it is 15 April.
            ("in_2", "2025-03-15T09:00:00Z", "1000"),
        ] {
            assert_eq!(sell(&world, &sale(invoice, "cus_1", 10_000, paid_at)).await, expected, "{invoice}");
        }
        expect_held(&world, "moved", &[
            ("in_3", "1000"), ("in_4", "1000"), ("in_5", "duration_over"), ("in_6", "duration_over"),
            ("in_7", "duration_over"),
        ]).await;
        for invoice in ["in_5", "in_6"] {
            assert_eq!(last_cause(&world, invoice).await, "superseded by in_2");
        }
    }

    async fn so_many_invoices_earn_and_so_many_months_whichever_ends_first(world: World) {
        program(&world, "three", "--rate 10 --invoices 3").await;
        claim(&world, "three", "cus_1", CLAIMED).await;
        for (invoice, amount, paid_at, expected) in [
            ("in_a2", 10_000, "2025-02-01T00:00:00Z", "1000"),
            ("in_a3", 10_000, "2025-03-01T00:00:00Z", "1000"),
            // Nothing was paid: it counts for nothing.
            ("in_a0", 0, "2025-03-15T00:00:00Z", "zero_amount"),
            ("in_a4", 10_000, "2025-04-01T00:00:00Z", "1000"),
            ("in_a5", 10_000, "2025-05-01T00:00:00Z", "duration_over"),
            // Too small to earn a cent, and one of the three.
            ("in_a1", 4, "2025-01-15T00:00:00Z", "0"),
        ] {
            assert_eq!(sell(&world, &sale(invoice, "cus_1", amount, paid_at)).await, expected, "{invoice}");
        }
        let moved = [("in_a2", "1000"), ("in_a3", "1000"), ("in_a4", "duration_over"), ("in_a5", "duration_over")];
        expect_held(&world, "the third was the fourth", &moved).await;
        assert_eq!(last_cause(&world, "in_a4").await, "superseded by in_a1");

        program(&world, "both", "--rate 10 --months 2 --invoices 2").await;
        for (customer, invoices) in [
            // The invoices end first …
            ("cus_b", [
                ("in_b1", "2025-01-11T00:00:00Z", "1000"), ("in_b2", "2025-01-12T00:00:00Z", "1000"),
                ("in_b3", "2025-01-13T00:00:00Z", "duration_over"),
            ]),
            // … or the months.
            ("cus_c", [
                ("in_c1", "2025-01-11T00:00:00Z", "1000"), ("in_c2", "2025-03-11T00:00:00Z", "duration_over"),
                ("in_c3", "2025-03-12T00:00:00Z", "duration_over"),
            ]),
            ("cus_d", [
                ("in_d1", "2025-01-11T00:00:00Z", "1000"), ("in_d2", "2025-03-10T23:59:59Z", "1000"),
                ("in_d3", "2025-03-10T23:59:59Z", "duration_over"),
            ]),
        ] {
            claim(&world, "both", customer, CLAIMED).await;
            for (invoice, paid_at, expected) in invoices {
                assert_eq!(sell(&world, &sale(invoice, customer, 10_000, paid_at)).await, expected, "{invoice}");
            }
        }
    }

    async fn a_first_invoice_after_the_conversion_window_earns_nothing_and_nor_does_any_other(world: World) {
        program(&world, "week", "--rate 10 --conversion-window-days 7 --min-invoice 500 --currency usd").await;
        program(&world, "at-once", "--rate 10 --conversion-window-days 0").await;
        for (name, customer, invoices) in [
            // Seven days to the second, and then for ever.
            ("week", "cus_a", vec![
                ("in_a1", 10_000, "2025-01-17T00:00:00Z", "1000"), ("in_a2", 10_000, "2026-01-17T00:00:00Z", "1000"),
            ]),
            ("week", "cus_b", vec![
                ("in_b1", 10_000, "2025-01-17T00:00:01Z", "conversion_window"),
                ("in_b2", 10_000, "2025-02-17T00:00:00Z", "conversion_window"),
                // Neither nothing nor too little is a first invoice.
                ("in_b3", 0, "2025-01-11T00:00:00Z", "zero_amount"),
                ("in_b4", 499, "2025-01-11T00:00:00Z", "below_minimum"),
            ]),
            ("at-once", "cus_c", vec![
                ("in_c1", 10_000, "2025-01-10T00:00:00Z", "1000"), ("in_c2", 10_000, "2025-01-10T00:00:01Z", "1000"),
            ]),
            ("at-once", "cus_d", vec![("in_d1", 10_000, "2025-01-10T00:00:01Z", "conversion_window")]),
            // The lookback of a day is in every window.
            ("at-once", "cus_e", vec![
                ("in_e1", 10_000, "2025-01-09T00:00:00Z", "1000"), ("in_e2", 10_000, "2025-06-01T00:00:00Z", "1000"),
            ]),
        ] {
            claim(&world, name, customer, CLAIMED).await;
            for (invoice, amount, paid_at, expected) in invoices {
                assert_eq!(sell(&world, &sale(invoice, customer, amount, paid_at)).await, expected, "{invoice}");
            }
        }
        expect_held(&world, "still late", &[("in_b1", "conversion_window"), ("in_b2", "conversion_window")]).await;
        // A late earlier invoice was in time: now all earn.
        assert_eq!(sell(&world, &sale("in_b0", "cus_b", 20_000, "2025-01-12T00:00:00Z")).await, "2000");
        expect_held(&world, "in time", &[("in_b1", "1000"), ("in_b2", "1000"), ("in_b4", "below_minimum")]).await;
        assert_eq!(last_cause(&world, "in_b2").await, "superseded by in_b0");
        // A first invoice in another currency is one, too.
        program(&world, "flat", "--flat 700 --currency usd --conversion-window-days 7 --one-time").await;
        claim(&world, "flat", "cus_f", CLAIMED).await;
        let euros = in_currency(sale("in_f1", "cus_f", 10_000, "2025-02-01T00:00:00Z"), "eur");
        assert_eq!(sell(&world, &euros).await, "conversion_window", "the window comes before the currency");
        assert_eq!(sell(&world, &sale("in_f2", "cus_f", 10_000, "2025-02-02T00:00:00Z")).await, "conversion_window");
    }
}
