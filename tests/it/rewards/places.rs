//! `max_rewards_per_promoter`: how many of a promoter's referrals earn, and which.

use super::*;

/// A further promoter, and a code of the same name in a program that exists.
async fn join(world: &World, name: &str, program: &str) {
    world.promoter(name).await;
    world.code(name, name, program).await;
}

on_both_databases! {
    async fn the_two_referrals_that_paid_first_earn_whenever_that_is_told(world: World) {
        program(&world, "two", "--rate 10 --max-rewards-per-promoter 2").await;
        for customer in ["cus_1", "cus_2", "cus_3", "cus_4"] {
            claim(&world, "two", customer, CLAIMED).await;
        }
        for (invoice, customer, paid_at, expected) in [
            ("in_1a", "cus_1", "2025-01-11T00:00:00Z", "1000"),
            ("in_2a", "cus_2", "2025-01-13T00:00:00Z", "1000"),
            ("in_3a", "cus_3", "2025-01-15T00:00:00Z", "reward_exhausted"),
            // Whoever has a place earns with every invoice, whoever has none with none.
            ("in_1b", "cus_1", "2025-02-11T00:00:00Z", "1000"),
            ("in_2b", "cus_2", "2025-02-13T00:00:00Z", "1000"),
            ("in_3b", "cus_3", "2025-02-15T00:00:00Z", "reward_exhausted"),
        ] {
            assert_eq!(sell(&world, &sale(invoice, customer, 10_000, paid_at)).await, expected, "{invoice}");
        }
        // What was refunded keeps its place.
        for invoice in ["in_1a", "in_1b"] {
            refund_of(&world, invoice, 10_000, &invoice.replace("in", "re"), 10_000).await;
            assert_eq!(held(&world, invoice).await, "1000 -1000");
        }
        // Neither nothing nor something from before the referral takes one.
        for (invoice, amount, paid_at, expected) in [
            ("in_3x", 0, "2025-01-10T00:00:00Z", "zero_amount"),
            ("in_3y", 10_000, "2025-01-08T00:00:00Z", "before_referral"),
        ] {
            assert_eq!(sell(&world, &sale(invoice, "cus_3", amount, paid_at)).await, expected, "{invoice}");
        }
        expect_held(&world, "no place is free", &[("in_3a", "reward_exhausted"), ("in_3b", "reward_exhausted")]).await;
        // The third turns out to have paid before the second.
        assert_eq!(sell(&world, &sale("in_3c", "cus_3", 10_000, "2025-01-12T00:00:00Z")).await, "1000");
        expect_held(&world, "the third is the second", &[
            ("in_1a", "1000 -1000"), ("in_1b", "1000 -1000"), ("in_2a", "reward_exhausted"),
            ("in_2b", "reward_exhausted"), ("in_3a", "1000"), ("in_3b", "1000"), ("in_3c", "1000"),
        ]).await;
        for invoice in ["in_2a", "in_2b"] {
            assert_eq!(last_cause(&world, invoice).await, "superseded by in_3c");
        }
        // Paid in the same second, the smaller id is first.
        assert_eq!(sell(&world, &sale("in_3b4", "cus_4", 10_000, "2025-01-12T00:00:00Z")).await, "1000");
        expect_held(&world, "the fourth is the second", &[
            ("in_2a", "reward_exhausted"), ("in_3a", "reward_exhausted"), ("in_3c", "reward_exhausted"),
        ]).await;
        assert_eq!(last_cause(&world, "in_3c").await, "superseded by in_3b4");
    }

    async fn each_promoter_and_each_program_has_its_own_places(world: World) {
        program(&world, "one", "--rate 10 --max-rewards-per-promoter 1").await;
        join(&world, "bert", "one").await;
        world.program("other", "--rate 20 --max-rewards-per-promoter 1").await;
        world.code("OTHER", "one", "other").await;
        for (code, customer, expected) in [
            ("one", "cus_1", "1000"), ("one", "cus_2", "reward_exhausted"), ("bert", "cus_3", "1000"),
            ("bert", "cus_4", "reward_exhausted"), ("OTHER", "cus_5", "2000"), ("OTHER", "cus_6", "reward_exhausted"),
        ] {
            claim(&world, code, customer, CLAIMED).await;
            let invoice = customer.replace("cus", "in");
            assert_eq!(sell(&world, &sale(&invoice, customer, 10_000, PAID)).await, expected, "{customer}");
        }
        // The referral itself leaves its promoter: then its place is free, and the new one's taken by whoever paid first.
        claim(&world, "bert", "cus_1", "2025-01-09T00:00:00Z").await;
        expect_held(&world, "moved", &[
            ("in_1", "1000"), ("in_2", "1000"), ("in_3", "reward_exhausted"), ("in_4", "reward_exhausted"),
        ]).await;
    }

    async fn only_an_invoice_without_another_reason_takes_a_place(world: World) {
        program(&world, "flat", "--flat 700 --currency usd --max-rewards-per-promoter 1 --min-invoice 500").await;
        for customer in ["cus_1", "cus_2"] {
            claim(&world, "flat", customer, CLAIMED).await;
        }
        let euros = in_currency(sale("in_1a", "cus_1", 10_000, "2025-01-11T00:00:00Z"), "eur");
        assert_eq!(sell(&world, &euros).await, "currency_mismatch");
        assert_eq!(sell(&world, &sale("in_1b", "cus_1", 499, "2025-01-11T00:00:00Z")).await, "below_minimum");
        assert_eq!(sell(&world, &sale("in_2a", "cus_2", 10_000, "2025-01-13T00:00:00Z")).await, "700");
        assert_eq!(sell(&world, &sale("in_1c", "cus_1", 10_000, "2025-01-14T00:00:00Z")).await, "reward_exhausted");
        // The order of the reasons: too little comes before the place, and that before the currency.
        expect_held(&world, "in order", &[("in_1a", "reward_exhausted"), ("in_1b", "below_minimum")]).await;

        program(&world, "week", "--rate 10 --conversion-window-days 7 --max-rewards-per-promoter 1").await;
        for (customer, paid_at, expected) in [
            ("cus_3", "2025-01-18T00:00:00Z", "conversion_window"), ("cus_4", "2025-01-17T00:00:00Z", "1000"),
            ("cus_5", "2025-01-16T00:00:00Z", "1000"),
        ] {
            claim(&world, "week", customer, CLAIMED).await;
            let invoice = customer.replace("cus", "in");
            assert_eq!(sell(&world, &sale(&invoice, customer, 10_000, paid_at)).await, expected, "{customer}");
        }
        expect_held(&world, "the fifth paid first", &[("in_4", "reward_exhausted")]).await;
    }

    async fn a_promoter_s_own_account_gives_its_place_back(world: World) {
        world.program("one", "--rate 10 --max-rewards-per-promoter 1").await;
        world.promoter_at("anna", "anna@example.com").await;
        world.code("one", "anna", "one").await;
        for (customer, expected) in [("cus_1", "1000"), ("cus_2", "reward_exhausted")] {
            claim(&world, "one", customer, CLAIMED).await;
            let invoice = customer.replace("cus", "in");
            assert_eq!(sell(&world, &sale(&invoice, customer, 10_000, PAID)).await, expected, "{customer}");
        }
        let own = json!({ "id": "cus_1", "object": "customer", "email": "Anna@example.com", "metadata": {} });
        world.expect("posted", &event("customer.updated", own)).await;
        expect_held(&world, "held", &[("in_1", "self_referral"), ("in_2", "1000")]).await;
    }

    async fn each_referral_is_judged_by_the_limit_of_its_own_terms(world: World) {
        program(&world, "limit", "--rate 10 --max-rewards-per-promoter 1").await;
        for customer in ["cus_1", "cus_2"] {
            claim(&world, "limit", customer, CLAIMED).await;
        }
        assert_eq!(sell(&world, &sale("in_1", "cus_1", 10_000, "2025-01-11T00:00:00Z")).await, "1000");
        assert_eq!(sell(&world, &sale("in_2", "cus_2", 10_000, "2025-01-12T00:00:00Z")).await, "reward_exhausted");
        // The third of three places, since the second referral paid before it, too.
        world.cli_ok(&["program", "update", "limit", "--max-rewards-per-promoter", "3", "--now", &seconds_ago(600)]);
        for (invoice, customer, expected) in [("in_3", "cus_3", "1000"), ("in_4", "cus_4", "reward_exhausted")] {
            world.refer_ago("limit", customer, 500).await;
            assert_eq!(sell(&world, &invoice_paid(invoice, customer, 10_000)).await, expected, "{invoice}");
        }
        world.cli_ok(&["program", "update", "limit", "--max-rewards-per-promoter", "none", "--now", &seconds_ago(300)]);
        world.refer("limit", "cus_5").await;
        assert_eq!(sell(&world, &invoice_paid("in_5", "cus_5", 10_000)).await, "1000");
        expect_held(&world, "as they were", &[
            ("in_1", "1000"), ("in_2", "reward_exhausted"), ("in_3", "1000"), ("in_4", "reward_exhausted"),
        ]).await;
    }
}
