//! `referrald explain`: the story of an invoice, customer, event or promoter; through the front door, on both databases.

use crate::support::events::*;
use crate::support::people::*;
use crate::support::{ADMIN_TOKEN, SECRET, World};
use serde_json::{Value, json};

/// Every sentence must be in the story.
fn says(story: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(story.contains(sentence), "`{sentence}` is not in:\n{story}");
    }
}

fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

on_both_databases! {
    async fn the_story_of_an_invoice(world: World) {
        world.with_anna("12.5").await;
        world.refer("ANNA", "cus_1").await;
        let explain = |name: &str| world.cli_ok(&["explain", name]);
        let sale = invoice_paid("in_1", "cus_1", 10_000);
        world.expect("recorded", &invoice_payment("in_1", "pi_1", 10_000)).await;
        says(&explain("in_1"), &["Invoice in_1 is not known as paid", "Payment pi_1 pays 10000 minor units"]);
        world.expect("posted", &sale).await;
        says(&explain("in_1"), &[
            "Invoice in_1 of customer cus_1 was paid at ",
            "100.00 USD of a total of 100.00 USD",
            id(&sale),
            "Customer cus_1 was referred by promoter anna (prm_",
            "with code ANNA in program default",
            "the base is 100.00 USD at 12.5 %, so it earned 12.50 USD.",
            "Payment pi_1 pays 100.00 USD.",
            "Nothing was taken back: 12.50 USD may be paid out from ",
            "(pending)",
            "The ledger holds exactly this.",
        ]);
        let refunded = refund("refund.created", "re_1", "pi_1", 4_000, "pending");
        let disputed = dispute("du_1", "pi_1", 2_000, "usd", "needs_response");
        let noted = credit_note("credit_note.created", "cn_1", "in_1", 1_000, "issued");
        for event in [&refunded, &disputed, &noted] {
            world.expect("posted", event).await;
        }
        world.send(&dispute("du_2", "pi_1", 500, "usd", "warning_needs_response")).await;
        world.send(&refund("refund.created", "re_2", "pi_1", 700, "failed")).await;
        let story = explain("in_1");
        says(&story, &[
            "(charge ch_1)",
            "Refund re_1 of pi_1: 40.00 USD, pending, which counts at once.",
            "Refund re_2 of pi_1: 7.00 USD, failed or canceled, so it takes nothing.",
            "Dispute du_1 of pi_1: 20.00 USD, open: it takes its amount for now.",
            "Dispute du_2 of pi_1: 5.00 USD, an inquiry, which takes nothing.",
            "Credit note cn_1: 10.00 USD, paid back outside Stripe.",
            "refunds took 6.25 USD and disputes took 2.50 USD: 3.75 USD is left",
            "(disputed)",
            "The ledger holds exactly this.",
        ]);
        for (event, words) in [
            (&sale, "commission 12.50 USD for anna (prm_"),
            (&refunded, "refund -5.00 USD for anna (prm_"),
            (&disputed, "dispute -2.50 USD for anna (prm_"),
            (&noted, "refund -1.25 USD for anna (prm_"),
        ] {
            let line = story.lines().find(|line| line.starts_with("Entry ") && line.contains(words));
            assert!(line.is_some_and(|line| line.contains(&format!("because of {}", id(event)))), "{words}: {story}");
        }
    }

    async fn amounts_have_the_decimals_of_their_currency(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        for (currency, paid, earned) in [
            ("usd", "12345.67 USD", "1234.57 USD"),
            ("jpy", "1234567 JPY", "123457 JPY"),
            ("kwd", "1234.567 KWD", "123.457 KWD"),
        ] {
            let invoice = format!("in_{currency}");
            let event = invoice_paid(&invoice, "cus_1", 1_234_567);
            let event = with(event, "/data/object/currency", json!(currency));
            world.expect("posted", &event).await;
            says(&world.cli_ok(&["explain", &invoice]), &[paid, &format!("so it earned {earned}.")]);
            says(&world.cli_ok(&["explain", id(&event)]), &[paid, &format!("commission {earned} of {invoice}")]);
            says(&world.cli_ok(&["explain", "anna"]), &[&format!("It has earned {earned}; {earned} of it is pending")]);
            says(&world.cli_ok(&["explain", "cus_1"]), &[&format!("Invoice {invoice}, {paid} paid at ")]);
        }
    }

    async fn the_cause_of_an_entry_is_what_made_it(world: World) {
        world.program("once", "--rate 10 --one-time").await;
        world.with_promoter_at("anna", "anna@example.com", "once").await;
        world.with_promoter("bert", "once").await;
        world.send(&ago(invoice_paid("in_2", "cus_1", 10_000), 60)).await;
        let referral = world.refer_ago("ANNA", "cus_1", 30).await;
        says(&world.cli_ok(&["explain", "in_2"]), &["commission 10.00 USD for anna (prm_", "because of clm_"]);
        // A late earlier invoice is the first one now.
        let first = ago(invoice_paid("in_1", "cus_1", 5_000), 90);
        world.expect("posted", &first).await;
        says(&world.cli_ok(&["explain", "in_2"]), &[
            "it earns nothing (duration_over)",
            "10.00 USD for anna (prm_",
            "commission -10.00 USD for anna (prm_",
            "because of superseded by in_1",
        ]);
        says(&world.cli_ok(&["explain", "in_1"]), &["so it earned 5.00 USD.", &format!("because of {}", id(&first))]);
        let path = format!("/v1/referrals/{}", referral["id"].as_str().unwrap());
        world.expect("posted", &customer("customer.updated", "cus_1", "anna@example.com")).await;
        says(&world.cli_ok(&["explain", "cus_1"]), &["The referral has the status held.", "release or refuse it"]);
        says(&world.cli_ok(&["explain", "anna"]), &["Referrals: 1 held.", "is held: release or refuse it."]);
        world.change(&path, json!({ "status": "released" })).await;
        says(&world.cli_ok(&["explain", "in_1"]), &["commission 5.00 USD for anna (prm_", "because of rev_"]);
        says(&world.cli_ok(&["explain", "cus_1"]), &["An operator released it for promoter anna (prm_"]);
        world.change(&path, json!({ "code": "BERT" })).await;
        says(&world.cli_ok(&["explain", "in_1"]), &["(claim clm_", " by move, made at "]);
        says(&world.cli_ok(&["explain", "in_2"]), &["The ledger holds exactly this."]);
    }

    async fn the_story_of_a_customer_tells_every_claim(world: World) {
        world.with_anna("10").await;
        for (code, change) in [("OFF", json!({ "status": "inactive" })), ("OLD", json!({ "expires_at": 1_000 }))] {
            let mut new = json!({ "code": code, "promoter": "anna", "program": "default" });
            new.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            assert_eq!(world.post("/v1/codes", new).await.0, 201);
        }
        for (number, code) in ["OFF", "OLD", "NEVER"].iter().enumerate() {
            world.send(&invoice_paid_with_code(&format!("in_{number}"), "cus_1", 10_000, code)).await;
        }
        world.send(&discount("cus_1", "promo_1")).await;
        says(&world.cli_ok(&["explain", "cus_1"]), &[
            "Customer cus_1: the host has not said which user it is.",
            "names OFF (subscription_metadata, made at ",
            "no referral: the code was switched off when the customer was referred by it.",
            "no referral: the code had expired when the customer was referred by it.",
            "no referral: the customer was referred by a code that does not exist; once it is made, this is judged again.",
            "names promo_1 (customer_discount, made at ",
            "kept: no code carries this promotion code.",
            "It has no referral (",
            "Invoice in_0, 100.00 USD paid at ",
            "earns nothing (",
        ]);
        let bound = json!({ "code": "ANNA", "customer": "cus_1", "user_id": "u1" });
        assert_eq!(world.post_referral(&bound).await.0, 201);
        world.post_referral(&json!({ "code": "ANNA", "customer": "cus_2", "user_id": "u1" })).await;
        for name in ["cus_1", "cus_2", "u1"] {
            says(&world.cli_ok(&["explain", name]), &[
                "User u1 of the host has the Stripe customers cus_1, cus_2.",
                "names ANNA (api, made at ",
                ": valid.",
                "User u1 was referred by promoter anna (prm_",
                "The referral has the status active.",
                "earned 10.00 USD, 10.00 USD of it is left (pending).",
            ]);
        }
        // Money that comes back is told of the customer, too.
        world.send(&invoice_payment("in_0", "pi_0", 10_000)).await;
        world.send(&charge_refunded("pi_0", "cus_1", 10_000, 10_000)).await;
        says(&world.cli_ok(&["explain", "cus_1"]), &["earned 10.00 USD, 0.00 USD of it is left (refunded)."]);
    }

    async fn the_story_of_an_event_and_of_a_promoter(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let sale = invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA");
        let parked = charge_refunded("pi_9", "cus_9", 10_000, 5_000);
        let broken = with(invoice_paid("in_2", "cus_1", 10_000), "/data/object/amount_paid", json!("much"));
        let unknown = event("plan.created", json!({ "id": "plan_1", "object": "plan" }));
        let live = with(invoice_paid("in_3", "cus_1", 10_000), "/livemode", json!(true));
        let mail = customer("customer.updated", "cus_1", "carl@example.com");
        for (outcome, event, sentences) in [
            ("posted", &sale, vec!["is invoice.paid in API version 2025-06-30.basil, made at ", "It was posted",
                "It says that invoice in_1 was paid by customer cus_1: 100.00 USD at ",
                "It claims that customer cus_1 was referred by ANNA (subscription_metadata).",
                ": commission 10.00 USD of in_1 for anna (prm_"]),
            ("parked", &parked, vec!["It is parked (invoice_unknown): the invoice of payment pi_9 is not known yet."]),
            ("quarantined", &broken, vec!["It is quarantined: ", "amount_paid"]),
            ("ignored", &unknown, vec!["is plan.created", "It was ignored (unhandled_type)", "It posted no entry."]),
            ("ignored", &live, vec!["It was ignored (wrong_mode)", "It posted no entry."]),
            ("recorded", &mail, vec!["It was recorded", "It tells an e-mail of customer cus_1.", "It posted no entry."]),
        ] {
            world.expect(outcome, event).await;
            says(&world.cli_ok(&["explain", id(event)]), &sentences);
        }
        world.change("/v1/codes/ANNA", json!({ "max_uses": 5 })).await;
        world.refer("ANNA", "cus_2").await;
        says(&world.cli_ok(&["explain", "anna"]), &[
            " is user anna of the host, since ",
            "Code ANNA in program default is active; 2 of 5 uses were given.",
            "It has earned 10.00 USD; 10.00 USD of it is pending, and 0.00 USD may be paid out.",
            "Referrals: 1 active, 1 signup.",
        ]);
        world.promoter("bert").await;
        says(&world.cli_ok(&["explain", "bert"]), &["It has no code", "It has earned nothing"]);
    }

    async fn every_object_of_stripe_has_a_story(world: World) {
        world.with_anna("10").await;
        let referral = world.refer("ANNA", "cus_1").await;
        world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
        world.send(&invoice_payment("in_1", "pi_1", 10_000)).await;
        world.send(&refund("refund.created", "re_1", "pi_1", 3_000, "succeeded")).await;
        world.send(&dispute("du_1", "pi_1", 1_000, "usd", "lost")).await;
        world.send(&credit_note("credit_note.created", "cn_1", "in_1", 500, "issued")).await;
        world.send(&subscription("created", "sub_7", "cus_1", "active")).await;
        let payment = ["Payment pi_1 (charge ch_1) pays in_1.", "Refund re_1 of pi_1: 30.00 USD, succeeded.",
            "Dispute du_1 of pi_1: 10.00 USD, lost.", "Invoice in_1, 100.00 USD paid at ", "earned 10.00 USD, 5.50 USD of it is left",
            "Invoice in_1 lost 45.00 USD of 100.00 USD: 35.00 USD by refunds and credit notes, 10.00 USD by disputes."];
        for name in ["pi_1", "ch_1", "re_1", "du_1"] {
            says(&world.cli_ok(&["explain", name]), &payment);
        }
        says(&world.cli_ok(&["explain", "cn_1"]), &["Credit note cn_1: 5.00 USD, paid back outside Stripe.", payment[5]]);
        says(&world.cli_ok(&["explain", "sub_7"]), &["Subscription sub_7 of customer cus_1 is alive"]);
        // What makes the status is told beside it.
        for name in ["cus_1", referral["id"].as_str().unwrap(), ] {
            says(&world.cli_ok(&["explain", name]), &["The referral has the status refund.", payment[5],
                "was referred by promoter anna (prm_"]);
        }
        // A charge of which no invoice is known, yet.
        let early = charge_refunded("pi_9", "cus_1", 5_000, 2_000);
        world.expect("parked", &early).await;
        for name in ["pi_9", "ch_9"] {
            says(&world.cli_ok(&["explain", name]), &["Payment pi_9 (charge ch_9) pays no invoice that is known yet",
                "2000 minor units refunded in all", &format!("Event {} is parked", id(&early))]);
        }
        // Codes, users without a customer, uses one by one, and a rate of nothing.
        says(&world.cli_ok(&["explain", "ANNA"]), &["Code ANNA belongs to promoter anna (prm_", "is active; 1 use was given."]);
        world.post_referral(&json!({ "code": "ANNA", "user_id": "u9" })).await;
        says(&world.cli_ok(&["explain", "u9"]), &["User u9 of the host has no Stripe customer yet.", "status signup"]);
        says(&world.cli_ok(&["explain", "anna"]), &["is active; 2 uses were given."]);
        // A user may be called like the code of somebody else.
        world.code("U9", "anna", "default").await;
        says(&world.cli_ok(&["explain", "u9"]), &["User u9 of the host", "Code U9 belongs to promoter anna (prm_"]);
        world.promoter("u9").await;
        says(&world.cli_ok(&["explain", "u9"]), &["is user u9 of the host", "Code U9 belongs to promoter anna (prm_"]);
        assert!(!world.cli_ok(&["explain", "anna"]).contains("belongs to"));
        world.program("free", "--rate 0").await;
        world.code("FREE", "anna", "free").await;
        world.refer("FREE", "cus_3").await;
        world.send(&invoice_paid("in_3", "cus_3", 10_000)).await;
        let free = world.cli_ok(&["explain", "in_3"]);
        says(&free, &["the base is 100.00 USD at 0 %, so it earned nothing.", "So there is nothing to pay out"]);
        assert!(!free.contains("may be paid out"), "{free}");
        world.send(&invoice_paid("in_4", "cus_4", 10_000)).await;
        says(&world.cli_ok(&["explain", "in_4"]), &["It earns nothing (not_referred): nobody has said who referred this customer."]);
    }

    async fn an_event_that_could_not_be_used_is_told_with_what_it_names(world: World) {
        world.with_anna("10").await;
        let broken = with(invoice_paid("in_1", "cus_1", 10_000), "/data/object/amount_paid", json!("much"));
        let other = with(invoice_paid("in_11", "cus_2", 10_000), "/data/object/amount_paid", json!("much"));
        for event in [&broken, &other] {
            world.expect("quarantined", event).await;
        }
        for name in ["in_1", "cus_1"] {
            let story = world.cli_ok(&["explain", name]);
            says(&story, &[&format!("Event {} (invoice.paid) names it and is quarantined", id(&broken)), "amount_paid"]);
            assert!(!story.contains(id(&other)), "{story}");
        }
        let json: Value = serde_json::from_str(&world.cli_ok(&["explain", "in_1", "--format", "json"])).unwrap();
        assert_eq!(json["object"], "quarantined");
        world.refer("ANNA", "cus_1").await;
        says(&world.cli_ok(&["explain", "cus_1"]), &["was referred by promoter anna", "names it and is quarantined"]);
        assert_eq!(world.cli(&["explain", "in_2"]).status.code(), Some(1));
    }

    async fn a_story_is_json_when_asked_and_an_unknown_name_is_one_line(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let sale = invoice_paid("in_1", "cus_1", 10_000);
        world.send(&sale).await;
        for (name, object) in [("in_1", "invoice"), ("cus_1", "customer"), (id(&sale), "event"), ("anna", "promoter")] {
            let text = world.cli_ok(&["explain", name]);
            let story: Value = serde_json::from_str(&world.cli_ok(&["explain", name, "--format", "json"])).unwrap();
            assert_eq!((&story["object"], &story["id"]), (&json!(object), &json!(name)));
            let sentences: Vec<&str> =
                story["story"].as_array().unwrap().iter().map(|sentence| sentence.as_str().unwrap()).collect();
            assert!(sentences.len() > 2, "{sentences:?}");
            assert_eq!(sentences.join("\n"), text.trim_end());
            assert!(sentences.iter().all(|sentence| !sentence.contains("  ") && !sentence.contains('\n')), "{text}");
        }
        for name in ["in_9", "cus_9", "evt_9", "prm_9", "nobody", "%", "' OR 1=1", "ä"] {
            for format in ["table", "json"] {
                let output = world.cli(&["explain", name, "--format", format]);
                let told = String::from_utf8(output.stderr).unwrap();
                assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()), "{name}: {told}");
                assert!(told.trim_end().lines().count() == 1 && told.contains(name), "{name}: {told}");
            }
        }
        assert_eq!(world.cli(&["explain"]).status.code(), Some(2));
    }

    async fn no_story_tells_an_address_or_a_secret(world: World) {
        world.program("default", "--rate 10").await;
        world.with_promoter_at("anna", "anna.canary@example.com", "default").await;
        let body = json!({ "code": "ANNA", "customer": "cus_1", "user_id": "u1", "email": "other.canary@example.com" });
        assert_eq!(world.post_referral(&body).await.0, 201);
        let sale = with(invoice_paid("in_1", "cus_1", 10_000), "/data/object/customer_email", json!("x.canary@example.com"));
        let told = customer("customer.updated", "cus_1", "Anna.Canary@example.com");
        let details = json!({ "customer_details": { "email": "y.canary@example.com" } });
        let session = checkout("cus_1", details);
        let broken = with(invoice_paid("in_2", "cus_1", 1), "/data/object/currency", json!("z.canary@example.com"));
        for event in [&sale, &told, &session, &broken] {
            world.send(event).await;
        }
        for name in ["in_1", "cus_1", "u1", "anna", id(&sale), id(&told), id(&session), id(&broken)] {
            for format in ["table", "json"] {
                let output = world.cli(&["explain", name, "--format", format]);
                let story = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
                assert!(output.status.success(), "{name}: {story}");
                for hidden in ["canary", "@", SECRET, ADMIN_TOKEN] {
                    assert!(!story.to_lowercase().contains(hidden), "{hidden} in the story of {name}: {story}");
                }
            }
        }
    }
}
