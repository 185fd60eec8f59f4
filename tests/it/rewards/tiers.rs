//! Rates by a referral's number among its promoter's referrals in that program.

use super::*;

async fn referral_number(world: &World, customer: &str) -> String {
    let referrals = world.referrals().await;
    let referral = referrals.iter().find(|row| row["customer"] == customer).unwrap();
    referral["referral_number"].to_string()
}

on_both_databases! {
    async fn from_the_eleventh_referral_on_the_rate_is_another(world: World) {
        program(&world, "tier", "--rate 10 --tiers 11:15").await;
        for number in 1..=12 {
            // The number goes by arrival: each of these says that it was made before the others.
            let claimed_at = format!("2025-01-{:02}T00:00:00Z", 20 - number);
            let (invoice, customer) = (format!("in_{number}"), format!("cus_{number}"));
            claim(&world, "tier", &customer, &claimed_at).await;
            let expected = if number < 11 { "1000" } else { "1500" };
            let sale = sale(&invoice, &customer, 10_000, "2025-01-20T00:00:00Z");
            assert_eq!(sell(&world, &sale).await, expected, "{number}");
            assert_eq!(referral_number(&world, &customer).await, number.to_string());
        }
        assert_eq!(shown(&world, "rate_bps", "in_10").await, "1000");
        assert_eq!(shown(&world, "rate_bps", "in_11").await, "1500");
    }

    async fn the_last_tier_that_is_reached_picks_the_rate(world: World) {
        program(&world, "tier", "--rate 10 --tiers 2:15,4:20.5,6:5").await;
        program(&world, "from-one", "--rate 10 --tiers 1:7").await;
        // 333 at 10, 15, 20.5 and 5 %: 33.3, 49.95, 68.265, 16.65
        for (number, expected) in (1..).zip(["33", "50", "50", "68", "68", "17", "17"]) {
            let (invoice, customer) = (format!("in_{number}"), format!("cus_{number}"));
            claim(&world, "tier", &customer, CLAIMED).await;
            // Told twice it is no second referral.
            claim(&world, "tier", &customer, CLAIMED).await;
            claim(&world, "tier", &customer, "2025-01-11T00:00:00Z").await;
            assert_eq!(sell(&world, &sale(&invoice, &customer, 333, PAID)).await, expected, "{number}");
            let later = sale(&format!("{invoice}_later"), &customer, 333, "2025-12-01T00:00:00Z");
            assert_eq!(sell(&world, &later).await, expected, "{number} again");
        }
        claim(&world, "from-one", "cus_a", CLAIMED).await;
        assert_eq!(sell(&world, &sale("in_a", "cus_a", 10_000, PAID)).await, "700");
    }

    async fn a_referral_number_is_given_once_and_never_changes(world: World) {
        program(&world, "anna", "--rate 10 --tiers 2:15,3:20").await;
        world.promoter("bert").await;
        world.code("bert", "bert", "anna").await;
        world.program("other", "--rate 10 --tiers 2:15,3:20").await;
        world.code("other", "anna", "other").await;
        for (customer, expected) in [("cus_1", "1000"), ("cus_2", "1500")] {
            claim(&world, "anna", customer, CLAIMED).await;
            let invoice = customer.replace("cus", "in");
            assert_eq!(sell(&world, &sale(&invoice, customer, 10_000, PAID)).await, expected, "{customer}");
        }
        // The first referral goes to another promoter, as the first of that one; the second stays the second.
        claim(&world, "bert", "cus_1", "2025-01-09T00:00:00Z").await;
        assert_eq!(referral_number(&world, "cus_1").await, "1");
        expect_held(&world, "moved", &[("in_1", "1000"), ("in_2", "1500")]).await;
        // The first place was given: this is the third of the one and the second of the other.
        for (code, customer, expected) in [("anna", "cus_3", "2000"), ("bert", "cus_4", "1500")] {
            claim(&world, code, customer, CLAIMED).await;
            let invoice = customer.replace("cus", "in");
            assert_eq!(sell(&world, &sale(&invoice, customer, 10_000, PAID)).await, expected, "{customer}");
        }
        // It comes back to the place that it had.
        claim(&world, "anna", "cus_1", "2025-01-08T00:00:00Z").await;
        assert_eq!(referral_number(&world, "cus_1").await, "1");
        // A refund changes none.
        refund_of(&world, "in_2", 10_000, "re_2", 10_000).await;
        expect_held(&world, "back", &[
            ("in_1", "1000"), ("in_2", "1500 -1500"), ("in_3", "2000"), ("in_4", "1500"),
        ]).await;
        // Another program counts its own.
        claim(&world, "other", "cus_5", CLAIMED).await;
        assert_eq!(sell(&world, &sale("in_5", "cus_5", 10_000, PAID)).await, "1000");
    }
}
