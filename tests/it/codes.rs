//! Codes: when they count, promotion codes, validity, clicks and the API of them; through the front door, on both
//! databases. What they may be used for at most is in `uses.rs`.

use crate::support::api::{next_second, refusal};
use crate::support::events::*;
use crate::support::people::*;
use crate::support::{ADMIN_TOKEN, Daemon, World, now};
use reqwest::Method;
use serde_json::{Value, json};

const ANNA: &str = "/v1/codes/ANNA";

fn claim(code: &str, customer: &str) -> Value {
    json!({ "code": code, "customer": customer })
}

fn claim_at(code: &str, customer: &str, claimed_at: i64) -> Value {
    json!({ "code": code, "customer": customer, "claimed_at": claimed_at })
}

on_both_databases! {
    async fn a_claim_is_judged_by_what_the_code_was_when_it_was_made(world: World) {
        world.with_anna("10").await;
        world.change(ANNA, json!({ "status": "inactive" })).await;
        let switched_off = now().unix();
        let refused = world.post("/v1/referrals", claim("ANNA", "cus_1")).await;
        assert_eq!(refusal(&refused), (422, "code_inactive"));
        assert_eq!(world.claims().await, 0);
        world.expect("recorded", &invoice_paid_with_code("in_2", "cus_2", 10_000, "ANNA")).await;
        assert_eq!(world.reason("in_2").await, "code_inactive");
        // What was claimed before, long before the code was made too, and is only told now, counts.
        let (status, referral) = world.post("/v1/referrals", claim_at("ANNA", "cus_1", switched_off - 90)).await;
        assert_eq!((status, &referral["code"]), (201, &json!("ANNA")), "{referral}");
        world.expect("posted", &ago(invoice_paid_with_code("in_3", "cus_3", 10_000, "ANNA"), 86_400)).await;
        // A referral that exists goes on.
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        next_second().await;
        world.change(ANNA, json!({ "status": "active" })).await;
        world.expect("recorded", &invoice_paid("in_2b", "cus_2", 10_000)).await;
        assert_eq!(world.reason("in_2").await, "code_inactive", "it was switched off then");
        let then = world.post("/v1/referrals", claim_at("ANNA", "cus_4", switched_off)).await;
        assert_eq!(refusal(&then), (422, "code_inactive"));
        let late = json!(switched_off);
        let late = with(invoice_paid_with_code("in_4", "cus_4", 10_000, "ANNA"), "/created", late);
        world.expect("recorded", &late).await;
        assert_eq!(world.reason("in_4").await, "code_inactive");
        // A claim of now is a new one.
        assert_eq!(world.post("/v1/referrals", claim("ANNA", "cus_2")).await.0, 201);
        assert_eq!((world.reason("in_2").await.as_str(), world.reason("in_2b").await.as_str()), ("", ""));
        assert_eq!(world.earned("anna").await, 4_000);
    }

    async fn an_expired_code_takes_no_claim_made_after_it_expired(world: World) {
        world.with_anna("10").await;
        let expired = now().unix() - 1_000;
        let new = json!({ "code": "OLD", "promoter": "anna", "program": "default", "expires_at": expired });
        assert_eq!(world.post("/v1/codes", new).await.0, 201);
        for claimed_at in [expired, expired + 1, now().unix()] {
            let answer = world.post("/v1/referrals", claim_at("OLD", "cus_1", claimed_at)).await;
            assert_eq!(refusal(&answer), (422, "code_expired"), "{claimed_at}");
        }
        let late = ago(invoice_paid_with_code("in_2", "cus_2", 10_000, "OLD"), 900);
        world.expect("recorded", &late).await;
        assert_eq!(world.reason("in_2").await, "code_expired");
        let (status, _) = world.post("/v1/referrals", claim_at("OLD", "cus_1", expired - 1)).await;
        assert_eq!(status, 201, "the second before it expired");
        world.expect("posted", &ago(invoice_paid_with_code("in_3", "cus_3", 10_000, "OLD"), 1_100)).await;
        // A date that is set now, though it lies in the past, is not known to claims of that time.
        world.change(ANNA, json!({ "expires_at": expired })).await;
        assert_eq!(world.post("/v1/referrals", claim_at("ANNA", "cus_4", expired + 500)).await.0, 201);
        let answer = world.post("/v1/referrals", claim("ANNA", "cus_5")).await;
        assert_eq!(refusal(&answer), (422, "code_expired"));
        assert_eq!(world.get(ANNA).await["expires_at"], json!(expired));
        next_second().await;
        let unlimited = world.change(ANNA, json!({ "expires_at": null })).await;
        assert_eq!((&unlimited["expires_at"], &unlimited["status"]), (&Value::Null, &json!("active")));
        assert_eq!(world.post("/v1/referrals", claim("ANNA", "cus_5")).await.0, 201);
        let until = now().unix() + 3_600;
        let command = ["code", "create", "SOON", "--promoter", "anna", "--program", "default", "--expires-at"];
        let time = now().plus_days(1);
        world.cli_ok(&[command.as_slice(), &[time.to_string().as_str()]].concat());
        assert!(world.get("/v1/codes/SOON").await["expires_at"].as_i64().unwrap() > until);
        world.refer("SOON", "cus_6").await;
    }

    async fn a_program_that_takes_no_referrals_makes_its_codes_take_none(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_0").await;
        world.cli_ok(&["program", "update", "default", "--active", "false"]);
        let refused = world.post("/v1/referrals", claim("ANNA", "cus_1")).await;
        assert_eq!(refusal(&refused), (422, "program_inactive"));
        world.expect("recorded", &invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA")).await;
        assert_eq!(world.reason("in_1").await, "program_inactive");
        assert_eq!(world.post("/v1/referrals", claim_at("ANNA", "cus_2", created() - 60)).await.0, 201);
        world.expect("posted", &invoice_paid("in_0", "cus_0", 10_000)).await;
    }

    async fn a_promotion_code_counts_once_a_code_carries_it(world: World) {
        world.with_anna("10").await;
        let by_checkout = |customer: &str, promotion: Value| {
            checkout(customer, json!({ "discounts": [{ "coupon": "c", "promotion_code": null },
                { "coupon": null, "promotion_code": promotion }] }))
        };
        world.expect("recorded", &discount("cus_1", "promo_1")).await;
        world.expect("recorded", &by_checkout("cus_2", json!("promo_2"))).await;
        world.expect("recorded", &by_checkout("cus_3", json!({ "id": "promo_2", "object": "promotion_code" }))).await;
        for number in 1..=3 {
            world.expect("recorded", &invoice_paid(&format!("in_{number}"), &format!("cus_{number}"), 10_000)).await;
            assert_eq!(world.reason(&format!("in_{number}")).await, "not_referred", "kept, and no reason");
        }
        // Beside a code that is not known, that one is the reason.
        world.expect("recorded", &discount("cus_4", "promo_1")).await;
        world.expect("recorded", &invoice_paid_with_code("in_4", "cus_4", 10_000, "LATER")).await;
        assert_eq!(world.reason("in_4").await, "unknown_code");
        // A code may be called like a promotion code, and is not one.
        let namesake = json!({ "code": "promo_1", "promoter": "anna", "program": "default" });
        assert_eq!(world.post("/v1/codes", namesake).await.0, 201);
        assert_eq!(world.reason("in_1").await, "not_referred");

        let carrying = world.change(ANNA, json!({ "promotion_code": "promo_1" })).await;
        assert_eq!(carrying["promotion_codes"], json!(["promo_1"]));
        assert_eq!((world.reason("in_1").await.as_str(), world.reason("in_4").await.as_str()), ("", ""));
        assert_eq!((world.earned("anna").await, world.uses("ANNA").await), (2_000, 2));
        world.expect("posted", &invoice_paid("in_1b", "cus_1", 10_000)).await;

        world.promoter("bert").await;
        let new = json!({ "code": "BERT", "promoter": "bert", "program": "default", "max_uses": 1,
            "promotion_code": "promo_2" });
        let (status, made) = world.post("/v1/codes", new).await;
        assert_eq!((status, &made["uses"]), (201, &json!(1)), "{made}");
        assert_eq!(world.earned("bert").await, 1_000, "two waited, one use");
        let reasons = [world.reason("in_2").await, world.reason("in_3").await];
        assert!(reasons.contains(&String::new()) && reasons.contains(&"code_used_up".to_owned()), "{reasons:?}");

        // A promotion code is of one code only; one code may carry several.
        for (code, promotion) in [("BERT", "promo_1"), ("ANNA", "promo_2")] {
            let taken = world.patch(&format!("/v1/codes/{code}"), json!({ "promotion_code": promotion })).await;
            assert_eq!(refusal(&taken), (409, "already_exists"), "{taken:?}");
        }
        let new = json!({ "code": "CARL", "promoter": "bert", "program": "default", "promotion_code": "promo_1" });
        assert_eq!(refusal(&world.post("/v1/codes", new).await), (409, "already_exists"));
        assert_eq!(world.try_get("/v1/codes/CARL").await.0, 404);
        world.change(ANNA, json!({ "promotion_code": "promo_1" })).await;
        let both = world.change(ANNA, json!({ "promotion_code": "promo_3" })).await;
        assert_eq!(both["promotion_codes"], json!(["promo_1", "promo_3"]));
        world.send(&discount("cus_5", "promo_3")).await;
        world.expect("posted", &invoice_paid("in_5", "cus_5", 10_000)).await;
        let referrals = world.get("/v1/referrals").await;
        let mut sources: Vec<_> =
            referrals["data"].as_array().unwrap().iter().map(|row| row["source"].as_str().unwrap()).collect();
        sources.sort_unstable();
        assert_eq!(sources, ["checkout_discount", "customer_discount", "customer_discount", "customer_discount"]);
    }

    async fn a_new_limit_counts_for_the_claims_that_a_promotion_code_added_with_it_decides_about(world: World) {
        world.with_anna("10").await;
        world.change(ANNA, json!({ "max_uses": 1 })).await;
        world.refer("ANNA", "cus_0").await;
        for number in 1..=2 {
            let customer = format!("cus_{number}");
            world.expect("recorded", &ago(discount(&customer, "promo_1"), 60 - number)).await;
            world.expect("recorded", &invoice_paid(&format!("in_{number}"), &customer, 10_000)).await;
        }
        world.change(ANNA, json!({ "promotion_code": "promo_1", "max_uses": 2 })).await;
        assert_eq!((world.reason("in_1").await.as_str(), world.reason("in_2").await.as_str()), ("", "code_used_up"));
    }

    async fn validity_names_every_reason(world: World) {
        world.with_anna("10").await;
        world.program("closed", "--rate 10").await;
        world.with_promoter("bert", "closed").await;
        world.cli_ok(&["program", "update", "closed", "--active", "false"]);
        let code = |name: &str, field: &str, value: Value| {
            let mut new = json!({ "code": name, "promoter": "anna", "program": "default" });
            new[field] = value;
            new
        };
        for new in [
            code("OFF", "status", json!("inactive")),
            code("OLD", "expires_at", json!(now().unix() - 10)),
            code("NEW", "expires_at", json!(now().unix() + 1_000)),
            code("ONE", "max_uses", json!(1)),
            code("LEFT", "max_uses", json!(2)),
        ] {
            assert_eq!(world.post("/v1/codes", new).await.0, 201);
        }
        world.refer("ONE", "cus_1").await;
        world.refer("LEFT", "cus_2").await;
        for (code, reason) in [
            ("ANNA", None),
            ("NEW", None),
            ("LEFT", None),
            ("OFF", Some("code_inactive")),
            ("OLD", Some("code_expired")),
            ("ONE", Some("code_used_up")),
            ("BERT", Some("program_inactive")),
            ("NOBODY", Some("unknown_code")),
            ("anna", None),
        ] {
            let validity = world.get(&format!("/v1/codes/{code}/validity")).await;
            assert_eq!(validity, json!({ "valid": reason.is_none(), "reason": reason }), "{code}");
        }
    }

    async fn clicks_are_counted_without_a_token_and_only_so_many(world: World) {
        world.with_anna("10").await;
        let daemon = Daemon::start(&world.url, &[("REFERRALD_API__CLICKS_PER_MINUTE", "3")]);
        let click = async |daemon: &Daemon, code: &str| {
            let answer = world.client.post(daemon.at(&format!("/v1/codes/{code}/clicks"))).send().await.unwrap();
            let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            let status = answer.status().as_u16();
            (status, wait, answer.json::<Value>().await.unwrap())
        };
        for _ in 0..3 {
            let (status, _, body) = click(&daemon, "ANNA").await;
            assert_eq!((status, body), (200, json!({ "counted": true })));
        }
        let (status, wait, body) = click(&daemon, "ANNA").await;
        assert_eq!((status, body["code"].as_str()), (429, Some("rate_limited")), "{body}");
        assert!((1..=60).contains(&wait.unwrap().parse::<i64>().unwrap()));
        assert_eq!(world.get(ANNA).await["clicks"], 3);
        // Each process counts for itself.
        assert_eq!(click(&world.daemon, "ANNA").await.0, 200);
        assert_eq!((&world.get(ANNA).await["clicks"], world.uses("ANNA").await), (&json!(4), 0));
        let none = Daemon::start(&world.url, &[("REFERRALD_API__CLICKS_PER_MINUTE", "0")]);
        assert_eq!(click(&none, "ANNA").await.0, 429);
    }

    async fn codes_are_found_by_user_and_program(world: World) {
        world.with_anna("10").await;
        world.program("other", "--rate 20").await;
        world.with_promoter("bert", "other").await;
        for (code, promoter, program) in [("A2", "anna", "default"), ("A3", "anna", "other"), ("B2", "bert", "default")] {
            let new = json!({ "code": code, "promoter": promoter, "program": program });
            assert_eq!(world.post("/v1/codes", new).await.0, 201);
        }
        let codes = async |query: &str| {
            let page = world.get(&format!("/v1/codes{query}")).await;
            let data = page["data"].as_array().unwrap();
            data.iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        for (query, expected) in [
            ("", "A2 A3 ANNA B2 BERT"),
            ("?user_id=anna", "A2 A3 ANNA"),
            ("?program=default", "A2 ANNA B2"),
            ("?user_id=anna&program=default", "A2 ANNA"),
            ("?user_id=bert&program=other", "BERT"),
            ("?user_id=nobody", ""),
            ("?promoter=anna&program=other", "A3"),
            ("?promoter=anna&user_id=bert", ""),
        ] {
            assert_eq!(codes(query).await, expected, "{query}");
        }
        for (query, code) in [("promoter=nobody", "unknown_promoter"), ("program=nothing", "unknown_program")] {
            assert_eq!(refusal(&world.try_get(&format!("/v1/codes?{query}")).await), (404, code));
        }
        let page = world.get("/v1/codes?limit=2").await;
        assert_eq!((&page["has_more"], &page["next_cursor"]), (&json!(true), &json!("A3")));
        assert_eq!(codes("?limit=2&cursor=A3").await, "ANNA B2");
        let last = world.get("/v1/codes?limit=2&cursor=B2").await;
        assert_eq!((&last["has_more"], &last["next_cursor"]), (&json!(false), &Value::Null));
        let one = world.get(ANNA).await;
        assert_eq!((&one["object"], &one["program"], &one["uses"]), (&json!("code"), &json!("default"), &json!(0)));
        assert_eq!((&one["status"], &one["max_uses"], &one["expires_at"]), (&json!("active"), &Value::Null, &Value::Null));
        // What a change does not name stays.
        let until = now().unix() + 1_000;
        world.change(ANNA, json!({ "max_uses": 7, "expires_at": until })).await;
        let off = world.change(ANNA, json!({ "status": "inactive" })).await;
        let (uses, at, status) = (&off["max_uses"], &off["expires_at"], &off["status"]);
        assert_eq!((uses, at, status), (&json!(7), &json!(until), &json!("inactive")));
        let free = world.change(ANNA, json!({ "max_uses": null, "status": "active" })).await;
        assert_eq!((&free["max_uses"], &free["expires_at"]), (&Value::Null, &json!(until)));
        assert_eq!(world.change(ANNA, json!({ "expires_at": null })).await["expires_at"], Value::Null);
    }

    async fn a_code_that_does_not_exist_is_not_found(world: World) {
        world.with_anna("10").await;
        assert_eq!(refusal(&world.try_get("/v1/codes/NOBODY").await), (404, "unknown_code"));
        let changed = world.patch("/v1/codes/NOBODY", json!({ "status": "inactive" })).await;
        let clicked = world.post("/v1/codes/NOBODY/clicks", json!({})).await;
        assert_eq!([refusal(&changed), refusal(&clicked)], [(404, "unknown_code"); 2]);
    }

    async fn an_error_of_a_code_names_the_field(world: World) {
        world.with_anna("10").await;
        let good = json!({ "code": "NEW", "promoter": "anna", "program": "default" });
        let long = json!("x".repeat(256));
        for (method, field, value, expected) in [
            (Method::POST, "code", json!(""), (422, "invalid_field")),
            (Method::POST, "code", long.clone(), (422, "invalid_field")),
            (Method::POST, "code", json!("x".repeat(65)), (422, "invalid_field")),
            (Method::POST, "code", json!("TWO WORDS"), (422, "invalid_field")),
            (Method::POST, "code", json!("Ä1"), (422, "invalid_field")),
            (Method::POST, "code", json!("a/b"), (422, "invalid_field")),
            (Method::POST, "promotion_code", json!("SUMMER"), (422, "invalid_field")),
            (Method::PATCH, "promotion_code", json!("promo_"), (422, "invalid_field")),
            (Method::POST, "code", json!(7), (422, "invalid_body")),
            (Method::POST, "code", json!("ANNA"), (409, "already_exists")),
            (Method::POST, "promoter", json!("nobody"), (422, "unknown_promoter")),
            (Method::POST, "promoter", json!("an\u{0}na"), (422, "unknown_promoter")),
            (Method::POST, "program", json!("nothing"), (422, "unknown_program")),
            (Method::POST, "owner", json!("anna"), (422, "invalid_body")),
            (Method::PATCH, "program", json!("default"), (422, "invalid_body")),
            (Method::PATCH, "status", json!("on"), (422, "invalid_field")),
            (Method::PATCH, "status", json!(true), (422, "invalid_body")),
            (Method::PATCH, "max_uses", json!(0), (422, "invalid_field")),
            (Method::PATCH, "max_uses", json!(-1), (422, "invalid_field")),
            (Method::PATCH, "max_uses", json!(u64::from(u32::MAX) + 1), (422, "invalid_field")),
            (Method::PATCH, "max_uses", json!("five"), (422, "invalid_body")),
            (Method::PATCH, "max_uses", json!(1.5), (422, "invalid_body")),
            (Method::PATCH, "expires_at", json!("tomorrow"), (422, "invalid_body")),
            (Method::PATCH, "promotion_code", json!(" "), (422, "invalid_field")),
            (Method::PATCH, "promotion_code", long, (422, "invalid_field")),
        ] {
            let (path, mut body) =
                if method == Method::POST { ("/v1/codes", good.clone()) } else { (ANNA, json!({})) };
            body[field] = value;
            let request = world.client.request(method.clone(), world.daemon.at(path)).bearer_auth(ADMIN_TOKEN);
            let answer = request.body(body.to_string()).send().await.unwrap();
            let got = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
            assert_eq!(refusal(&got), expected, "{method} {body}: {}", got.1);
            assert!(got.1["detail"].as_str().unwrap().contains(field), "{method} {body}: {}", got.1);
        }
        for field in ["code", "promoter", "program"] {
            let mut body = good.clone();
            body.as_object_mut().unwrap().remove(field);
            let answer = world.post("/v1/codes", body).await;
            assert_eq!(refusal(&answer), (422, "invalid_body"));
            assert!(answer.1["detail"].as_str().unwrap().contains(field), "{field}: {}", answer.1);
        }
        assert_eq!(world.codes().await.len(), 1);
        for method in [Method::GET, Method::POST, Method::PATCH] {
            for path in ["/v1/codes", ANNA, "/v1/codes/ANNA/validity"] {
                let answer = world.client.request(method.clone(), world.daemon.at(path)).send().await.unwrap();
                assert!([401, 405].contains(&answer.status().as_u16()), "{method} {path}");
            }
        }
    }
}
