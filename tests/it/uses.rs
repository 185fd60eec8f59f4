//! `max_uses`: as many referrals as a code may make and no more, whoever asks at once; through the front door, on both
//! databases.

use crate::support;
use crate::support::World;
use crate::support::api::{call, refusal};
use crate::support::events::*;
use crate::support::people::*;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

/// Customers who come at once.
const CROWD: usize = 40;
/// The uses that there are for them.
const USES: usize = 5;

/// Program `default` at 10 %, `anna` with code `FEW` of so many uses, `bert` with code `BERT`.
async fn with_few(world: &World, uses: usize) {
    world.program("default", "--rate 10").await;
    world.promoter("anna").await;
    let uses = uses.to_string();
    let owner = ["--promoter", "anna", "--program", "default", "--max-uses", &uses];
    world.cli_ok(&[["code", "create", "FEW"].as_slice(), &owner].concat());
    world.with_promoter("bert", "default").await;
}

on_both_databases! {
    async fn of_forty_calls_at_once_over_two_replicas_exactly_five_make_a_referral(world: World) {
        with_few(&world, USES).await;
        let replica = world.replica();
        let bodies: Vec<_> =
            (0..CROWD).map(|number| json!({ "code": "FEW", "customer": format!("cus_{number}") })).collect();
        let calls = bodies.iter().enumerate().map(|(number, body)| {
            let daemon = if number % 2 == 0 { &world.daemon } else { &replica };
            call(&world.client, daemon, Method::POST, "/v1/referrals", Some(body))
        });
        let answers = join_all(calls).await;
        let made = answers.iter().filter(|(status, _)| *status == 201).count();
        let used_up = answers.iter().filter(|answer| refusal(answer) == (422, "code_used_up")).count();
        assert_eq!((made, used_up), (USES, CROWD - USES), "{answers:?}");
        assert_eq!((world.uses("FEW").await, world.referrals().await.len()), (5, 5));
        assert_eq!(world.claims().await, 5, "a 422 makes no claim");
        // Who got none may come with another code.
        let refused = answers.iter().position(|(status, _)| *status == 422).unwrap();
        world.refer("BERT", &format!("cus_{refused}")).await;
        assert_eq!((world.uses("FEW").await, world.uses("BERT").await), (5, 1));
    }

    async fn of_forty_invoices_at_once_over_two_replicas_exactly_five_earn(world: World) {
        with_few(&world, USES).await;
        let replica = world.replica();
        let events: Vec<_> = (0..CROWD)
            .map(|number| invoice_paid_with_code(&format!("in_{number}"), &format!("cus_{number}"), 10_000, "FEW"))
            .collect();
        let sent = events.iter().enumerate().map(|(number, event)| {
            let daemon = if number % 2 == 0 { &world.daemon } else { &replica };
            support::post_event(&world.client, daemon, event)
        });
        let answers = join_all(sent).await;
        for (event, (status, answer)) in events.iter().zip(&answers) {
            assert!(*status == 200 || *status == 503, "{answer}");
            if *status == 503 {
                world.send(event).await;
            }
        }
        assert_eq!((world.uses("FEW").await, world.earned("anna").await), (5, 5_000));
        let none = world.get("/v1/commissions?status=none&limit=200").await;
        let reasons: Vec<_> = none["data"].as_array().unwrap().iter().map(|row| row["reason"].as_str()).collect();
        assert_eq!(reasons, vec![Some("code_used_up"); CROWD - USES]);
        let earning = world.get("/v1/commissions?status=pending&limit=200").await;
        assert_eq!(earning["data"].as_array().unwrap().len(), USES);
        let referrals = world.get("/v1/referrals?limit=200").await;
        let mut numbers: Vec<_> =
            referrals["data"].as_array().unwrap().iter().map(|row| row["referral_number"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
    }

    async fn forty_calls_at_once_for_one_customer_use_one(world: World) {
        with_few(&world, USES).await;
        let replica = world.replica();
        let body = json!({ "code": "FEW", "customer": "cus_1" });
        let calls = (0..CROWD).map(|number| {
            let daemon = if number % 2 == 0 { &world.daemon } else { &replica };
            call(&world.client, daemon, Method::POST, "/v1/referrals", Some(&body))
        });
        let statuses: Vec<u16> = join_all(calls).await.into_iter().map(|(status, _)| status).collect();
        assert!(statuses.iter().all(|status| [200, 201].contains(status)), "{statuses:?}");
        assert_eq!((world.uses("FEW").await, world.referrals().await.len()), (1, 1));
    }

    async fn duplicates_replays_and_second_claims_use_none(world: World) {
        with_few(&world, 2).await;
        let told = invoice_paid_with_code("in_1", "cus_1", 10_000, "FEW");
        world.expect("posted", &told).await;
        world.expect("duplicate", &told).await;
        world.cli_ok(&["replay", told["id"].as_str().unwrap()]);
        world.expect("posted", &invoice_paid_with_code("in_2", "cus_1", 10_000, "FEW")).await;
        world.send(&checkout("cus_1", json!({ "client_reference_id": "FEW" }))).await;
        world.refer("FEW", "cus_1").await;
        world.refer_ago("FEW", "cus_1", 3_600).await;
        let bound = json!({ "code": "FEW", "customer": "cus_1", "user_id": "u1" });
        assert_eq!(world.post_referral(&bound).await.0, 200);
        world.post_referral(&json!({ "code": "FEW", "customer": "cus_1b", "user_id": "u1" })).await;
        assert_eq!(world.uses("FEW").await, 1, "all of it was one referral");
        // A claim that does not make the referral uses none.
        world.refer_ago("BERT", "cus_2", 600).await;
        world.refer("FEW", "cus_2").await;
        world.send(&invoice_paid_with_code("in_3", "cus_2", 10_000, "FEW")).await;
        assert_eq!((world.uses("FEW").await, world.uses("BERT").await), (1, 1));
        world.refer("FEW", "cus_3").await;
        assert_eq!(world.uses("FEW").await, 2);
        // Now it is used up; who has its use may say so again.
        let late = world.post("/v1/referrals", json!({ "code": "FEW", "customer": "cus_4" })).await;
        assert_eq!(refusal(&late), (422, "code_used_up"));
        assert_eq!(world.post("/v1/referrals", json!({ "code": "FEW", "customer": "cus_3" })).await.0, 200);
        assert_eq!(world.post("/v1/referrals", bound).await.0, 200);
        let validity = world.get("/v1/codes/FEW/validity").await;
        assert_eq!(validity, json!({ "valid": false, "reason": "code_used_up" }));
        assert_eq!((world.uses("FEW").await, world.earned("anna").await), (2, 2_000));
    }

    async fn a_use_is_never_given_back(world: World) {
        with_few(&world, 3).await;
        let given = async |uses: i64, after: &str| {
            assert_eq!(world.uses("FEW").await, uses, "{after}");
        };
        let moved = world.refer("FEW", "cus_1").await;
        let moved = format!("/v1/referrals/{}", moved["id"].as_str().unwrap());
        assert_eq!(world.change(&moved, json!({ "code": "BERT" })).await["code"], "BERT");
        given(1, "a move away").await;
        assert_eq!(world.change(&moved, json!({ "code": "FEW" })).await["code"], "FEW");
        given(1, "a move back").await;
        let refused = world.refer("FEW", "cus_2").await;
        let refused = format!("/v1/referrals/{}", refused["id"].as_str().unwrap());
        world.change("/v1/promoters/anna", json!({ "email": "anna@example.com" })).await;
        world.send(&customer("customer.updated", "cus_2", "anna@example.com")).await;
        world.change(&refused, json!({ "status": "refused" })).await;
        given(2, "a refusal").await;
        world.refer("FEW", "cus_3").await;
        let earlier = world.refer_ago("BERT", "cus_3", 600).await;
        assert_eq!(earlier["code"], "BERT");
        given(3, "an earlier claim that took the referral").await;
        let late = world.post("/v1/referrals", json!({ "code": "FEW", "customer": "cus_4" })).await;
        assert_eq!(refusal(&late), (422, "code_used_up"));
        // An operator's move is not judged.
        let fourth = world.refer("BERT", "cus_4").await;
        let fourth = format!("/v1/referrals/{}", fourth["id"].as_str().unwrap());
        assert_eq!(world.change(&fourth, json!({ "code": "FEW" })).await["code"], "FEW");
        let validity = world.get("/v1/codes/FEW/validity").await;
        assert_eq!(validity["reason"], "code_used_up");
    }

    async fn what_was_refused_as_used_up_stays_refused_and_a_new_claim_wins(world: World) {
        with_few(&world, 1).await;
        world.refer("FEW", "cus_1").await;
        for number in [2, 3] {
            let (invoice, customer) = (format!("in_{number}"), format!("cus_{number}"));
            world.expect("recorded", &invoice_paid_with_code(&invoice, &customer, 10_000, "FEW")).await;
            assert_eq!(world.commission(&invoice).await, ("none".to_owned(), "code_used_up".to_owned()));
        }
        let raised = world.change("/v1/codes/FEW", json!({ "max_uses": 3 })).await;
        assert_eq!((&raised["max_uses"], &raised["uses"]), (&json!(3), &json!(1)));
        world.expect("recorded", &invoice_paid("in_2b", "cus_2", 10_000)).await;
        assert_eq!(world.reason("in_2").await, "code_used_up");
        assert_eq!(world.reason("in_2b").await, "code_used_up");
        assert_eq!(world.uses("FEW").await, 1);
        // One says it again in an event, the other through the API.
        world.expect("posted", &invoice_paid_with_code("in_2c", "cus_2", 10_000, "FEW")).await;
        assert_eq!(world.post("/v1/referrals", json!({ "code": "FEW", "customer": "cus_3" })).await.0, 201);
        assert_eq!((world.uses("FEW").await, world.earned("anna").await), (3, 4_000));
        // Fewer than were given: those who have one keep it. No limit at all: anybody.
        let lowered = world.change("/v1/codes/FEW", json!({ "max_uses": 1 })).await;
        assert_eq!((&lowered["max_uses"], &lowered["uses"]), (&json!(1), &json!(3)));
        world.expect("posted", &invoice_paid("in_3b", "cus_3", 10_000)).await;
        world.expect("recorded", &invoice_paid_with_code("in_5", "cus_5", 10_000, "FEW")).await;
        let unlimited = world.change("/v1/codes/FEW", json!({ "max_uses": null })).await;
        assert_eq!(unlimited["max_uses"], json!(null));
        assert_eq!(world.reason("in_5").await, "code_used_up");
        world.refer("FEW", "cus_6").await;
        assert_eq!(world.uses("FEW").await, 4);
    }

    async fn what_was_refused_as_used_up_keeps_its_reason_when_the_program_ends(world: World) {
        with_few(&world, 1).await;
        world.refer("FEW", "cus_1").await;
        // Made by a clock that is ahead of ours: the version that ends the program counts for it, too.
        let claim = ago(customer("customer.updated", "cus_2", ""), -600);
        world.expect("recorded", &with(claim, "/data/object/metadata", json!({ "ref": "FEW" }))).await;
        world.expect("recorded", &invoice_paid("in_2", "cus_2", 10_000)).await;
        assert_eq!(world.reason("in_2").await, "code_used_up");
        world.cli_ok(&["program", "update", "default", "--active", "false"]);
        assert_eq!(world.reason("in_2").await, "code_used_up");
    }

    async fn a_code_made_with_fewer_uses_than_customers_waiting_makes_that_many(world: World) {
        world.program("default", "--rate 10").await;
        world.promoter("anna").await;
        for number in 0..6 {
            let (invoice, customer) = (format!("in_{number}"), format!("cus_{number}"));
            world.expect("recorded", &invoice_paid_with_code(&invoice, &customer, 10_000, "SOON")).await;
            world.expect("recorded", &checkout(&customer, json!({ "client_reference_id": "SOON" }))).await;
            assert_eq!(world.reason(&invoice).await, "unknown_code");
        }
        let new = json!({ "code": "SOON", "promoter": "anna", "program": "default", "max_uses": 2 });
        let (status, made) = world.post("/v1/codes", new).await;
        assert_eq!((status, &made["uses"], &made["max_uses"]), (201, &json!(2), &json!(2)), "{made}");
        assert_eq!((world.uses("SOON").await, world.earned("anna").await), (2, 2_000));
        let none = world.get("/v1/commissions?status=none").await;
        let none = none["data"].as_array().unwrap();
        assert!(none.len() == 4 && none.iter().all(|row| row["reason"] == "code_used_up"), "{none:?}");
        // Each second invoice finds what the first one found.
        for number in 0..6 {
            world.send(&invoice_paid(&format!("in_{number}b"), &format!("cus_{number}"), 10_000)).await;
        }
        assert_eq!((world.uses("SOON").await, world.earned("anna").await), (2, 4_000));
    }
}
