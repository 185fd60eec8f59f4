//! What is said at once through two replicas ends as if it had been said one after the other; on both databases.

use crate::support::api::call;
use crate::support::events::*;
use crate::support::people::*;
use crate::support::{Daemon, World, post_event};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

const ROUNDS: usize = 12;

/// Calls of the API at once, each through the other daemon; their statuses, sorted.
async fn at_once(world: &World, replica: &Daemon, calls: &[(Method, String, Value)]) -> Vec<u16> {
    let calls = calls.iter().enumerate().map(|(number, (method, path, body))| {
        let daemon = if number % 2 == 0 { &world.daemon } else { replica };
        call(&world.client, daemon, method.clone(), path, Some(body))
    });
    let mut statuses: Vec<u16> = join_all(calls).await.into_iter().map(|(status, _)| status).collect();
    statuses.sort_unstable();
    statuses
}

/// An event through one daemon and a call of the API through the other, at once; both must be done.
async fn event_and_call(
    world: &World,
    replica: &Daemon,
    event: &Value,
    (method, path, body): (Method, &str, Value),
) {
    let told = post_event(&world.client, replica, event);
    let called = call(&world.client, &world.daemon, method, path, Some(&body));
    let ((told, _), (called, answer)) = tokio::join!(told, called);
    assert_eq!((told, called / 100), (200, 2), "{answer}");
}

on_both_databases! {
    async fn a_code_is_made_while_an_invoice_names_it(world: World) {
        world.with_anna("10").await;
        let replica = world.replica();
        for round in 0..ROUNDS {
            let (code, invoice) = (format!("NEW{round}"), format!("in_{round}"));
            let sale = invoice_paid_with_code(&invoice, &format!("cus_{round}"), 10_000, &code);
            let new = json!({ "code": code, "promoter": "anna", "program": "default", "max_uses": 1 });
            event_and_call(&world, &replica, &sale, (Method::POST, "/v1/codes", new)).await;
            assert_eq!((world.sums(&invoice).await, world.uses(&code).await), ((1_000, 0), 1), "round {round}");
        }
    }

    async fn a_code_gets_a_promotion_code_while_a_discount_names_it(world: World) {
        world.with_anna("10").await;
        let replica = world.replica();
        for round in 0..ROUNDS {
            let (promotion, customer_id) = (format!("promo_{round}"), format!("cus_{round}"));
            let invoice = format!("in_{round}");
            world.expect("recorded", &invoice_paid(&invoice, &customer_id, 10_000)).await;
            let change = json!({ "promotion_code": promotion });
            let told = discount(&customer_id, &promotion);
            event_and_call(&world, &replica, &told, (Method::PATCH, "/v1/codes/ANNA", change)).await;
            assert_eq!(world.sums(&invoice).await, (1_000, 0), "round {round}");
        }
        assert_eq!(world.uses("ANNA").await, 12);
    }

    async fn a_customer_is_referred_while_its_address_comes_out(world: World) {
        world.program("default", "--rate 10").await;
        world.with_promoter_at("anna", "anna@example.com", "default").await;
        let replica = world.replica();
        for round in 0..ROUNDS {
            let (customer_id, invoice) = (format!("cus_{round}"), format!("in_{round}"));
            world.expect("recorded", &invoice_paid(&invoice, &customer_id, 10_000)).await;
            let claim = json!({ "code": "ANNA", "customer": customer_id });
            let told = customer("customer.updated", &customer_id, "Anna@example.com");
            event_and_call(&world, &replica, &told, (Method::POST, "/v1/referrals", claim)).await;
            assert_eq!(world.reason(&invoice).await, "self_referral", "round {round}");
        }
        assert_eq!(world.earned("anna").await, 0);
    }

    async fn a_user_gets_a_customer_while_its_invoice_comes(world: World) {
        world.with_anna("10").await;
        let replica = world.replica();
        for round in 0..ROUNDS {
            let (customer_id, invoice) = (format!("cus_{round}"), format!("in_{round}"));
            let user = json!({ "code": "ANNA", "user_id": format!("u{round}") });
            let (_, referral) = world.post_referral(&user).await;
            let path = format!("/v1/referrals/{}", referral["id"].as_str().unwrap());
            let sale = with(invoice_paid(&invoice, &customer_id, 10_000), "/data/object/customer_account",
                json!(format!("acct_{round}")));
            event_and_call(&world, &replica, &sale, (Method::PATCH, &path, json!({ "customer": customer_id }))).await;
            assert_eq!(world.sums(&invoice).await, (1_000, 0), "round {round}");
            assert_eq!(world.get(&path).await["customers"].as_array().unwrap().len(), 2, "round {round}");
        }
        assert_eq!((world.referrals().await.len(), world.uses("ANNA").await), (12, 12));
    }

    async fn a_referral_is_moved_while_a_refund_comes(world: World) {
        world.with_anna("10").await;
        world.program("twenty", "--rate 20 --hold-days 3").await;
        world.with_promoter("bert", "twenty").await;
        let replica = world.replica();
        for round in 0..ROUNDS {
            let [customer_id, invoice, payment] = ["cus", "in", "pi"].map(|prefix| format!("{prefix}_{round}"));
            let referral = world.refer("ANNA", &customer_id).await;
            let path = format!("/v1/referrals/{}", referral["id"].as_str().unwrap());
            world.expect("posted", &invoice_paid(&invoice, &customer_id, 10_000)).await;
            world.expect("recorded", &invoice_payment(&invoice, &payment, 10_000)).await;
            let refunded = charge_refunded(&payment, &customer_id, 10_000, 5_000);
            event_and_call(&world, &replica, &refunded, (Method::PATCH, &path, json!({ "code": "BERT" }))).await;
            assert_eq!(world.sums(&invoice).await, (2_000, -1_000), "round {round}");
        }
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 12_000));
    }

    async fn of_two_who_want_the_same_one_gets_it(world: World) {
        world.program("default", "--rate 10").await;
        world.with_promoter_at("anna", "anna@example.com", "default").await;
        world.with_promoter("bert", "default").await;
        let replica = world.replica();
        for round in 0..ROUNDS {
            let new = |promoter: &str| {
                let body = json!({ "code": format!("C{round}"), "promoter": promoter, "program": "default" });
                (Method::POST, "/v1/codes".to_owned(), body)
            };
            assert_eq!(at_once(&world, &replica, &[new("anna"), new("bert")]).await, [201, 409], "a name");
            let carry = |code: &str| {
                let body = json!({ "promotion_code": format!("promo_{round}") });
                (Method::PATCH, format!("/v1/codes/{code}"), body)
            };
            assert_eq!(at_once(&world, &replica, &[carry("ANNA"), carry("BERT")]).await, [200, 409], "a promotion code");
            let customer_id = format!("cus_{round}");
            let bind = |user: &str| {
                let body = json!({ "code": "BERT", "customer": customer_id, "user_id": format!("{user}{round}") });
                (Method::POST, "/v1/referrals".to_owned(), body)
            };
            assert_eq!(at_once(&world, &replica, &[bind("u"), bind("v")]).await, [201, 409], "a customer");
            let lone = format!("cus_{round}_lone");
            let referral = world.refer("ANNA", &lone).await;
            world.send(&customer("customer.updated", &lone, "anna@example.com")).await;
            let path = format!("/v1/referrals/{}", referral["id"].as_str().unwrap());
            let rule = |verdict: &str| (Method::PATCH, path.clone(), json!({ "status": verdict }));
            assert_eq!(at_once(&world, &replica, &[rule("released"), rule("refused")]).await, [200, 200], "a review");
        }
        assert_eq!(world.get("/v1/referrals?limit=200").await["data"].as_array().unwrap().len(), 2 * ROUNDS);
    }

    async fn claims_of_a_crowd_for_one_customer_leave_the_earliest(world: World) {
        world.program("default", "--rate 10").await;
        for user in ["anna", "bert", "carl", "dora"] {
            world.with_promoter(user, "default").await;
        }
        let replica = world.replica();
        world.send(&invoice_paid("in_1", "cus_1", 10_000)).await;
        let claims: Vec<_> = (0..24)
            .map(|number| {
                let code = ["ANNA", "BERT", "CARL", "DORA"][number % 4];
                let claimed_at = created() - 100 - i64::try_from((number * 7) % 24).unwrap();
                let body = json!({ "code": code, "customer": "cus_1", "claimed_at": claimed_at });
                (Method::POST, "/v1/referrals".to_owned(), body)
            })
            .collect();
        let statuses = at_once(&world, &replica, &claims).await;
        assert!(statuses.iter().all(|status| [200, 201].contains(status)), "{statuses:?}");
        let earliest = claims.iter().min_by_key(|(_, _, body)| body["claimed_at"].as_i64()).unwrap();
        let referral = &world.get("/v1/referrals").await["data"][0];
        assert_eq!((&referral["code"], &referral["claimed_at"]), (&earliest.2["code"], &earliest.2["claimed_at"]));
        let winner = earliest.2["code"].as_str().unwrap().to_lowercase();
        for user in ["anna", "bert", "carl", "dora"] {
            assert_eq!(world.earned(user).await, if user == winner { 1_000 } else { 0 }, "{user}");
            assert!(world.uses(&user.to_uppercase()).await <= 1);
        }
    }
}
