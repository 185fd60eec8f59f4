//! Who referred whom: claims through the API and in events, through the front door, on both databases.

use crate::support::World;
use crate::support::events::*;
use serde_json::{Value, json};

on_both_databases! {
    async fn a_referral_that_arrives_after_the_invoice_still_earns(world: World) {
        world.with_anna("10").await;
        world.expect("recorded", &invoice_paid("in_1", "cus_1", 10_000)).await;
        world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
        world.expect("recorded", &charge_refunded("pi_1", "cus_1", 10_000, 2_500)).await;
        assert_eq!(world.reason("in_1").await, "not_referred");
        world.refer("ANNA", "cus_1").await;
        assert_eq!(world.sums("in_1").await, (1_000, -250));
        // Beyond the lookback of a day it is too late.
        let mut old = invoice_paid("in_0", "cus_1", 10_000);
        old["data"]["object"]["status_transitions"]["paid_at"] = json!(created() - 2 * 86_400);
        world.expect("recorded", &old).await;
        assert_eq!(world.reason("in_0").await, "before_referral");
    }

    async fn the_code_may_stand_in_the_metadata_of_the_subscription(world: World) {
        world.with_anna("10").await;
        world.expect("posted", &invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA")).await;
        // From now on the customer is referred, also where an invoice does not say so.
        world.expect("posted", &invoice_paid("in_2", "cus_1", 10_000)).await;
        let mut older = legacy_invoice_paid("in_3", "cus_2", 10_000, "pi_3");
        older["data"]["object"]["subscription_details"] = json!({ "metadata": { "ref": " ANNA " } });
        world.expect("posted", &older).await;
        let mut of_invoice = invoice_paid("in_4", "cus_3", 10_000);
        of_invoice["data"]["object"]["metadata"] = json!({ "referral": "ANNA" });
        world.expect("posted", &of_invoice).await;
        assert_eq!(world.earned("anna").await, 4_000);
    }

    async fn a_code_that_is_made_later_settles_what_named_it(world: World) {
        world.with_anna("10").await;
        world.expect("recorded", &invoice_paid_with_code("in_1", "cus_1", 10_000, "BERT")).await;
        assert_eq!(world.reason("in_1").await, "unknown_code");
        world.promoter("bert").await;
        world.code("BERT", "bert", "default").await;
        assert_eq!((world.earned("bert").await, world.earned("anna").await), (1_000, 0));
    }

    async fn the_claim_that_was_made_first_wins_however_late_it_arrives(world: World) {
        world.with_anna("10").await;
        world.program("other", "--rate 20").await;
        world.promoter("bert").await;
        world.code("BERT", "bert", "other").await;
        world.refer("ANNA", "cus_1").await;
        world.send(&invoice_paid("in_1", "cus_1", 10_000)).await;
        world.send(&invoice_payment("in_1", "pi_1", 10_000)).await;
        world.send(&charge_refunded("pi_1", "cus_1", 10_000, 5_000)).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (500, 0));
        let earlier = json!({ "code": "BERT", "customer": "cus_1", "claimed_at": created() - 600 });
        let (status, referral) = world.post_referral(&earlier).await;
        assert_eq!((status, referral["code"].as_str()), (201, Some("BERT")));
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_000));
        // A later claim changes nothing, and is told who holds the referral.
        let (status, referral) = world.post_referral(&json!({ "code": "ANNA", "customer": "cus_1" })).await;
        assert_eq!((status, referral["code"].as_str()), (200, Some("BERT")));
    }

    async fn a_user_and_a_customer_turn_out_to_be_one(world: World) {
        world.with_anna("10").await;
        // At signup only the user is known; the invoice knows only the customer.
        let (status, _) = world.post_referral(&json!({ "code": "ANNA", "user_id": "u1" })).await;
        assert_eq!(status, 201);
        world.expect("recorded", &invoice_paid("in_1", "cus_1", 10_000)).await;
        let both = json!({ "code": "ANNA", "user_id": "u1", "customer": "cus_1" });
        assert_eq!(world.post_referral(&both).await.0, 200, "the referral was made at signup");
        assert_eq!(world.earned("anna").await, 1_000);
        // A second customer of the same user earns too; one of another user is refused.
        let second = json!({ "code": "ANNA", "user_id": "u1", "customer": "cus_2" });
        assert_eq!(world.post_referral(&second).await.0, 200);
        world.expect("posted", &invoice_paid("in_2", "cus_2", 10_000)).await;
        let stolen = json!({ "code": "ANNA", "user_id": "u2", "customer": "cus_1" });
        let (status, problem) = world.post_referral(&stolen).await;
        assert_eq!((status, problem["code"].as_str()), (409, Some("customer_of_another_user")));
        assert_eq!((world.earned("anna").await, world.referrals().await.len()), (2_000, 1));
    }

    async fn two_referrals_become_one_when_their_customer_turns_out_to_be_a_user(world: World) {
        world.with_anna("10").await;
        world.promoter("bert").await;
        world.code("BERT", "bert", "default").await;
        let claim = |body: Value, ago: i64| {
            let mut body = body;
            body["claimed_at"] = json!(created() - ago);
            body
        };
        world.post_referral(&claim(json!({ "code": "ANNA", "customer": "cus_1" }), 300)).await;
        world.post_referral(&claim(json!({ "code": "BERT", "user_id": "u1" }), 600)).await;
        world.send(&invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (1_000, 0));
        let bond = claim(json!({ "code": "ANNA", "user_id": "u1", "customer": "cus_1" }), 0);
        let (status, referral) = world.post_referral(&bond).await;
        assert_eq!((status, &referral["claim"]["reason"]), (200, &json!("earlier_claim")));
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_000));
    }

    async fn nobody_refers_themselves(world: World) {
        world.program("default", "--rate 10").await;
        world.promoter_at("anna", "Anna@Example.com ").await;
        world.code("ANNA", "anna", "default").await;
        for body in [
            json!({ "code": "ANNA", "user_id": "anna", "customer": "cus_1" }),
            json!({ "code": "ANNA", "customer": "cus_1", "email": " anna@example.COM" }),
        ] {
            let (status, problem) = world.post_referral(&body).await;
            assert_eq!((status, problem["code"].as_str()), (422, Some("self_referral")), "{body}");
        }
        assert_eq!(world.claims().await, 0);
    }

    async fn a_claim_that_waits_for_its_code_does_not_hide_a_later_one(world: World) {
        world.with_anna("10").await;
        for number in 0..5 {
            let event = invoice_paid_with_code(&format!("in_{number}"), "cus_1", 10_000, "NEVER");
            world.expect("recorded", &event).await;
        }
        // The program may have been inactive at the first; once one of them counts, a further one changes nothing.
        assert_eq!(world.claims().await, 5);
        world.code("NEVER", "anna", "default").await;
        assert_eq!(world.sum("in_4", "commission").await, 1_000);
        world.expect("posted", &invoice_paid_with_code("in_5", "cus_1", 10_000, "NEVER")).await;
        assert_eq!((world.claims().await, world.referrals().await.len()), (5, 1));
    }

    async fn codes_in_checkout_and_on_the_customer_count_however_late_they_are_told(world: World) {
        world.with_anna("10").await;
        let session = |customer: Value| {
            event("checkout.session.completed", json!({ "id": "cs_1", "object": "checkout.session",
                "customer": customer, "client_reference_id": "user-42", "mode": "subscription",
                "metadata": { "ref": "ANNA" } }))
        };
        world.expect("recorded", &invoice_paid("in_1", "cus_1", 10_000)).await;
        world.expect("posted", &session(json!("cus_1"))).await;
        world.expect("ignored", &session(Value::Null)).await;
        world.expect("recorded", &invoice_paid("in_2", "cus_2", 10_000)).await;
        let customer = |kind: &str| {
            event(kind, json!({ "id": "cus_2", "object": "customer", "metadata": { "referral_code": "ANNA" } }))
        };
        world.expect("posted", &customer("customer.created")).await;
        world.expect("recorded", &customer("customer.updated")).await;
        assert_eq!(world.earned("anna").await, 2_000);
    }
}
