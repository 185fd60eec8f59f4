//! Whose a referral is when names turn out to be one customer, when an earlier claim arrives, and when an operator moves it;
//! through the front door, on both databases.

use crate::support::World;
use crate::support::api::{path_of, refusal};
use crate::support::events::*;
use crate::support::people::*;
use serde_json::{Value, json};

const DAY: i64 = 86_400;

/// `anna` at 10 % and held for 30 days, `bert` at 20 % and held for 10, `carl` at 5 % and not held.
async fn with_three(world: &World) {
    world.with_anna("10").await;
    world.program("twenty", "--rate 20 --hold-days 10").await;
    world.program("five", "--rate 5 --hold-days 0").await;
    world.with_promoter("bert", "twenty").await;
    world.with_promoter("carl", "five").await;
}

/// An invoice that names only the account of its customer.
fn of_account(invoice: &str, account: &str) -> Value {
    let event = with(invoice_paid(invoice, "", 10_000), "/data/object/customer", Value::Null);
    with(event, "/data/object/customer_account", json!(account))
}

/// An invoice that names the customer and its account.
fn of_both(invoice: &str, customer: &str, account: &str) -> Value {
    with(invoice_paid(invoice, customer, 10_000), "/data/object/customer_account", json!(account))
}

/// A sale of $100.00 to `cus_1`, half of the rest refunded, then disputed in part.
async fn sale_with_losses(world: &World) {
    world.send(&invoice_paid("in_1", "cus_1", 10_000)).await;
    world.send(&invoice_payment("in_1", "pi_1", 10_000)).await;
    world.send(&charge_refunded("pi_1", "cus_1", 10_000, 2_500)).await;
    world.send(&dispute("du_1", "pi_1", 1_000, "usd", "needs_response")).await;
}

/// What is posted about an invoice: (promoter, kind, amount, days until it is available), in order of posting.
async fn posted(world: &World, invoice: &str) -> Vec<(String, String, i64, i64)> {
    let row = world.get(&format!("/v1/commissions/{invoice}")).await;
    let paid_at = row["paid_at"].as_i64().unwrap();
    let promoters = world.cli_ok(&["promoter", "list", "--format", "json"]);
    let promoters: Value = serde_json::from_str(&promoters).unwrap();
    let name_of = |id: &Value| {
        let found = promoters.as_array().unwrap().iter().find(|row| row["promoter"] == *id);
        found.unwrap()["user_id"].as_str().unwrap().to_owned()
    };
    let told = |entry: &Value| {
        let days = (entry["available_at"].as_i64().unwrap() - paid_at) / DAY;
        let kind = entry["kind"].as_str().unwrap().to_owned();
        (name_of(&entry["promoter"]), kind, entry["amount"].as_i64().unwrap(), days)
    };
    row["entries"].as_array().unwrap().iter().map(told).collect()
}

/// Entries of one promoter, sorted.
fn of(entries: &[(String, String, i64, i64)], promoter: &str) -> Vec<(String, i64, i64)> {
    let mut of: Vec<_> = entries
        .iter()
        .filter(|entry| entry.0 == promoter)
        .map(|(_, kind, amount, days)| (kind.clone(), *amount, *days))
        .collect();
    of.sort();
    of
}

fn entry(kind: &str, amount: i64, days: i64) -> (String, i64, i64) {
    (kind.to_owned(), amount, days)
}

on_both_databases! {
    async fn an_account_is_its_customer_in_every_order(world: World) {
        world.with_anna("10").await;
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for (number, order) in orders.into_iter().enumerate() {
            for by_account in [false, true] {
                let id = |prefix: &str| format!("{prefix}_{number}_{by_account}");
                let (customer_id, account) = (id("cus"), id("acct"));
                for step in order {
                    match step {
                        0 => {
                            world.refer("ANNA", if by_account { &account } else { &customer_id }).await;
                        }
                        1 => {
                            world.send(&of_account(&id("in_a"), &account)).await;
                        }
                        _ => {
                            world.send(&of_both(&id("in_b"), &customer_id, &account)).await;
                        }
                    }
                }
                for invoice in ["in_a", "in_b"] {
                    assert_eq!(world.sums(&id(invoice)).await, (1_000, 0), "{invoice} {order:?} {by_account}");
                }
                // And from now on under either name.
                world.expect("posted", &of_account(&id("in_c"), &account)).await;
                world.expect("posted", &invoice_paid(&id("in_d"), &customer_id, 10_000)).await;
                let again = world.refer("ANNA", &account).await;
                let mut customers: Vec<_> =
                    again["customers"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                customers.sort_unstable();
                assert_eq!(customers, [account.as_str(), customer_id.as_str()]);
            }
        }
        assert_eq!((world.referrals().await.len(), world.uses("ANNA").await), (12, 12));
        // A checkout session, a discount and a subscription say it too.
        let account = json!("acct_x");
        world.send(&of_account("in_x", "acct_x")).await;
        world.refer("ANNA", "cus_x").await;
        world.expect("posted", &checkout("cus_x", json!({ "customer_account": account }))).await;
        assert_eq!(world.sums("in_x").await, (1_000, 0));
    }

    async fn an_account_of_a_user_s_customer_is_that_user_s_in_every_order(world: World) {
        world.with_anna("10").await;
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for (number, order) in orders.into_iter().chain(orders).enumerate() {
            let id = |prefix: &str| format!("{prefix}_{number}");
            let (customer_id, account, user) = (id("cus"), id("acct"), id("user"));
            for step in order {
                match step {
                    // The user is first alone and gets its customer later, or is named with it.
                    0 if number >= orders.len() => {
                        let body = json!({ "code": "ANNA", "user_id": user, "customer": customer_id });
                        assert_eq!(world.post_referral(&body).await.0, 201);
                    }
                    0 => {
                        let alone = json!({ "code": "ANNA", "user_id": user });
                        let path = path_of(&world.post_referral(&alone).await.1);
                        world.change(&path, json!({ "customer": customer_id })).await;
                    }
                    1 => {
                        world.send(&of_account(&id("in_a"), &account)).await;
                    }
                    _ => {
                        world.send(&of_both(&id("in_b"), &customer_id, &account)).await;
                    }
                }
            }
            world.send(&of_account(&id("in_c"), &account)).await;
            let mut sums = Vec::new();
            for invoice in ["in_a", "in_b", "in_c"] {
                sums.push(world.sums(&id(invoice)).await.0);
            }
            let referrer = world.get(&format!("/v1/users/{user}/referrer")).await;
            let got = (sums, &referrer["customers"]);
            assert_eq!(got, (vec![1_000; 3], &json!([account, customer_id])), "{number} {order:?}");
            let story = world.cli_ok(&["explain", &account]);
            assert!(story.contains(&format!("User {user} of the host has the Stripe customers")), "{story}");
            let stolen = json!({ "code": "ANNA", "user_id": "another", "customer": account });
            assert_eq!(refusal(&world.post_referral(&stolen).await), (409, "customer_of_another_user"));
            // The same claim of the account is no second referral.
            world.refer("ANNA", &account).await;
            assert_eq!(world.uses("ANNA").await, i64::try_from(number + 1).unwrap(), "{number} {order:?}");
        }
    }

    async fn two_referrals_of_one_customer_become_one(world: World) {
        with_three(&world).await;
        let later = path_of(&world.refer_ago("ANNA", "cus_1", 300).await);
        let earlier = path_of(&world.refer_ago("BERT", "acct_1", 600).await);
        world.send(&invoice_paid("in_1", "cus_1", 10_000)).await;
        world.send(&of_account("in_2", "acct_1")).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (1_000, 2_000));
        world.expect("posted", &of_both("in_3", "cus_1", "acct_1")).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 6_000));
        let (one, other) = (world.get(&later).await, world.get(&earlier).await);
        assert_eq!((&one["id"], &one["code"]), (&other["id"], &json!("BERT")), "both ids are found");
        assert_eq!(world.get("/v1/referrals").await["data"].as_array().unwrap().len(), 1);
        let known = [world.uses("ANNA").await, world.uses("BERT").await];
        assert_eq!(known, [1, 1], "uses are never given back");
    }

    async fn the_customers_of_one_user_share_a_referral_and_its_first_invoices(world: World) {
        world.program("two", "--rate 10 --invoices 2").await;
        world.with_promoter("anna", "two").await;
        let user = |customer: &str| json!({ "code": "ANNA", "user_id": "u1", "customer": customer });
        for (name, status) in [("cus_1", 201), ("cus_2", 200)] {
            assert_eq!(world.post_referral(&user(name)).await.0, status);
        }
        world.expect("posted", &ago(invoice_paid("in_1", "cus_1", 1_000), 100)).await;
        world.expect("posted", &ago(invoice_paid("in_2", "cus_2", 2_000), 90)).await;
        world.expect("recorded", &ago(invoice_paid("in_3", "cus_1", 3_000), 80)).await;
        let reason = async |invoice: &str| world.reason(invoice).await;
        assert_eq!(reason("in_3").await, "duration_over");
        // A late earlier invoice, of a customer that is added only now, moves both.
        world.expect("recorded", &ago(invoice_paid("in_0", "cus_3", 4_000), 95)).await;
        assert_eq!(reason("in_0").await, "not_referred");
        let path = path_of(&world.get("/v1/users/u1/referrer").await);
        let added = world.change(&path, json!({ "customer": "cus_3" })).await;
        assert_eq!(added["customers"], json!(["cus_1", "cus_2", "cus_3"]));
        assert_eq!((reason("in_0").await.as_str(), reason("in_1").await.as_str()), ("", ""));
        assert_eq!((reason("in_2").await, reason("in_3").await), ("duration_over".into(), "duration_over".into()));
        assert_eq!((world.earned("anna").await, world.uses("ANNA").await), (500, 1));
        // Saying it again changes nothing.
        let count = world.entries().await.len();
        world.change(&path, json!({ "customer": "cus_3", "user_id": "u1" })).await;
        assert_eq!((world.entries().await.len(), world.claims().await), (count, 2));
    }

    async fn a_customer_of_another_user_is_not_added(world: World) {
        with_three(&world).await;
        let first = json!({ "code": "ANNA", "user_id": "u1", "customer": "cus_1" });
        assert_eq!(world.post_referral(&first).await.0, 201);
        let second = world.post_referral(&json!({ "code": "BERT", "user_id": "u2" })).await.1;
        let lone = path_of(&world.refer("CARL", "cus_3").await);
        let path = path_of(&second);
        for (path, body) in [
            (&path, json!({ "customer": "cus_1" })),
            (&path, json!({ "customer": "cus_1", "user_id": "u2" })),
        ] {
            let taken = world.patch(path, body.clone()).await;
            assert_eq!(refusal(&taken), (409, "customer_of_another_user"), "{body}");
        }
        let stolen = world.post_referral(&json!({ "code": "BERT", "user_id": "u2", "customer": "cus_1" })).await;
        assert_eq!(refusal(&stolen), (409, "customer_of_another_user"));
        for (path, body) in [
            (&path, json!({ "customer": "cus_2", "user_id": "u9" })),
            (&path, json!({ "user_id": "u2" })),
            (&lone, json!({ "customer": "cus_2" })),
            (&path, json!({ "customer": "" })),
            (&path, json!({ "customer": "cus_2", "code": "ANNA" })),
            (&path, json!({ "customer": "cus_2", "claimed_at": 1 })),
        ] {
            assert_eq!(refusal(&world.patch(path, body.clone()).await), (422, "invalid_field"), "{body}");
        }
        let nobody = world.patch("/v1/referrals/ref_nobody", json!({ "customer": "cus_1" })).await;
        assert_eq!(refusal(&nobody), (404, "unknown_referral"));
        // The user of a lone customer is named later, and has more customers from then on.
        let named = world.change(&lone, json!({ "user_id": "u3" })).await;
        assert_eq!((&named["user_id"], &named["customers"]), (&json!("u3"), &json!(["cus_3"])));
        world.expect("recorded", &invoice_paid("in_4", "cus_4", 10_000)).await;
        world.change(&lone, json!({ "customer": "cus_4" })).await;
        assert_eq!((world.earned("carl").await, world.earned("anna").await), (500, 0));
    }

    async fn an_earlier_claim_that_arrives_late_posts_differences_on_both_sides(world: World) {
        with_three(&world).await;
        let path = path_of(&world.refer_ago("ANNA", "cus_1", 100).await);
        sale_with_losses(&world).await;
        let of_anna = [entry("commission", 1_000, 30), entry("dispute", -100, 30), entry("refund", -250, 30)];
        assert_eq!(of(&posted(&world, "in_1").await, "anna"), of_anna);
        let earlier = ago(checkout("cus_1", json!({ "client_reference_id": "BERT" })), 200);
        world.expect("posted", &earlier).await;
        let moved = world.get(&path).await;
        assert_eq!((&moved["code"], &moved["source"]), (&json!("BERT"), &json!("checkout_reference")));
        assert_eq!(moved["claimed_at"], earlier["created"]);
        let entries = posted(&world, "in_1").await;
        let mut taken_back = of_anna.to_vec();
        taken_back.extend(of_anna.iter().map(|(kind, amount, days)| (kind.clone(), -amount, *days)));
        taken_back.sort();
        assert_eq!(of(&entries, "anna"), taken_back, "at the former date");
        let of_bert = [entry("commission", 2_000, 10), entry("dispute", -200, 10), entry("refund", -500, 10)];
        assert_eq!(of(&entries, "bert"), of_bert);
        world.expect("posted", &dispute("du_1", "pi_1", 1_000, "usd", "won")).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_500));
    }

    async fn a_move_beats_every_claim_and_cancels_at_the_former_date(world: World) {
        with_three(&world).await;
        let made = world.refer_ago("ANNA", "cus_1", 1_000).await;
        let (path, claimed_at) = (path_of(&made), &made["claimed_at"]);
        sale_with_losses(&world).await;
        let moved = world.change(&path, json!({ "code": "BERT" })).await;
        assert_eq!((&moved["code"], &moved["source"], &moved["id"]), (&json!("BERT"), &json!("move"), &made["id"]));
        assert_eq!(&moved["claimed_at"], claimed_at, "it keeps the date");
        let entries = posted(&world, "in_1").await;
        let of_anna = of(&entries, "anna");
        assert_eq!(of_anna.len(), 6);
        assert!(of_anna.iter().all(|(_, _, days)| *days == 30), "{of_anna:?}");
        assert_eq!(of_anna.iter().map(|(_, amount, _)| amount).sum::<i64>(), 0);
        let of_bert = [entry("commission", 2_000, 10), entry("dispute", -200, 10), entry("refund", -500, 10)];
        assert_eq!(of(&entries, "bert"), of_bert);
        // Neither an earlier nor a later claim changes it, nor one of the same code.
        for ago_s in [5_000, 0] {
            assert_eq!(world.refer_ago("ANNA", "cus_1", ago_s).await["code"], "BERT");
        }
        world.expect("recorded", &ago(checkout("cus_1", json!({ "client_reference_id": "CARL" })), 9_000)).await;
        world.expect("posted", &invoice_paid("in_2", "cus_1", 1_000)).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_500));
        // A second move wins over the first, and in the same second too.
        for code in ["CARL", "ANNA", "CARL"] {
            assert_eq!(world.change(&path, json!({ "code": code })).await["code"], code);
        }
        let earned = [world.earned("anna").await, world.earned("bert").await, world.earned("carl").await];
        assert_eq!(earned, [0, 0, 375]);
        assert_eq!(world.get(&path).await["claimed_at"], *claimed_at);
    }

    async fn a_move_may_have_a_date_of_its_own(world: World) {
        with_three(&world).await;
        let made = world.refer_ago("ANNA", "cus_1", 10 * DAY).await;
        let path = path_of(&made);
        world.expect("posted", &ago(invoice_paid("in_1", "cus_1", 10_000), 5 * DAY)).await;
        world.expect("posted", &ago(invoice_paid("in_2", "cus_1", 10_000), 2 * DAY)).await;
        let at = created() - 3 * DAY;
        let moved = world.change(&path, json!({ "code": "BERT", "claimed_at": at })).await;
        assert_eq!(moved["claimed_at"], at);
        assert_eq!((world.reason("in_1").await, world.reason("in_2").await), ("before_referral".into(), String::new()));
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 2_000));
        // The next one keeps that date, until another is given.
        assert_eq!(world.change(&path, json!({ "code": "CARL" })).await["claimed_at"], at);
        let back = json!({ "code": "CARL", "claimed_at": created() - 20 * DAY });
        world.change(&path, back).await;
        assert_eq!((world.earned("bert").await, world.earned("carl").await), (0, 1_000));
    }

    async fn a_move_is_refused_where_it_breaks_a_rule(world: World) {
        with_three(&world).await;
        let path = path_of(&world.refer("ANNA", "cus_1").await);
        for (body, code, field) in [
            (json!({ "code": "NOBODY" }), "unknown_code", "code"),
            (json!({ "code": " " }), "invalid_field", "code"),
            (json!({ "code": "BERT", "claimed_at": created() + 3_600 }), "invalid_field", "claimed_at"),
            (json!({ "code": "BERT", "status": "released" }), "invalid_field", "one change"),
        ] {
            let answer = world.patch(&path, body.clone()).await;
            assert_eq!(refusal(&answer), (422, code), "{body}");
            assert!(answer.1["detail"].as_str().unwrap().contains(field), "{body}: {}", answer.1);
        }
        assert_eq!((world.get(&path).await["code"].as_str(), world.claims().await), (Some("ANNA"), 1));
        // Not judged: a code that is switched off, expired or used up takes a move.
        world.cli_ok(&["code", "create", "ONE", "--promoter", "bert", "--program", "twenty", "--max-uses", "1"]);
        world.refer("ONE", "cus_2").await;
        let past = created() - 100;
        world.change("/v1/codes/CARL", json!({ "status": "inactive", "expires_at": past })).await;
        for code in ["ONE", "CARL"] {
            assert_eq!(world.change(&path, json!({ "code": code })).await["code"], code);
        }
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!(world.earned("carl").await, 500);
        assert_eq!(world.change(&path, json!({ "code": "ANNA" })).await["code"], "ANNA");
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (1_000, 0));
    }

    async fn a_referral_moved_to_the_customer_itself_is_held(world: World) {
        with_three(&world).await;
        world.with_promoter_at("dora", "dora@example.com", "twenty").await;
        let path = path_of(&world.refer("ANNA", "cus_1").await);
        let sale = with(invoice_paid("in_1", "cus_1", 10_000), "/data/object/customer_email", json!("Dora@example.com"));
        world.expect("posted", &sale).await;
        assert_eq!(world.earned("anna").await, 1_000);
        assert_eq!(world.change(&path, json!({ "code": "DORA" })).await["status"], "held");
        assert_eq!((world.earned("anna").await, world.earned("dora").await), (0, 0));
        world.change(&path, json!({ "status": "released" })).await;
        assert_eq!((world.earned("anna").await, world.earned("dora").await), (0, 2_000));
    }
}
