//! Statuses of referrals and commissions and every reason, as the API shows them; through the front door, on both databases.

use crate::support::World;
use crate::support::api::{path_of, refusal};
use crate::support::events::*;
use crate::support::people::*;
use serde_json::{Value, json};

const DAY: i64 = 86_400;

async fn status(world: &World, path: &str) -> String {
    world.get(path).await["status"].as_str().unwrap().to_owned()
}

/// An invoice of no subscription, so that only the events about subscriptions tell of them.
fn sale(invoice: &str, customer: &str, amount: i64) -> Value {
    with(invoice_paid(invoice, customer, amount), "/data/object/parent", Value::Null)
}

/// The invoices of a list, in its order.
async fn invoices(world: &World, query: &str) -> String {
    let page = world.get(&format!("/v1/commissions?{query}")).await;
    let rows = page["data"].as_array().unwrap();
    rows.iter().map(|row| row["invoice"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
}

on_both_databases! {
    async fn a_referral_goes_from_signup_to_active_to_refund_and_back(world: World) {
        world.with_anna("10").await;
        let path = path_of(&world.refer("ANNA", "cus_1").await);
        assert_eq!(status(&world, &path).await, "signup");
        world.expect("recorded", &sale("in_0", "cus_1", 0)).await;
        assert_eq!(status(&world, &path).await, "signup", "nothing was paid");
        world.expect("posted", &ago(sale("in_1", "cus_1", 10_000), 60)).await;
        assert_eq!(status(&world, &path).await, "active");
        world.expect("recorded", &ago(invoice_payment("in_1", "pi_1", 10_000), 60)).await;
        world.expect("recorded", &refund("refund.created", "re_1", "pi_1", 1, "pending")).await;
        assert_eq!(status(&world, &path).await, "refund", "a loss of the latest paid invoice, however small");
        let loss = |refunds, disputes| {
            json!({ "invoice": "in_1", "currency": "usd", "amount_paid": 10_000, "refunds": refunds, "disputes": disputes })
        };
        assert_eq!(world.get(&path).await["loss"], loss(1, 0));
        world.expect("recorded", &refund("refund.failed", "re_1", "pi_1", 1, "failed")).await;
        assert_eq!(status(&world, &path).await, "active");
        world.expect("posted", &dispute("du_1", "pi_1", 10_000, "usd", "lost")).await;
        assert_eq!(status(&world, &path).await, "refund");
        assert_eq!(world.get(&path).await["loss"], loss(0, 10_000));
        let told = world.cli_ok(&["referral", "show", path.rsplit('/').next().unwrap()]);
        let expected = "refunds took 0.00 USD and disputes 100.00 USD of the 100.00 USD paid for in_1";
        assert!(told.contains(expected), "{told}");
        world.expect("posted", &sale("in_2", "cus_1", 10_000)).await;
        assert_eq!(status(&world, &path).await, "active", "the latest one has no loss");
        assert_eq!(world.get(&path).await["loss"], Value::Null);
        let late = ago(sale("in_3", "cus_1", 10_000), 30);
        world.expect("posted", &late).await;
        world.send(&invoice_payment("in_3", "pi_3", 10_000)).await;
        world.send(&charge_refunded("pi_3", "cus_1", 10_000, 10_000)).await;
        assert_eq!(status(&world, &path).await, "active", "the latest by date, not by arrival");
    }

    async fn a_referral_is_canceled_when_all_its_subscriptions_have_ended(world: World) {
        world.with_anna("10").await;
        for (number, customer_id) in ["cus_1", "cus_2", "cus_3", "cus_4"].iter().enumerate() {
            let referral = world.refer("ANNA", customer_id).await;
            let path = path_of(&referral);
            let subscription = |kind: &str, name: &str, status: &str| {
                subscription(kind, &format!("sub_{number}_{name}"), customer_id, status)
            };
            match number {
                // One that ends and stays ended, whatever is told later.
                0 => {
                    world.send(&sale("in_0", customer_id, 10_000)).await;
                    world.send(&subscription("created", "a", "active")).await;
                    assert_eq!(status(&world, &path).await, "active");
                    world.expect("recorded", &subscription("deleted", "a", "canceled")).await;
                    assert_eq!(status(&world, &path).await, "canceled");
                    world.expect("recorded", &subscription("updated", "a", "active")).await;
                    assert_eq!(status(&world, &path).await, "canceled");
                }
                // Two, of which one is alive.
                1 => {
                    world.send(&subscription("created", "a", "active")).await;
                    world.send(&subscription("created", "b", "trialing")).await;
                    world.send(&subscription("deleted", "a", "canceled")).await;
                    assert_eq!(status(&world, &path).await, "signup");
                    world.send(&subscription("updated", "b", "canceled")).await;
                    assert_eq!(status(&world, &path).await, "canceled");
                }
                // Never begun.
                2 => {
                    world.send(&subscription("updated", "a", "incomplete_expired")).await;
                    assert_eq!(status(&world, &path).await, "canceled");
                }
                // The end comes first, the invoice of the same subscription later; then one of another subscription.
                _ => {
                    world.send(&subscription("deleted", "a", "active")).await;
                    let place = "/data/object/parent/subscription_details/subscription";
                    let of = |invoice: &str, name: &str| {
                        with(invoice_paid(invoice, customer_id, 10_000), place, json!(format!("sub_{number}_{name}")))
                    };
                    world.expect("posted", &of("in_3a", "a")).await;
                    assert_eq!(status(&world, &path).await, "canceled");
                    world.expect("posted", &of("in_3b", "b")).await;
                    assert_eq!(status(&world, &path).await, "active", "the invoice tells of one that is alive");
                }
            }
        }
        assert_eq!(world.earned("anna").await, 3_000, "a status takes nothing");
    }

    async fn held_and_refused_come_before_all_other_words(world: World) {
        world.program("default", "--rate 10").await;
        world.with_promoter_at("anna", "anna@example.com", "default").await;
        let path = path_of(&world.refer("ANNA", "cus_1").await);
        world.send(&sale("in_1", "cus_1", 10_000)).await;
        world.send(&invoice_payment("in_1", "pi_1", 10_000)).await;
        world.send(&charge_refunded("pi_1", "cus_1", 10_000, 10_000)).await;
        world.send(&subscription("deleted", "sub_1", "cus_1", "canceled")).await;
        assert_eq!(status(&world, &path).await, "canceled", "before refund");
        world.send(&customer("customer.updated", "cus_1", "anna@example.com")).await;
        assert_eq!(status(&world, &path).await, "held");
        assert_eq!(world.change(&path, json!({ "status": "refused" })).await["status"], "refused");
        let listed = world.get("/v1/referrals").await;
        assert_eq!((&listed["data"][0]["status"], &listed["has_more"]), (&json!("refused"), &json!(false)));
    }

    async fn the_status_of_a_commission_is_the_first_that_fits(world: World) {
        world.with_anna("10").await;
        world.program("now", "--rate 20 --hold-days 0").await;
        world.with_promoter("bert", "now").await;
        world.refer_ago("ANNA", "cus_1", 40 * DAY).await;
        world.refer_ago("BERT", "cus_2", 40 * DAY).await;
        for (invoice, customer_id, days) in [
            ("in_available", "cus_1", 31), ("in_bert", "cus_2", 0), ("in_disputed", "cus_1", 31), ("in_pending", "cus_1", 29),
            ("in_refunded", "cus_1", 31), ("in_part", "cus_1", 0), ("in_lost", "cus_1", 0),
        ] {
            let payment = invoice.replacen("in_", "pi_", 1);
            world.expect("posted", &ago(sale(invoice, customer_id, 10_000), days * DAY)).await;
            world.expect("recorded", &invoice_payment(invoice, &payment, 10_000)).await;
        }
        world.expect("recorded", &invoice_paid_with_code("in_none", "cus_9", 10_000, "NEVER")).await;
        world.send(&charge_refunded("pi_refunded", "cus_1", 10_000, 10_000)).await;
        world.send(&charge_refunded("pi_part", "cus_1", 10_000, 9_999)).await;
        for (name, status) in
            [("disputed", "needs_response"), ("lost", "lost"), ("pending", "warning_under_review")]
        {
            world.send(&dispute(&format!("du_{name}"), &format!("pi_{name}"), 10_000, "usd", status)).await;
        }
        // 9 999 of 10 000 leave 0.1 of a cent of the commission of in_part, which is none.
        for (invoice, expected, net) in [
            ("in_available", "available", 1_000), ("in_bert", "available", 2_000), ("in_disputed", "disputed", 0),
            ("in_pending", "pending", 1_000), ("in_refunded", "refunded", 0), ("in_part", "refunded", 0),
            ("in_lost", "lost", 0), ("in_none", "none", 0),
        ] {
            let row = world.get(&format!("/v1/commissions/{invoice}")).await;
            assert_eq!((row["status"].as_str(), row["net"].as_i64()), (Some(expected), Some(net)), "{invoice}: {row}");
            let sum: i64 =
                row["entries"].as_array().unwrap().iter().map(|entry| entry["amount"].as_i64().unwrap()).sum();
            assert_eq!(sum, net, "{invoice}");
            let parts = ["amount", "refund", "dispute"].map(|field| row[field].as_i64().unwrap());
            assert_eq!(parts.iter().sum::<i64>(), net, "{invoice}");
        }
        for (query, expected) in [
            ("status=available", "in_available in_bert"),
            ("status=pending", "in_pending"),
            ("status=none", "in_none"),
            ("status=available&program=now", "in_bert"),
            ("status=available&program=default", "in_available"),
            ("invoice=in_lost", "in_lost"),
            ("invoice=in_lost&status=pending", ""),
        ] {
            assert_eq!(invoices(&world, query).await, expected, "{query}");
        }
        let bert = world.get("/v1/commissions/in_bert").await;
        assert_eq!(invoices(&world, &format!("promoter={}", bert["promoter"].as_str().unwrap())).await, "in_bert");
        assert_eq!((&bert["base"], &bert["rate_bps"], &bert["program"]), (&json!(10_000), &json!(2_000), &json!("now")));
        assert_eq!((&bert["currency"], &bert["customer"]), (&json!("usd"), &json!("cus_2")));
        // Pages follow each other and hold everything once.
        let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
        loop {
            let page = world.get(&format!("/v1/commissions?{query}")).await;
            seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["invoice"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            query = format!("limit=2&cursor={next}");
        }
        assert!(seen.len() == 8 && seen.is_sorted(), "{seen:?}");
        let unknown = world.try_get("/v1/commissions?status=paied").await;
        assert_eq!(refusal(&unknown).0, 400);
        assert!(unknown.1["detail"].as_str().unwrap().contains("status"));
    }

    async fn every_reason_is_a_word_of_the_api(world: World) {
        world.with_anna("10").await;
        let made = async |key: &str, terms: &str| {
            world.program(key, terms).await;
            world.with_promoter(key, key).await;
        };
        made("flat", "--flat 500 --currency usd").await;
        made("once", "--rate 10 --one-time").await;
        made("top", "--rate 10 --max-rewards-per-promoter 1").await;
        made("quick", "--rate 10 --conversion-window-days 1").await;
        made("large", "--rate 10 --min-invoice 5000 --currency usd").await;
        made("closed", "--rate 10").await;
        world.cli_ok(&["program", "update", "closed", "--active", "false"]);
        world.with_promoter_at("self", "self@example.com", "default").await;
        for (code, limit) in [("OFF", json!({ "status": "inactive" })), ("OLD", json!({ "expires_at": 1_000 })),
            ("USED", json!({ "max_uses": 1 }))]
        {
            let mut new = json!({ "code": code, "promoter": "anna", "program": "default" });
            new.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
            assert_eq!(world.post("/v1/codes", new).await.0, 201);
        }
        world.refer("USED", "cus_used").await;
        let refused = path_of(&world.refer("ANNA", "cus_refused").await);
        world.change("/v1/promoters/anna", json!({ "email": "anna@example.com" })).await;
        world.send(&customer("customer.updated", "cus_refused", "anna@example.com")).await;
        world.change(&refused, json!({ "status": "refused" })).await;
        for (code, customer_id, days) in [("ANNA", "cus_anna", 0), ("FLAT", "cus_flat", 0), ("ONCE", "cus_once", 0),
            ("TOP", "cus_top", 0), ("TOP", "cus_top2", 0), ("QUICK", "cus_quick", 5), ("LARGE", "cus_large", 0),
            ("SELF", "cus_self", 0)]
        {
            world.refer_ago(code, customer_id, days * DAY).await;
        }
        world.send(&sale("in_first", "cus_once", 10_000)).await;
        world.send(&sale("in_top", "cus_top", 10_000)).await;
        let coded = |code: &str| invoice_paid_with_code(&format!("in_{code}"), &format!("cus_{code}"), 10_000, code);
        let own = with(sale("in_self", "cus_self", 10_000), "/data/object/customer_email", json!("self@example.com"));
        let yen = with(sale("in_flat", "cus_flat", 10_000), "/data/object/currency", json!("jpy"));
        for (reason, event) in [
            ("not_referred", sale("in_nobody", "cus_nobody", 10_000)),
            ("unknown_code", coded("NEVER")),
            ("code_inactive", coded("OFF")),
            ("code_expired", coded("OLD")),
            ("code_used_up", coded("USED")),
            ("program_inactive", coded("CLOSED")),
            ("refused", sale("in_refused", "cus_refused", 10_000)),
            ("zero_amount", sale("in_zero", "cus_anna", 0)),
            ("before_referral", ago(sale("in_before", "cus_anna", 10_000), 3 * DAY)),
            ("below_minimum", sale("in_small", "cus_large", 4_999)),
            ("reward_exhausted", with(sale("in_top2", "cus_top2", 10_000),
                "/data/object/status_transitions/paid_at", json!(created() + 60))),
            ("conversion_window", sale("in_quick", "cus_quick", 10_000)),
            ("duration_over", with(sale("in_second", "cus_once", 10_000),
                "/data/object/status_transitions/paid_at", json!(created() + 60))),
            ("currency_mismatch", yen),
            ("self_referral", own),
        ] {
            world.expect("recorded", &event).await;
            let invoice = event["data"]["object"]["id"].as_str().unwrap();
            assert_eq!(world.commission(invoice).await, ("none".to_owned(), reason.to_owned()));
            let story = world.cli_ok(&["explain", invoice]);
            assert!(story.contains(&format!("({reason})")), "{reason}: {story}");
        }
        assert_eq!(world.get("/v1/commissions?status=none&limit=200").await["data"].as_array().unwrap().len(), 14);
        assert_eq!(world.entries().await.len(), 2);
    }

    async fn the_referrer_of_a_user_and_what_is_not_found(world: World) {
        world.with_anna("10").await;
        let body = json!({ "code": "ANNA", "user_id": "user 1/ä", "customer": "cus_1", "invitation_method": "mail" });
        let (_, made) = world.post_referral(&body).await;
        let found = world.get("/v1/users/user%201%2F%C3%A4/referrer").await;
        assert_eq!(found, world.get(&path_of(&made)).await);
        assert_eq!((&found["code"], &found["user_id"]), (&json!("ANNA"), &json!("user 1/ä")));
        assert_eq!((&found["customers"], &found["referral_number"]), (&json!(["cus_1"]), &Value::Null));
        assert_eq!((&found["source"], &found["status"]), (&json!("api"), &json!("signup")));
        for (path, code) in [
            ("/v1/users/nobody/referrer", "unknown_referral"),
            ("/v1/users/anna/referrer", "unknown_referral"),
            ("/v1/referrals/ref_nobody", "unknown_referral"),
            ("/v1/commissions/in_nothing", "unknown_invoice"),
            ("/v1/users//referrer", "not_found"),
            ("/v1/users/u1", "not_found"),
        ] {
            assert_eq!(refusal(&world.try_get(path).await), (404, code), "{path}");
        }
        let other = made["promoter"].as_str().unwrap();
        let of = world.get(&format!("/v1/referrals?promoter={other}")).await;
        assert_eq!(of["data"], json!([found]));
    }

    /// Whatever its events said before.
    async fn an_invoice_that_no_claim_concerns_any_more_has_no_commission(world: World) {
        world.with_anna("10").await;
        world.send(&checkout("cus_1", json!({ "metadata": { "referral_code": "NEVER" } }))).await;
        world.send(&checkout("cus_3", json!({ "metadata": { "referral_code": "ANNA" } }))).await;
        let greater = |invoice: &str| sale(invoice, "cus_2", 10_001);
        for (invoice, told) in [
            ("in_1", [sale("in_1", "cus_1", 10_000), greater("in_1")]),
            ("in_2", [greater("in_2"), sale("in_2", "cus_1", 10_000)]),
        ] {
            for event in &told {
                world.expect("recorded", event).await;
            }
            assert_eq!(world.commission(invoice).await, ("none".to_owned(), "not_referred".to_owned()));
        }
        assert_eq!(invoices(&world, "").await, "", "nothing was posted for them");
        world.expect("posted", &sale("in_3", "cus_3", 10_000)).await;
        world.expect("posted", &greater("in_3")).await;
        assert_eq!(invoices(&world, "").await, "in_3", "it has entries");
        assert_eq!(invoices(&world, "limit=1").await, "in_3");
        assert_eq!(invoices(&world, "status=none&invoice=in_3").await, "in_3");
    }

    async fn what_contradicts_itself_is_flagged_wherever_it_is_shown(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        for (invoice, place, value) in [
            ("in_amount", "amount_paid", json!(12_000)),
            ("in_currency", "currency", json!("eur")),
            ("in_customer", "customer", json!("cus_2")),
        ] {
            world.expect("posted", &sale(invoice, "cus_1", 10_000)).await;
            let row = format!("/v1/commissions/{invoice}");
            assert_eq!(world.get(&row).await["conflict"], false);
            world.expect("recorded", &sale(invoice, "cus_1", 10_000)).await;
            assert_eq!(world.get(&row).await["conflict"], false, "the same again is no conflict");
            world.send(&with(sale(invoice, "cus_1", 10_000), &format!("/data/object/{place}"), value)).await;
            assert_eq!(world.get(&row).await["conflict"], true, "{place}");
            let listed = world.get(&format!("/v1/commissions?invoice={invoice}")).await;
            assert_eq!(listed["data"][0]["conflict"], true);
            assert!(world.cli_ok(&["explain", invoice]).contains("contradict each other"));
            assert!(world.cli_ok(&["verify"]).contains(&format!("contradict each other about {invoice}")));
        }
        let report: Value = serde_json::from_str(&world.cli_ok(&["verify", "--format", "json"])).unwrap();
        assert_eq!(report["conflicts"].as_array().unwrap().len(), 3);
        assert_eq!(report["violations"], json!([]));
    }
}
