//! What a hostile review found, and what it tried that held.

use crate::support::World;
use crate::support::events::*;
use crate::support::people::*;
use crate::support::{self, post_event, post_raw};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::{Value, json};

const T: i64 = 1_736_000_000;

/// `invoice.paid` at that time.
fn paid(invoice: &str, customer: &str, at: i64) -> Value {
    let event = invoice_paid(invoice, customer, 10_000);
    with(with(event, "/data/object/status_transitions/paid_at", json!(at)), "/created", json!(at))
}

/// A checkout session with a code in its metadata at that time.
fn told(customer: &str, code: &str, at: i64) -> Value {
    with(checkout(customer, json!({ "metadata": { "referral_code": code } })), "/created", json!(at))
}

async fn claimed(world: &World, code: &str, customer: &str, at: i64) {
    let (status, answer) =
        world.post_referral(&json!({ "code": code, "customer": customer, "claimed_at": at })).await;
    assert!(status == 200 || status == 201, "{answer}");
}

on_both_databases! {
    async fn a_code_made_late_gives_no_more_slots_than_there_are(world: World) {
        world.program("one", "--rate 10 --max-rewards-per-promoter 1").await;
        world.promoter("anna").await;
        for (customer, invoice, at) in [("cus_1", "in_1", T + 10), ("cus_2", "in_2", T + 20)] {
            world.expect("recorded", &told(customer, "LATE", T)).await;
            world.send(&paid(invoice, customer, at)).await;
        }
        world.code("LATE", "anna", "one").await;
        let earned = (world.sum("in_1", "commission").await, world.sum("in_2", "commission").await);
        assert_eq!(earned, (1_000, 0), "one slot, and in_1 was paid first");
    }

    async fn a_further_code_made_late_sees_the_slots_that_are_taken(world: World) {
        world.program("one", "--rate 10 --max-rewards-per-promoter 1").await;
        world.promoter("anna").await;
        world.code("ANNA", "anna", "one").await;
        claimed(&world, "ANNA", "cus_1", T).await;
        world.send(&paid("in_1", "cus_1", T + 10)).await;
        world.send(&told("cus_2", "LATE", T)).await;
        world.send(&paid("in_2", "cus_2", T + 20)).await;
        world.code("LATE", "anna", "one").await;
        assert_eq!(world.reason("in_2").await, "reward_exhausted");
    }

    async fn terms_that_begin_to_limit_rewards_count_at_once(world: World) {
        world.program("one", "--rate 10").await;
        world.cli_ok(&["program", "update", "one", "--active", "false"]);
        world.with_promoter("anna", "one").await;
        // Stripe's clock is ahead of ours.
        let soon = support::now().unix() + 120;
        for (customer, invoice, at) in [("cus_1", "in_1", soon + 10), ("cus_2", "in_2", soon + 20)] {
            world.send(&told(customer, "ANNA", soon)).await;
            world.send(&paid(invoice, customer, at)).await;
        }
        world.cli_ok(&["program", "update", "one", "--active", "true", "--max-rewards-per-promoter", "1"]);
        let earned = (world.sum("in_1", "commission").await, world.sum("in_2", "commission").await);
        assert_eq!(earned, (1_000, 0), "one slot, and in_1 was paid first");
    }

    async fn claims_that_wait_for_a_code_are_served_in_the_order_of_their_making(world: World) {
        world.program("default", "--rate 10").await;
        world.promoter("anna").await;
        world.send(&told("cus_a", "LATE", T + 10)).await;
        world.send(&told("cus_z", "LATE", T)).await;
        let new = json!({ "code": "LATE", "promoter": "anna", "program": "default", "max_uses": 1 });
        let (status, answer) = world.post("/v1/codes", new).await;
        assert_eq!(status, 201, "{answer}");
        world.send(&paid("in_a", "cus_a", T + 100)).await;
        world.send(&paid("in_z", "cus_z", T + 100)).await;
        assert_eq!((world.reason("in_z").await.as_str(), world.reason("in_a").await.as_str()), ("", "code_used_up"));
    }

    async fn names_of_any_letters_are_read_back_as_they_were_sent(world: World) {
        world.with_anna("10").await;
        for (number, odd) in [
            "quote\"s", "back\\slash", "\u{2028}\u{2029}", "{\"a\":1}", "[1]", "null", "0", "-0.0", "1e5", "\u{1F600}",
            "\u{fffd}\u{feff}\u{200b}", "a'; DROP TABLE event; --", "%s$1?1", "\u{10ffff}", "e\u{301}", "ANNA\u{212a}",
        ].into_iter().enumerate() {
            let (customer, invoice) = (format!("cus_{odd}"), format!("in_{odd}"));
            let (payment, at) = (format!("pi_{odd}"), support::now().unix());
            let (status, answer) = post_event(&world.client, &world.daemon, &told(&customer, "ANNA", at)).await;
            assert_eq!(status, 200, "{odd:?} {answer}");
            world.expect("posted", &paid(&invoice, &customer, at)).await;
            world.expect("recorded", &invoice_payment(&invoice, &payment, 10_000)).await;
            world.expect("posted", &refund("refund.created", &format!("re_{odd}"), &payment, 5_000, "succeeded")).await;
            world.expect("recorded", &refund("refund.updated", &format!("re_{odd}"), &payment, 5_000, "succeeded")).await;
            assert_eq!(world.entries().await.len(), 2 * (number + 1), "{odd:?}");
            assert_eq!(world.entries().await[2 * number].0, invoice);
        }
    }

    async fn numbers_and_times_at_their_ends_are_200(world: World) {
        world.program("months", "--rate 10 --months 3 --hold-days 3650 --max-rewards-per-promoter 2").await;
        world.with_promoter("anna", "months").await;
        let ends = [i64::MIN, i64::MIN + 1, -1, 0, 253_402_300_800, 9_007_199_254_740_993, i64::MAX - 1, i64::MAX];
        for (number, at) in ends.into_iter().enumerate() {
            for (other, paid_at) in ends.into_iter().enumerate() {
                let customer = format!("cus_{number}");
                let invoice = format!("in_{number}_{other}");
                for event in [told(&customer, "ANNA", at), paid(&invoice, &customer, paid_at)] {
                    let (status, answer) = post_event(&world.client, &world.daemon, &event).await;
                    assert_eq!(status, 200, "{at} {paid_at}: {answer}");
                }
            }
        }
        for amount in [999_999_999_999_999_i64, 1_000_000_000_000_000, i64::MAX, -1] {
            for field in ["amount_paid", "total", "total_excluding_tax", "tax"] {
                let event = with(paid(&fresh("in"), "cus_2", T), &format!("/data/object/{field}"), json!(amount));
                let (status, answer) = post_event(&world.client, &world.daemon, &event).await;
                assert_eq!(status, 200, "{field} {amount}: {answer}");
            }
        }
        // Facts of which each fits, and whose sum does not.
        let most = 999_999_999_999_999_i64;
        world.send(&invoice_payment("in_0_3", "pi_most", most)).await;
        let disputes: Vec<Value> =
            (0..40).map(|number| dispute(&format!("du_{number}"), "pi_most", most, "usd", "lost")).collect();
        let sent = disputes.iter().map(|event| post_event(&world.client, &world.daemon, event));
        assert!(join_all(sent).await.iter().all(|(status, _)| *status == 200));
    }

    async fn bodies_that_hardly_are_events_are_200(world: World) {
        world.with_anna("10").await;
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let long = "x".repeat(400_000);
        for body in [
            r#"{"object":"event","id":"evt_a","type":"invoice.paid\u0000","livemode":false,"created":1,"data":{"object":{}}}"#.to_owned(),
            r#"{"object":"event","id":"evt_b","type":"\ud800","livemode":false,"created":1,"data":{"object":{}}}"#.to_owned(),
            r#"{"object":"event","id":"evt_c","type":"invoice.paid","api_version":"\u0000","livemode":false,"created":1,"data":{"object":{"id":"in_\ud800"}}}"#.to_owned(),
            format!(r#"{{"object":"event","id":"evt_d","type":"invoice.paid","livemode":false,"created":1,"data":{{"object":{deep}}}}}"#),
            format!(r#"{{"object":"event","id":"evt_e","type":"{long}","livemode":false,"created":1,"data":{{"object":{{}}}}}}"#),
            format!(r#"{{"object":"event","id":"evt_f","type":"customer.updated","livemode":false,"created":1,"data":{{"object":{{"id":"cus_1","email":"{long}@x","metadata":{{"ref":"{long}","referral_code":"\u0000"}}}}}}}}"#),
            r#"{"object":"event","id":"evt_g","type":"customer.updated","livemode":false,"created":1e3,"data":{"object":{"id":"cus_1"}}}"#.to_owned(),
            r#"{"object":"event","id":"evt_h","id":"evt_i","type":"customer.updated","livemode":false,"created":1,"data":{"object":{"id":"cus_1"}}}"#.to_owned(),
            r#"{"object":"event","id":"evt_j","type":"customer.updated","livemode":false,"created":99999999999999999999,"data":{"object":{"id":"cus_1"}}}"#.to_owned(),
            r#"{"object":"event","id":"body_00","type":"customer.updated","livemode":false,"created":1,"data":{"object":{"id":"acct_1","customer_account":"cus_1"}}}"#.to_owned(),
            r#"{"object":"event","id":"evt_k","type":"customer.updated","livemode":false,"created":1,"data":{"object":{"id":"cus_1","customer_account":"acct_1","email":"\ud83d\ude00@x"}}}"#.to_owned(),
        ] {
            let answer = post_raw(&world.client, &world.daemon, body.as_bytes()).send().await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            assert!(status == 200 || status == 413, "{status} {text}: {}", &body[..body.len().min(300)]);
        }
    }

    async fn a_move_keeps_the_claimed_at_that_the_referral_has_then(world: World) {
        world.with_anna("10").await;
        world.with_promoter("bert", "default").await;
        let now = support::now().unix();
        let day = 86_400;
        claimed(&world, "ANNA", "cus_1", now - 10 * day).await;
        let id = world.referrals().await[0]["id"].as_str().unwrap().to_owned();
        // Somebody holds the ledger; an earlier claim waits for it, and then a move.
        let connection = world.connection().await;
        let holder = connection.begin().await.unwrap();
        holder.execute_unprepared("UPDATE ledger_head SET seq = seq WHERE id = 1").await.unwrap();
        let earlier = json!({ "code": "ANNA", "customer": "cus_1", "claimed_at": now - 30 * day });
        let claim = world.post_referral(&earlier);
        let moved = async {
            tokio::time::sleep(std::time::Duration::from_millis(400)).await;
            let (path, code) = (format!("/v1/referrals/{id}"), json!({ "code": "BERT" }));
            world.patch(&path, code).await
        };
        let release = async {
            tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
            holder.rollback().await.unwrap();
        };
        let (claim, moved, ()) = tokio::join!(claim, moved, release);
        assert_eq!((claim.0, moved.0), (201, 200), "{claim:?} {moved:?}");
        assert_eq!(moved.1["claimed_at"], json!(now - 30 * day), "{moved:?}");
    }

    async fn what_a_late_code_posts_names_the_claim_that_wins(world: World) {
        world.program("default", "--rate 10").await;
        world.promoter("anna").await;
        let mut later = told("cus_1", "LATE", T + 10);
        later["id"] = json!("evt_a");
        let mut first = told("cus_1", "LATE", T);
        first["id"] = json!("evt_b");
        world.send(&later).await;
        world.send(&first).await;
        world.send(&paid("in_1", "cus_1", T + 20)).await;
        world.code("LATE", "anna", "default").await;
        let cause = world.entries_of("in_1").await[0]["cause"].as_str().unwrap().to_owned();
        assert!(cause.starts_with("clm_evt_b_"), "{cause}");
    }

    async fn codes_of_any_case_are_one(world: World) {
        world.program("default", "--rate 10").await;
        world.promoter("anna").await;
        for code in ["Anna", "KELVIN"] {
            world.code(code, "anna", "default").await;
        }
        let spelt = ["ANNA", "anna", "aNNa", "kelvin", "\u{212a}elvin", "\u{212a}ELVIN"];
        for (number, code) in spelt.into_iter().enumerate() {
            world.refer(code, &format!("cus_{number}")).await;
            let new = json!({ "code": code, "promoter": "anna", "program": "default" });
            let taken = if code.is_ascii() { 409 } else { 422 };
            assert_eq!(world.post("/v1/codes", new).await.0, taken, "{code}");
            world.send(&told(&format!("cus_e{number}"), code, support::now().unix())).await;
        }
        assert_eq!(world.uses("aNNA").await, 6);
        assert_eq!(world.referrals().await.len(), 2 * spelt.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reward_slots_do_not_depend_on_the_collation_of_postgresql() {
    let cluster = support::postgres::cluster();
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let db = Database::connect(&cluster).await.unwrap();
    let options = "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";
    db.execute_unprepared(&format!("CREATE DATABASE {name} {options}")).await.unwrap();
    db.close().await.unwrap();
    let (base, _) = cluster.rsplit_once('/').unwrap();
    let world = World::at(format!("{base}/{name}"));
    world.program("one", "--rate 10 --max-rewards-per-promoter 1").await;
    world.with_promoter("anna", "one").await;
    for letter in ["Z", "a", "b", "c", "d", "e"] {
        claimed(&world, "ANNA", &format!("cus_{letter}"), T).await;
        world.send(&paid(&format!("in_{letter}"), &format!("cus_{letter}"), T + 10)).await;
    }
    assert_eq!(world.reason("in_Z").await, "", "of one second, the smallest id");
    assert_eq!(world.reason("in_a").await, "reward_exhausted");
    world.send(&paid("in_a2", "cus_a", T + 20)).await;
    assert_eq!(world.reason("in_a2").await, "reward_exhausted");
}

#[test]
fn ids_of_one_unit_of_work_are_all_different() {
    use referrald::domain::ledger::{Stamp, State, UnitOfWork};
    let mut unit = UnitOfWork::over(&State::default(), Stamp::default());
    let ids: std::collections::BTreeSet<String> = (0..70_000).map(|_| unit.new_id("ref")).collect();
    assert_eq!(ids.len(), 70_000);
}
