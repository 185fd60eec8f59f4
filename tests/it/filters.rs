//! Filters of lists, and what a claim of the API is told; through the front door, on both databases.

use crate::support::World;
use crate::support::api::refusal;
use crate::support::events::*;
use crate::support::people::*;
use serde_json::{Value, json};

fn ids(rows: &Value, field: &str) -> Vec<String> {
    let rows = rows["data"].as_array().unwrap().iter();
    rows.map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// Two programs; `anna` in both, `bert` in `other`; a referral each, `anna`'s in `default` with a sale.
async fn two_programs(world: &World) -> String {
    world.with_anna("10").await;
    world.program("other", "--rate 20").await;
    world.code("ANNA2", "anna", "other").await;
    world.with_promoter("bert", "other").await;
    let body =
        json!({ "code": "ANNA", "customer": "cus_1", "user_id": "u1", "invitation_method": "by_mail" });
    let (status, referral) = world.post_referral(&body).await;
    assert_eq!(status, 201, "{referral}");
    world.refer("ANNA2", "cus_2").await;
    world.refer("BERT", "cus_3").await;
    for (invoice, customer) in [("in_1", "cus_1"), ("in_2", "cus_2"), ("in_3", "cus_3")] {
        world.expect("posted", &invoice_paid(invoice, customer, 10_000)).await;
    }
    referral["promoter"].as_str().unwrap().to_owned()
}

on_both_databases! {
    async fn a_promoter_is_named_by_id_or_user_in_every_filter(world: World) {
        let anna = two_programs(&world).await;
        for promoter in ["anna", anna.as_str()] {
            for (list, field, expected) in [
                ("referrals", "customer", vec!["cus_1", "cus_2"]),
                ("entries", "invoice", vec!["in_1", "in_2"]),
                ("commissions", "invoice", vec!["in_1", "in_2"]),
                ("codes", "code", vec!["ANNA", "ANNA2"]),
            ] {
                let page = world.get(&format!("/v1/{list}?promoter={promoter}")).await;
                assert_eq!(ids(&page, field), expected, "{list} of {promoter}");
                let rows = page["data"].as_array().unwrap();
                assert!(rows.iter().all(|row| row["promoter_user_id"] == "anna" && row["promoter"] == anna), "{page}");
            }
        }
        let one = world.get("/v1/commissions/in_3").await;
        assert_eq!((&one["promoter_user_id"], &one["entries"][0]["promoter_user_id"]), (&json!("bert"), &json!("bert")));
        for list in ["referrals", "entries", "commissions", "codes"] {
            let unknown = world.try_get(&format!("/v1/{list}?promoter=nobody")).await;
            assert_eq!(refusal(&unknown), (404, "unknown_promoter"), "{list}");
            for query in ["promotor=anna", "limit=0", "cursor=", "limit=x"] {
                let (status, problem) = world.try_get(&format!("/v1/{list}?{query}")).await;
                assert_eq!((status, &problem["code"]), (400, &json!("invalid_query")), "{list}?{query}: {problem}");
                let named = query.split('=').next().unwrap();
                assert!(problem["detail"].as_str().unwrap().starts_with(&format!("{named}:")), "{list}?{query}: {problem}");
            }
        }
        for list in ["referrals", "commissions", "codes"] {
            let unknown = world.try_get(&format!("/v1/{list}?program=nothing")).await;
            assert_eq!(refusal(&unknown), (404, "unknown_program"), "{list}");
        }
        for query in ["referrals?cursor=prm_1", "referrals?status=on_hold", "referrals?customer=u1", "commissions?status=x",
            "entries?cursor=in_1"] {
            assert_eq!(refusal(&world.try_get(&format!("/v1/{query}")).await), (400, "invalid_query"), "{query}");
        }
    }

    async fn referrals_are_found_by_program_status_customer_and_user(world: World) {
        two_programs(&world).await;
        world.refer("ANNA", "cus_4").await;
        world.expect("recorded", &invoice_payment("in_3", "pi_3", 10_000)).await;
        world.expect("posted", &charge_refunded("pi_3", "cus_3", 10_000, 1_000)).await;
        for (query, expected) in [
            ("", "cus_1 cus_2 cus_3 cus_4"),
            ("program=other", "cus_2 cus_3"),
            ("program=other&promoter=anna", "cus_2"),
            ("status=active", "cus_1 cus_2"),
            ("status=signup", "cus_4"),
            ("status=refund", "cus_3"),
            ("status=held", ""),
            ("status=active&program=other", "cus_2"),
            ("customer=cus_1", "cus_1"),
            ("user_id=u1", "cus_1"),
            ("user_id=u1&customer=cus_1", "cus_1"),
            ("user_id=u1&customer=cus_2", ""),
            ("customer=cus_1&promoter=bert", ""),
            ("customer=cus_1&status=signup", ""),
            ("customer=cus_9", ""),
            ("user_id=nobody", ""),
        ] {
            let page = world.get(&format!("/v1/referrals?{query}")).await;
            assert_eq!(ids(&page, "customer").join(" "), expected, "{query}");
            assert_eq!(page["has_more"], false, "{query}");
            // Page by page it is the same, also where pages are short.
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = world.get(&format!("/v1/referrals?limit=1&{query}{cursor}")).await;
                found.extend(ids(&page, "customer"));
                assert_eq!(page["has_more"].as_bool().unwrap(), page["next_cursor"].is_string());
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(found.join(" "), expected, "{query}");
        }
        let referral = &world.get("/v1/referrals?customer=cus_1").await["data"][0];
        assert_eq!((&referral["invitation_method"], &referral["user_id"]), (&json!("by_mail"), &json!("u1")));
        let listed: Value = serde_json::from_str(&world.cli_ok(&[
            "referral", "list", "--status", "refund", "--promoter", "bert", "--program", "other", "--format", "json",
        ])).unwrap();
        assert_eq!((&listed[0]["customer"], listed.as_array().unwrap().len()), (&json!("cus_3"), 1));
        let shown = world.cli_ok(&["referral", "show", referral["id"].as_str().unwrap()]);
        assert!(shown.contains("invited by by_mail") && shown.contains("anna (prm_"), "{shown}");
        let wrong = world.cli(&["referral", "list", "--promoter", "nobody"]);
        assert_eq!(wrong.status.code(), Some(1));
    }

    async fn a_claim_that_lost_says_so_and_only_a_made_or_moved_referral_is_201(world: World) {
        world.with_anna("10").await;
        world.with_promoter("bert", "default").await;
        let at = |code: &str, ago: i64| json!({ "code": code, "customer": "cus_1", "claimed_at": created() - ago });
        let claim = |code: &str, reason: Option<&str>| match reason {
            Some(reason) => json!({ "code": code, "won": false, "reason": reason }),
            None => json!({ "code": code, "won": true }),
        };
        let (status, made) = world.post_referral(&at("ANNA", 100)).await;
        assert_eq!((status, &made["claim"]), (201, &claim("ANNA", None)));
        for (body, expected, code, reason) in [
            (at("ANNA", 100), 200, "ANNA", None),
            (at("anna", 50), 200, "ANNA", None),
            (at("BERT", 50), 200, "ANNA", Some("earlier_claim")),
            (at("BERT", 200), 201, "BERT", None),
            (at("ANNA", 300), 201, "ANNA", None),
            // The same promoter, referred earlier: the referral is of that claim now.
            (at("ANNA", 400), 201, "ANNA", None),
        ] {
            let (status, referral) = world.post_referral(&body).await;
            assert_eq!((status, referral["code"].as_str()), (expected, Some(code)), "{body}: {referral}");
            assert_eq!(referral["claim"], claim(body["code"].as_str().unwrap(), reason), "{body}");
        }
        let path = format!("/v1/referrals/{}", made["id"].as_str().unwrap());
        let moved = world.change(&path, json!({ "code": "BERT" })).await;
        assert_eq!((&moved["code"], moved.get("claim")), (&json!("BERT"), None));
        let (status, referral) = world.post_referral(&at("ANNA", 900)).await;
        assert_eq!((status, &referral["claim"]), (200, &claim("ANNA", Some("moved"))));
        // `refer` prints the same.
        let refer = ["refer", "ANNA", "--customer", "cus_1"];
        let told = world.cli_ok(&refer);
        assert!(told.contains("with BERT") && told.contains("the claim of ANNA did not win (moved)"), "{told}");
        let told: Value = serde_json::from_str(&world.cli_ok(&[&refer[..], &["--format", "json"]].concat())).unwrap();
        assert_eq!(told["claim"], claim("ANNA", Some("moved")));
        let api = world.get(&path).await;
        for field in ["id", "code", "promoter", "promoter_user_id", "status", "claimed_at", "customers"] {
            assert_eq!(told[field], api[field], "{field}");
        }
        // Where a user and a customer become one, the referral is not made anew.
        let bound = json!({ "code": "BERT", "customer": "cus_1", "user_id": "u1" });
        let (status, referral) = world.post_referral(&bound).await;
        assert_eq!((status, &referral["user_id"], &referral["claim"]["won"]), (200, &json!("u1"), &json!(true)));
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_000));
    }

    async fn a_name_of_another_form_is_refused_by_name(world: World) {
        world.with_anna("10").await;
        let path = format!("/v1/referrals/{}", world.refer("ANNA", "cus_1").await["id"].as_str().unwrap());
        for customer in ["42", "cus_", "sub_1", "CUS_1", "cus_1;", "acct_", "cus_ä"] {
            let body = json!({ "code": "ANNA", "customer": customer });
            for (status, problem) in [
                world.post_referral(&body).await,
                world.patch(&path, json!({ "customer": customer, "user_id": "u1" })).await,
            ] {
                assert_eq!(refusal(&(status, problem.clone())), (422, "invalid_field"), "{customer}");
                // A customer that is not the referral's own is told so first.
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.starts_with("customer: ") || detail.starts_with("user_id: "), "{detail}");
            }
            let output = world.cli(&["refer", "ANNA", "--customer", customer]);
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && told.contains("customer: an id of Stripe, cus_… or acct_…"), "{told}");
        }
        let account = json!({ "code": "ANNA", "customer": "acct_1Ab" });
        assert_eq!(world.post_referral(&account).await.0, 201);
        for (arguments, told) in [
            (vec!["code", "create", "NEW CODE", "--promoter", "anna", "--program", "default"], "code: 1 to 64"),
            (vec!["code", "create", "NEW", "--promoter", "anna", "--program", "default", "--promotion-code", "X"],
                "promotion_code: an id of Stripe, promo_…"),
        ] {
            let output = world.cli(&arguments);
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && said.contains(told), "{arguments:?}: {said}");
        }
        let made = json!({ "code": "x".repeat(64), "promoter": "anna", "program": "default" });
        assert_eq!(world.post("/v1/codes", made).await.0, 201);
        // What Stripe names is not ours to judge.
        world.expect("posted", &ago(invoice_paid_with_code("in_9", "customer of old", 10_000, "ANNA"), 10)).await;
    }
}
