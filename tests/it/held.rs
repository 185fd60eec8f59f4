//! Self-referrals: what the API refuses, what comes out later, and what an operator says of it; through the front door, on
//! both databases.

use crate::support::World;
use crate::support::api::{path_of, refusal};
use crate::support::events::*;
use crate::support::people::*;
use serde_json::json;

/// What `anna` gave as her address, and what her customers write.
const GIVEN: &str = " Anna.Secret@Example.COM ";
const WRITTEN: &str = "anna.SECRET@example.com\t";

/// `anna`'s referral of `cus_1` with a sale, refunded by a quarter, that then turns out to be her own. Its path.
async fn held_referral(world: &World) -> String {
    world.with_anna_and_bert(GIVEN).await;
    let path = path_of(&world.refer_ago("ANNA", "cus_1", 60).await);
    world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
    world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
    world.expect("posted", &charge_refunded("pi_1", "cus_1", 10_000, 2_500)).await;
    assert_eq!(world.sums("in_1").await, (1_000, -250));
    world.expect("posted", &customer("customer.updated", "cus_1", WRITTEN)).await;
    assert_eq!(world.sums("in_1").await, (0, 0));
    path
}

on_both_databases! {
    async fn what_the_request_itself_shows_makes_no_claim(world: World) {
        world.with_anna_and_bert(GIVEN).await;
        for body in [
            json!({ "code": "ANNA", "user_id": "anna" }),
            json!({ "code": "ANNA", "user_id": " anna ", "customer": "cus_1" }),
            json!({ "code": "ANNA", "customer": "cus_1", "email": WRITTEN }),
            json!({ "code": "ANNA", "user_id": "u1", "email": GIVEN }),
        ] {
            let answer = world.post_referral(&body).await;
            assert_eq!(refusal(&answer), (422, "self_referral"), "{body}");
        }
        assert_eq!((world.claims().await, world.addresses().await), (0, 0));
        // The same words with another promoter's code are no self-referral; they are kept for later claims.
        let other = json!({ "code": "BERT", "customer": "cus_1", "email": WRITTEN });
        assert_eq!(world.post_referral(&other).await.0, 201);
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!(world.earned("bert").await, 1_000);
        let earlier = world.refer_ago("ANNA", "cus_1", 600).await;
        assert_eq!((&earlier["code"], &earlier["status"]), (&json!("ANNA"), &json!("held")));
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 0));
        assert_eq!(world.reason("in_1").await, "self_referral");
    }

    async fn whatever_comes_out_later_holds_the_referral(world: World) {
        world.program("default", "--rate 10").await;
        world.with_promoter("bert", "default").await;
        for (number, way) in
            ["invoice", "customer", "checkout", "prefilled", "created", "api_email", "api_user", "patch"].iter().enumerate()
        {
            let (user, customer_id) = (format!("promoter{number}"), format!("cus_{number}"));
            let email = format!("Promoter{number}@Example.com");
            world.with_promoter_at(&user, &format!(" {email} "), "default").await;
            let invoice = format!("in_{number}");
            let path = path_of(&world.refer_ago(&user.to_uppercase(), &customer_id, 60).await);
            world.expect("posted", &invoice_paid(&invoice, &customer_id, 10_000)).await;
            assert_eq!(world.get(&path).await["status"], "active");
            let written = format!("{}  ", email.to_uppercase());
            match *way {
                "invoice" => {
                    let second = invoice_paid(&format!("{invoice}b"), &customer_id, 5_000);
                    world.expect("posted", &with(second, "/data/object/customer_email", json!(written))).await;
                    assert_eq!(world.reason(&format!("{invoice}b")).await, "self_referral");
                }
                "customer" => world.expect("posted", &customer("customer.updated", &customer_id, &written)).await,
                "created" => world.expect("posted", &customer("customer.created", &customer_id, &written)).await,
                "checkout" => {
                    let details = json!({ "customer_details": { "email": written, "name": "A" } });
                    world.expect("posted", &checkout(&customer_id, details)).await;
                }
                "prefilled" => {
                    world.expect("posted", &checkout(&customer_id, json!({ "customer_email": written }))).await;
                }
                "api_email" => {
                    let body = json!({ "code": "BERT", "customer": customer_id, "email": written });
                    assert!(world.post_referral(&body).await.0 < 300);
                }
                "api_user" => {
                    let body = json!({ "code": "BERT", "customer": customer_id, "user_id": user });
                    assert_eq!(world.post_referral(&body).await.0, 200, "bert's claim loses");
                }
                _ => assert_eq!(world.change(&path, json!({ "user_id": user })).await["status"], "held"),
            }
            assert_eq!(world.get(&path).await["status"], "held", "{way}");
            assert_eq!(world.sums(&invoice).await, (0, 0), "{way}");
            let held = ("none".to_owned(), "self_referral".to_owned());
            assert_eq!(world.commission(&invoice).await, held, "{way}");
            // What comes while it is held earns nothing.
            world.expect("recorded", &invoice_paid(&format!("{invoice}c"), &customer_id, 700)).await;
            assert_eq!(world.reason(&format!("{invoice}c")).await, "self_referral", "{way}");
            assert_eq!(world.change(&path, json!({ "status": "released" })).await["status"], "active", "{way}");
            assert_eq!(world.sums(&invoice).await, (1_000, 0), "{way}");
            assert_eq!(world.sums(&format!("{invoice}c")).await, (70, 0), "{way}");
        }
        assert_eq!(world.earned("bert").await, 0);
    }

    async fn an_address_that_the_promoter_tells_later_holds_too(world: World) {
        world.program("default", "--rate 10").await;
        world.with_promoter("bert", "default").await;
        let path = path_of(&world.refer_ago("BERT", "cus_1", 60).await);
        // Two customers write an address that is nobody's yet; the one names a code that is nobody's yet.
        let own = |invoice: &str, customer: &str, code: &str| {
            let sale = invoice_paid_with_code(invoice, customer, 10_000, code);
            with(sale, "/data/object/customer_email", json!(WRITTEN))
        };
        world.expect("posted", &own("in_1", "cus_1", "BERT")).await;
        world.expect("recorded", &own("in_2", "cus_2", "ANNA")).await;
        world.with_promoter_at("anna", GIVEN, "default").await;
        assert_eq!(world.reason("in_2").await, "self_referral");
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_000));
        assert_eq!(world.change(&path, json!({ "code": "ANNA" })).await["status"], "held");
        assert_eq!(world.reason("in_1").await, "self_referral");
    }

    async fn released_brings_everything_back_exactly(world: World) {
        let path = held_referral(&world).await;
        let story = world.cli_ok(&["explain", "cus_1"]);
        assert!(story.contains("held"), "{story}");
        for _ in 0..2 {
            let released = world.change(&path, json!({ "status": "released" })).await;
            assert_eq!((&released["status"], &released["code"]), (&json!("refund"), &json!("ANNA")));
            assert_eq!(world.sums("in_1").await, (1_000, -250));
        }
        let entries = world.entries().await;
        assert_eq!(entries.len(), 6, "each was posted, taken back and posted again: {entries:?}");
        let mut dates: Vec<_> = world.entries_of("in_1").await.iter().map(|entry| entry["available_at"].clone()).collect();
        dates.dedup();
        assert_eq!(dates.len(), 1, "{dates:?}");
        for event in [
            customer("customer.updated", "cus_1", GIVEN),
            checkout("cus_1", json!({ "customer_details": { "email": GIVEN } })),
        ] {
            world.expect("recorded", &event).await;
        }
        let sale = with(invoice_paid("in_2", "cus_1", 10_000), "/data/object/customer_email", json!(GIVEN));
        world.expect("posted", &sale).await;
        let again = json!({ "code": "ANNA", "customer": "cus_1", "email": GIVEN });
        assert_eq!(world.post_referral(&again).await.0, 200);
        let user = json!({ "code": "ANNA", "customer": "cus_1", "user_id": "anna" });
        let by_user = world.post_referral(&user).await;
        assert_eq!(refusal(&by_user), (422, "self_referral"), "the release knew of the e-mail only");
        assert_eq!(world.earned("anna").await, 1_750);
    }

    async fn refused_removes_all_claims_and_the_next_one_counts(world: World) {
        let path = held_referral(&world).await;
        world.code("ANNA2", "anna", "default").await;
        world.expect("recorded", &checkout("cus_1", json!({ "client_reference_id": "ANNA2" }))).await;
        world.send(&invoice_paid_with_code("in_2", "cus_1", 2_000, "BERT")).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 0), "held is held");
        let refused = world.change(&path, json!({ "status": "refused" })).await;
        assert_eq!((&refused["code"], &refused["id"]), (&json!("BERT"), &json!(path.rsplit('/').next().unwrap())));
        assert_eq!((world.sums("in_1").await, world.sums("in_2").await), ((1_000, -250), (200, 0)));
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 950));
        // Whatever names that promoter, before or later, counts for nothing.
        for code in ["ANNA", "ANNA2"] {
            let early = json!({ "code": code, "customer": "cus_1", "claimed_at": created() - 5_000 });
            assert_eq!(refusal(&world.post_referral(&early).await), (422, "referral_refused"));
            world.send(&ago(checkout("cus_1", json!({ "client_reference_id": code })), 4_000)).await;
        }
        world.expect("posted", &invoice_paid_with_code("in_3", "cus_1", 10_000, "ANNA")).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_950));
        // A move beats what was refused before it, until it is refused again.
        let moved = world.change(&path, json!({ "code": "ANNA" })).await;
        assert_eq!((&moved["code"], &moved["status"]), (&json!("ANNA"), &json!("held")));
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 0));
        assert_eq!(world.change(&path, json!({ "status": "refused" })).await["code"], "BERT");
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_950));
        // Another customer of anna is another matter.
        world.refer("ANNA", "cus_2").await;
        world.expect("posted", &invoice_paid("in_4", "cus_2", 10_000)).await;
        assert_eq!(world.earned("anna").await, 1_000);
    }

    async fn refused_without_another_claim_leaves_nothing_until_one_comes(world: World) {
        let path = held_referral(&world).await;
        for _ in 0..2 {
            assert_eq!(world.change(&path, json!({ "status": "refused" })).await["status"], "refused");
            assert_eq!(world.commission("in_1").await, ("none".to_owned(), "refused".to_owned()));
        }
        let again = json!({ "code": "ANNA", "customer": "cus_1" });
        assert_eq!(refusal(&world.post_referral(&again).await), (422, "referral_refused"));
        world.expect("recorded", &invoice_paid_with_code("in_2", "cus_1", 10_000, "ANNA")).await;
        assert_eq!(world.reason("in_2").await, "refused");
        assert_eq!((world.entries().await.len(), world.earned("anna").await), (4, 0));
        // The refusal is of the customer under every name that it has later.
        let bound = json!({ "code": "BERT", "customer": "cus_1", "user_id": "u1" });
        let (status, referral) = world.post_referral(&bound).await;
        assert_eq!((status, &referral["status"]), (201, &json!("active")), "{referral}");
        assert_eq!(world.earned("bert").await, 750 + 1_000);
        let user = json!({ "code": "ANNA", "user_id": "u1" });
        assert_eq!(refusal(&world.post_referral(&user).await), (422, "referral_refused"));
        let second = json!({ "code": "ANNA", "user_id": "u1", "customer": "cus_9" });
        assert_eq!(refusal(&world.post_referral(&second).await), (422, "referral_refused"));
    }

    async fn an_e_mail_of_the_promoter_that_is_learnt_later_holds_the_referral(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let mut sale = invoice_paid("in_1", "cus_1", 10_000);
        sale["data"]["object"]["customer_email"] = json!("a.smith@example.net");
        world.expect("posted", &sale).await;
        world.expect("posted", &{
            world.refer("ANNA", "cus_2").await;
            invoice_paid("in_2", "cus_2", 10_000)
        }).await;
        let promoter = world.change("/v1/promoters/anna", json!({ "email": " A.Smith@example.net" })).await;
        assert_eq!(promoter["email"], "a.smith@example.net");
        assert_eq!((world.sum("in_1", "commission").await, world.sum("in_2", "commission").await), (0, 1_000));
        // A former address still counts.
        world.change("/v1/promoters/anna", json!({ "email": "anna@example.com" })).await;
        assert_eq!(world.sum("in_1", "commission").await, 0);
    }

    /// A client that got no answer sends again, and must not refuse the one who came next.
    async fn refused_said_twice_refuses_one_promoter(world: World) {
        let path = held_referral(&world).await;
        world.refer("BERT", "cus_1").await;
        for time in 1..=2 {
            let refused = world.change(&path, json!({ "status": "refused" })).await;
            assert_eq!((&refused["code"], &refused["status"]), (&json!("BERT"), &json!("refund")), "time {time}");
            assert_eq!(world.earned("bert").await, 750, "time {time}");
        }
    }

    async fn a_review_names_its_words(world: World) {
        let path = held_referral(&world).await;
        for (body, field) in [
            (json!({ "status": "active" }), "status"),
            (json!({ "status": 1 }), "status"),
            (json!({ "status": "released", "code": "BERT" }), "code"),
            (json!({ "status": "released", "claimed_at": 1 }), "claimed_at"),
            (json!({}), "status"),
            (json!({ "state": "released" }), "state"),
        ] {
            let (status, problem) = world.patch(&path, body.clone()).await;
            assert_eq!(status, 422, "{body}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains(field), "{body}: {problem}");
        }
        assert_eq!(world.get(&path).await["status"], "held");
        let nobody = world.patch("/v1/referrals/ref_nobody", json!({ "status": "released" })).await;
        assert_eq!(refusal(&nobody), (404, "unknown_referral"));
    }

    async fn addresses_stand_in_the_bodies_and_with_the_promoters_and_nowhere_else(world: World) {
        let path = held_referral(&world).await;
        let canary = "canary@example.com";
        world.post_referral(&json!({ "code": "ANNA", "customer": "cus_2", "email": "Canary@Example.com" })).await;
        world.send(&checkout("cus_2", json!({ "customer_details": { "email": canary } }))).await;
        let own = json!({ "code": "ANNA", "customer": "cus_3", "email": GIVEN });
        assert_eq!(world.post_referral(&own).await.0, 422);
        world.change(&path, json!({ "status": "released" })).await;
        // Bodies are kept compressed, so that not even they are found.
        let promoters = world.where_is("anna.secret@example.com").await;
        let kept: Vec<&str> = promoters.split(' ').collect();
        assert!(!kept.is_empty() && kept.iter().all(|column| column.starts_with("promoter")), "{promoters}");
        let customers = world.where_is(canary).await;
        assert!(["", "event_payload.zstd"].contains(&customers.as_str()), "{customers}");
        assert_ne!(world.addresses().await, 0, "a hash of each");
        let told = [["explain", "cus_1"], ["explain", "in_1"], ["explain", "anna"], ["promoter", "list"]];
        let told: String = told.iter().map(|command| world.cli_ok(command)).collect();
        let (log, answers) = (world.daemon.log(), world.get("/v1/referrals").await.to_string());
        for (place, text) in [("log", log), ("explain", told), ("API", answers)] {
            let text = text.to_lowercase();
            assert!(!text.contains("secret@") && !text.contains("canary@"), "{place}: {text}");
        }
    }
}
