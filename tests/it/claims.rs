//! What practitioners expect of claims: references of the host, existing customers, numbers of those who pay, moves after
//! refusals, people who refer themselves; on both databases.

use crate::support::World;
use crate::support::api::{path_of, refusal};
use crate::support::events::*;
use crate::support::people::*;
use serde_json::{Value, json};

const DAY: i64 = 86_400;
const ANNAS: &str = "anna@example.com";

async fn with_anna_and_bert(world: &World) {
    world.program("default", "--rate 10").await;
    world.program("twenty", "--rate 20").await;
    world.with_promoter_at("anna", ANNAS, "default").await;
    world.with_promoter("bert", "twenty").await;
}

/// A sale whose customer shows no e-mail.
fn sale(invoice: &str, customer: &str) -> Value {
    with(invoice_paid(invoice, customer, 10_000), "/data/object/customer_email", Value::Null)
}

/// The referral numbers of these customers; none is "-".
async fn numbers(world: &World, customers: &[&str]) -> String {
    let referrals = world.referrals().await;
    let number = |customer: &&str| {
        let names_it = |row: &&Value| row["customers"].as_array().unwrap().contains(&json!(customer));
        let referral = referrals.iter().find(names_it).unwrap();
        referral["referral_number"].as_u64().map_or("-".to_owned(), |number| number.to_string())
    };
    customers.iter().map(number).collect::<Vec<_>>().join(" ")
}

on_both_databases! {
    async fn a_reference_of_the_host_counts_only_for_a_code_that_was_made_by_then(world: World) {
        with_anna_and_bert(&world).await;
        world.expect("recorded", &ago(checkout("cus_1", json!({ "client_reference_id": "U77" })), 60)).await;
        world.expect("recorded", &sale("in_1", "cus_1")).await;
        assert_eq!(world.commission("in_1").await, ("none".to_owned(), "not_referred".to_owned()));
        assert_eq!(world.commissions().await, Vec::<Value>::new(), "no claim concerns it, so it has no row");
        assert!(world.cli_ok(&["explain", "cus_1"]).contains("a reference of the host"));
        // Whoever makes a code of that name now has not referred that customer.
        let new = |code: &str, made_at: Option<i64>| {
            json!({ "code": code, "promoter": "bert", "program": "twenty", "made_at": made_at })
        };
        assert_eq!(world.post("/v1/codes", new("u77", None)).await.0, 201);
        assert_eq!((world.reason("in_1").await, world.uses("U77").await), ("not_referred".to_owned(), 0));
        // A code that was in use elsewhere before is made with its own time.
        world.expect("recorded", &ago(checkout("cus_2", json!({ "client_reference_id": "OLD" })), 60)).await;
        world.expect("recorded", &sale("in_2", "cus_2")).await;
        let made = world.post("/v1/codes", new("OLD", Some(created() - 60 - 10))).await;
        assert_eq!((made.0, &made.1["made_at"]), (201, &json!(made.1["made_at"].as_i64().unwrap())), "{made:?}");
        assert_eq!((world.earned("bert").await, world.reason("in_2").await), (2_000, String::new()));
        for made_at in [created() + 3_600, -1] {
            let refused = world.post("/v1/codes", new("LATER", Some(made_at))).await;
            assert_eq!(refusal(&refused), (422, "invalid_field"), "{}", refused.1);
        }
        // The metadata beside it means a code in any case, and is told as unknown.
        let both = checkout("cus_3", json!({ "client_reference_id": "U79", "metadata": { "ref": "U80" } }));
        world.expect("recorded", &both).await;
        world.expect("recorded", &sale("in_3", "cus_3")).await;
        assert_eq!(world.reason("in_3").await, "unknown_code");
    }

    async fn references_of_the_host_stand_in_the_way_of_no_claim_that_waits_for_the_code_they_name(world: World) {
        with_anna_and_bert(&world).await;
        for seconds in 0..70 {
            let session = checkout("cus_1", json!({ "client_reference_id": "late" }));
            world.expect("recorded", &ago(session, 600 - seconds)).await;
        }
        let told = with(customer("customer.updated", "cus_1", ""), "/data/object/metadata", json!({ "ref": "LATE" }));
        world.expect("recorded", &ago(told, 60)).await;
        world.expect("recorded", &sale("in_1", "cus_1")).await;
        assert_eq!(world.reason("in_1").await, "unknown_code");
        let new = json!({ "code": "LATE", "promoter": "bert", "program": "twenty" });
        assert_eq!(world.post("/v1/codes", new).await.0, 201);
        assert_eq!(world.sums("in_1").await, (2_000, 0));
    }

    async fn an_invoice_that_nobody_concerns_answers_with_the_reason_and_has_no_row(world: World) {
        world.with_anna("10").await;
        world.send(&invoice_paid("in_1", "cus_1", 10_000)).await;
        world.send(&discount("cus_1", "promo_of_nobody")).await;
        let row = world.get("/v1/commissions/in_1").await;
        assert_eq!((&row["status"], &row["reason"], &row["amount"]), (&json!("none"), &json!("not_referred"), &json!(0)));
        assert_eq!(refusal(&world.try_get("/v1/commissions/in_2").await), (404, "unknown_invoice"));
        assert_eq!(world.commissions().await, Vec::<Value>::new());
        assert!(world.cli_ok(&["explain", "in_1"]).contains("(not_referred)"));
        world.refer("ANNA", "cus_1").await;
        assert_eq!((world.commissions().await.len(), world.earned("anna").await), (1, 1_000));
    }

    async fn signups_who_never_pay_move_nobody_into_another_tier(world: World) {
        for (key, tiers_by) in [("payers", ""), ("signups", " --tiers-by signups")] {
            world.program(key, &format!("--rate 10 --tiers 11:15{tiers_by}")).await;
            world.with_promoter(key, key).await;
            for number in 0..10 {
                world.refer(&key.to_uppercase(), &format!("cus_{key}{number}")).await;
            }
            let payer = format!("cus_{key}10");
            world.refer(&key.to_uppercase(), &payer).await;
            world.expect("posted", &sale(&format!("in_{key}"), &payer)).await;
        }
        assert_eq!((world.earned("payers").await, world.earned("signups").await), (1_000, 1_500));
        assert_eq!(numbers(&world, &["cus_payers0", "cus_payers10", "cus_signups0", "cus_signups10"]).await, "- 1 1 11");
    }

    async fn a_number_is_given_with_the_first_invoice_that_earns(world: World) {
        world.program("default", "--rate 10 --tiers 2:20 --min-invoice usd:5000").await;
        world.with_promoter_at("anna", ANNAS, "default").await;
        for customer in ["cus_1", "cus_2", "cus_3", "cus_4"] {
            world.refer_ago("ANNA", customer, 60).await;
        }
        // Too little, nothing, and a referral that is held: none of them earns.
        world.expect("recorded", &with(sale("in_1", "cus_1"), "/data/object/amount_paid", json!(4_999))).await;
        world.expect("recorded", &with(sale("in_2", "cus_2"), "/data/object/amount_paid", json!(0))).await;
        world.expect("recorded", &customer("customer.updated", "cus_3", ANNAS)).await;
        world.expect("recorded", &sale("in_3", "cus_3")).await;
        assert_eq!(numbers(&world, &["cus_1", "cus_2", "cus_3", "cus_4"]).await, "- - - -");
        world.expect("posted", &sale("in_4", "cus_4")).await;
        world.expect("posted", &sale("in_4b", "cus_4")).await;
        assert_eq!((world.sums("in_4").await, world.sums("in_4b").await), ((1_000, 0), (1_000, 0)));
        let held = world.get("/v1/referrals").await["data"].as_array().unwrap().clone();
        let held = held.iter().find(|row| row["status"] == "held").unwrap();
        world.change(&path_of(held), json!({ "status": "released" })).await;
        assert_eq!(world.sums("in_3").await, (2_000, 0), "the second who earns");
        // A refund gives no number back.
        world.send(&invoice_payment("in_4", "pi_4", 10_000)).await;
        world.send(&charge_refunded("pi_4", "cus_4", 10_000, 10_000)).await;
        world.expect("posted", &sale("in_1b", "cus_1")).await;
        assert_eq!(numbers(&world, &["cus_1", "cus_2", "cus_3", "cus_4"]).await, "3 - 2 1");
    }

    async fn customers_that_turn_out_to_be_one_keep_the_smallest_number(world: World) {
        world.program("default", "--rate 10 --tiers 2:20,3:30").await;
        world.with_promoter("anna", "default").await;
        for number in 1..=3 {
            let customer = format!("cus_{number}");
            world.refer_ago("ANNA", &customer, 60).await;
            world.expect("posted", &sale(&format!("in_{number}"), &customer)).await;
        }
        assert_eq!(world.earned("anna").await, 1_000 + 2_000 + 3_000);
        for customer in ["cus_2", "cus_3"] {
            let body = json!({ "code": "ANNA", "customer": customer, "user_id": "u1" });
            assert!(world.post_referral(&body).await.0 < 300);
        }
        assert_eq!(world.sums("in_3").await, (2_000, 0));
        assert_eq!(numbers(&world, &["cus_1", "cus_2"]).await, "1 2");
        // The third number was given: the next is the fourth.
        world.refer("ANNA", "cus_4").await;
        world.expect("posted", &sale("in_4", "cus_4")).await;
        assert_eq!((numbers(&world, &["cus_4"]).await, world.sums("in_4").await), ("4".to_owned(), (3_000, 0)));
    }

    async fn waiting_claims_are_served_by_when_they_were_made(world: World) {
        with_anna_and_bert(&world).await;
        // Each time the later of two claims arrives first, and last; at one moment the smaller customer is served.
        for (code, claims, served) in [
            ("L1", [("cus_a1", 50), ("cus_b1", 60)], "in_cus_b1"),
            ("L2", [("cus_b2", 60), ("cus_a2", 50)], "in_cus_b2"),
            ("L3", [("cus_b3", 50), ("cus_a3", 50)], "in_cus_a3"),
        ] {
            // Made at one moment, however long the first one takes to be sent.
            let sessions = claims.map(|(customer, seconds)| {
                (customer, ago(checkout(customer, json!({ "metadata": { "ref": code } })), seconds))
            });
            for (customer, session) in sessions {
                world.expect("recorded", &session).await;
                world.expect("recorded", &sale(&format!("in_{customer}"), customer)).await;
            }
            let new = json!({ "code": code, "promoter": "bert", "program": "twenty", "max_uses": 1 });
            assert_eq!(world.post("/v1/codes", new).await.0, 201);
            for (customer, _) in claims {
                let invoice = format!("in_{customer}");
                let expected = if invoice == served { "" } else { "code_used_up" };
                assert_eq!(world.reason(&invoice).await, expected, "{code}: {invoice}");
            }
        }
        assert_eq!(world.earned("bert").await, 3 * 2_000);
    }

    async fn who_gets_no_slot_when_a_late_code_is_made_gets_no_number(world: World) {
        world.program("default", "--rate 10 --tiers 2:20 --max-rewards-per-promoter 1").await;
        world.promoter("anna").await;
        // The first to claim is the last to pay: the one slot is the other's, who is the first that earns.
        for (customer, claimed, paid) in [("cus_a", 100, 50), ("cus_b", 90, 80), ("cus_c", 80, 60)] {
            let session = checkout(customer, json!({ "metadata": { "ref": "LATE" } }));
            world.expect("recorded", &ago(session, claimed)).await;
            world.expect("recorded", &ago(sale(&format!("in_{customer}"), customer), paid)).await;
        }
        world.code("LATE", "anna", "default").await;
        assert_eq!(numbers(&world, &["cus_a", "cus_b", "cus_c"]).await, "- 1 -");
        assert_eq!((world.sums("in_cus_b").await, world.entries().await.len()), ((1_000, 0), 1));
        for invoice in ["in_cus_a", "in_cus_c"] {
            assert_eq!(world.reason(invoice).await, "reward_exhausted");
        }
    }

    async fn what_was_paid_before_the_referral_counts_for_no_status(world: World) {
        world.with_anna("10").await;
        let referral = path_of(&world.refer("ANNA", "cus_1").await);
        world.expect("recorded", &ago(sale("in_0", "cus_1"), 2 * DAY)).await;
        assert_eq!(world.get(&referral).await["status"], "signup");
        world.send(&invoice_payment("in_0", "pi_0", 10_000)).await;
        world.send(&charge_refunded("pi_0", "cus_1", 10_000, 10_000)).await;
        assert_eq!(world.get(&referral).await["status"], "signup");
        assert_eq!(world.reason("in_0").await, "before_referral");
        world.expect("posted", &sale("in_1", "cus_1")).await;
        assert_eq!(world.get(&referral).await["status"], "active");
    }

    async fn a_subscription_that_has_ended_under_one_name_of_its_customer_has_ended(world: World) {
        world.with_anna("10").await;
        let referral = path_of(&world.refer("ANNA", "cus_1").await);
        world.expect("recorded", &subscription("deleted", "sub_1", "cus_1", "canceled")).await;
        let by_account = with(subscription("updated", "sub_1", "cus_1", "active"), "/data/object/customer", Value::Null);
        let by_account = with(by_account, "/data/object/customer_account", json!("acct_1"));
        world.expect("recorded", &by_account).await;
        let both = with(customer("customer.updated", "cus_1", "c@example.com"), "/data/object/customer_account", json!("acct_1"));
        world.expect("recorded", &both).await;
        assert_eq!(world.get(&referral).await["status"], "canceled");
    }

    async fn an_invoice_below_the_minimum_counts_as_paid_for_the_status(world: World) {
        world.program("default", "--rate 10 --min-invoice usd:20000").await;
        world.with_promoter("anna", "default").await;
        let referral = path_of(&world.refer("ANNA", "cus_1").await);
        world.expect("recorded", &sale("in_1", "cus_1")).await;
        assert_eq!((world.get(&referral).await["status"].as_str(), world.reason("in_1").await.as_str()),
            (Some("active"), "below_minimum"));
    }

    async fn only_what_the_request_itself_shows_is_refused_as_a_self_referral(world: World) {
        with_anna_and_bert(&world).await;
        let now = created();
        let of_bert = |customer: &str, user: &str| {
            json!({ "code": "BERT", "customer": customer, "user_id": user, "claimed_at": now - 5 })
        };
        let of_anna = |customer: &str| json!({ "code": "ANNA", "customer": customer, "claimed_at": now - 10 });
        // cus_1 is known to be anna herself before she is named as its promoter, cus_2 after; the same comes of both.
        for (customer, calls) in [
            ("cus_1", [of_bert("cus_1", "anna"), of_anna("cus_1")]),
            ("cus_2", [of_anna("cus_2"), of_bert("cus_2", "anna")]),
        ] {
            for call in calls {
                let answer = world.post_referral(&call).await;
                assert!(answer.0 == 201 || answer.0 == 200, "{customer} {call}: {answer:?}");
            }
            let invoice = customer.replace("cus", "in");
            world.expect("recorded", &sale(&invoice, customer)).await;
            assert_eq!(world.reason(&invoice).await, "self_referral", "{customer}");
        }
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 0));
        // What the request does show is refused and leaves nothing, the bond neither.
        let shown = json!({ "code": "ANNA", "customer": "cus_3", "user_id": "anna" });
        assert_eq!(refusal(&world.post_referral(&shown).await), (422, "self_referral"));
        let by_email = json!({ "code": "ANNA", "customer": "cus_3", "email": "ANNA+x@example.com" });
        assert_eq!(refusal(&world.post_referral(&by_email).await), (422, "self_referral"));
        let other = json!({ "code": "ANNA", "customer": "cus_3", "user_id": "somebody" });
        assert_eq!(world.post_referral(&other).await.0, 201);
        world.expect("posted", &sale("in_3", "cus_3")).await;
    }

    async fn a_move_beats_what_was_refused_before_it_and_not_what_is_refused_later(world: World) {
        with_anna_and_bert(&world).await;
        let path = path_of(&world.refer_ago("ANNA", "cus_1", 60).await);
        world.expect("posted", &sale("in_1", "cus_1")).await;
        world.expect("posted", &customer("customer.updated", "cus_1", ANNAS)).await;
        let earned = async || (world.earned("anna").await, world.earned("bert").await);
        assert_eq!((world.change(&path, json!({ "status": "refused" })).await["status"].as_str(), earned().await),
            (Some("refused"), (0, 0)));
        // Moved to bert, then to anna after all: it is held, since she still looks like her own customer.
        assert_eq!(world.change(&path, json!({ "code": "BERT" })).await["code"], "BERT");
        assert_eq!(earned().await, (0, 2_000));
        let moved = world.change(&path, json!({ "code": "ANNA", "claimed_at": created() - 60 })).await;
        assert_eq!((&moved["code"], &moved["status"]), (&json!("ANNA"), &json!("held")));
        world.change(&path, json!({ "status": "released" })).await;
        assert_eq!(earned().await, (1_000, 0));
        // Refused since: the move before it holds.
        let refused = world.change(&path, json!({ "status": "refused" })).await;
        assert_eq!((refused["code"].as_str(), earned().await), (Some("BERT"), (0, 2_000)));
    }

    async fn a_move_of_a_customer_without_a_referral_is_a_claim_of_now(world: World) {
        with_anna_and_bert(&world).await;
        let path = path_of(&world.refer_ago("ANNA", "cus_1", 10 * DAY).await);
        world.expect("posted", &ago(sale("in_1", "cus_1"), 5 * DAY)).await;
        world.expect("posted", &customer("customer.updated", "cus_1", ANNAS)).await;
        world.change(&path, json!({ "status": "refused" })).await;
        let before = created();
        let moved = world.change(&path, json!({ "code": "BERT" })).await;
        assert!(moved["claimed_at"].as_i64().unwrap() >= before, "{moved}");
        assert_eq!(world.reason("in_1").await, "before_referral");
        let back = world.change(&path, json!({ "code": "BERT", "claimed_at": before - 10 * DAY })).await;
        assert_eq!(back["claimed_at"], before - 10 * DAY);
        assert_eq!(world.earned("bert").await, 2_000);
    }

    async fn of_several_refused_claims_the_smallest_tells_the_reason(world: World) {
        with_anna_and_bert(&world).await;
        world.change("/v1/codes/BERT", json!({ "status": "inactive" })).await;
        let coded = |code: &str, seconds| ago(checkout("cus_1", json!({ "metadata": { "ref": code } })), seconds);
        world.expect("recorded", &sale("in_1", "cus_1")).await;
        world.expect("recorded", &coded("NEVER", 0)).await;
        assert_eq!(world.reason("in_1").await, "unknown_code");
        world.cli_ok(&["program", "create", "closed", "--rate", "10", "--now", "2020-01-01T00:00:00Z"]);
        world.cli_ok(&["program", "update", "closed", "--active", "false", "--now", "2020-01-02T00:00:00Z"]);
        world.code("SHUT", "bert", "closed").await;
        world.expect("recorded", &coded("SHUT", 60)).await;
        assert_eq!(world.reason("in_1").await, "program_inactive");
        world.expect("recorded", &coded("NOBODY", 120)).await;
        assert_eq!(world.reason("in_1").await, "unknown_code");
        // What is no reason stands in the way of none.
        world.expect("recorded", &ago(checkout("cus_1", json!({ "client_reference_id": "u-1" })), 600)).await;
        assert_eq!(world.reason("in_1").await, "unknown_code");
    }

    async fn who_paid_before_is_no_new_customer_and_keeps_nothing_that_was_posted(world: World) {
        world.program("new", "--rate 10 --new-customers-only").await;
        world.with_promoter("anna", "new").await;
        world.refer("ANNA", "cus_1").await;
        world.expect("posted", &sale("in_1", "cus_1")).await;
        assert_eq!(world.earned("anna").await, 1_000);
        // An invoice within the lookback is the referral's own; one of before it, told late, takes everything back.
        world.expect("posted", &ago(sale("in_0", "cus_1"), 3_600)).await;
        assert_eq!(world.earned("anna").await, 2_000);
        world.expect("posted", &ago(sale("in_old", "cus_1"), 300 * DAY)).await;
        assert_eq!((world.earned("anna").await, world.reason("in_1").await.as_str()), (0, "existing_customer"));
        assert_eq!((world.reason("in_0").await.as_str(), world.reason("in_old").await.as_str()),
            ("existing_customer", "before_referral"));
        assert!(world.cli_ok(&["explain", "in_1"]).contains("(existing_customer)"));
    }
}
