//! The queue of held referrals: its evidence, what an operator says of it, and that the latest word holds; through the front
//! door, on both databases.

use crate::support::World;
use crate::support::api::{next_second, path_of, refusal};
use crate::support::events::*;
use crate::support::people::*;
use serde_json::{Value, json};

const GIVEN: &str = "anna.secret@example.com";

/// `anna`'s referral of `cus_1`, whose sale says that it is her own: its path, and the event that tells so.
async fn held(world: &World) -> (String, String) {
    world.with_anna_and_bert(GIVEN).await;
    let path = path_of(&world.refer_ago("ANNA", "cus_1", 60).await);
    world.expect("posted", &invoice_paid("in_1", "cus_1", 10_000)).await;
    let told = customer("customer.updated", "cus_1", GIVEN);
    world.expect("posted", &told).await;
    (path, told["id"].as_str().unwrap().to_owned())
}

/// The kinds of evidence, and what told them.
fn evidence(referral: &Value) -> Vec<(&str, &str)> {
    let all = referral["evidence"].as_array().unwrap().iter();
    all.map(|one| (one["kind"].as_str().unwrap(), one["told_by"].as_str().unwrap())).collect()
}

fn decisions(referral: &Value) -> Vec<&str> {
    referral["reviews"].as_array().unwrap().iter().map(|one| one["decision"].as_str().unwrap()).collect()
}

fn orders_of_four() -> Vec<[usize; 4]> {
    let all = (0..256).map(|number| [number >> 6 & 3, number >> 4 & 3, number >> 2 & 3, number & 3]);
    all.filter(|order| (0..4).all(|step| order.contains(&step))).collect()
}

on_both_databases! {
    async fn the_queue_shows_the_evidence_and_what_told_it(world: World) {
        let (path, told) = held(&world).await;
        // A second event with the same address tells nothing new.
        world.send(&customer("customer.updated", "cus_1", GIVEN)).await;
        world.refer("BERT", "cus_2").await;
        let queue = world.get("/v1/referrals?status=held").await;
        assert_eq!(queue["data"].as_array().unwrap().len(), 1, "{queue}");
        let referral = &queue["data"][0];
        assert_eq!(path_of(referral), path);
        assert_eq!(evidence(referral), [("same_email", told.as_str())]);
        assert!(referral["evidence"][0]["promoter_since"].as_i64().unwrap() > created() - 600, "{referral}");
        assert_eq!(referral["reviews"], json!([]));
        // The other kind comes out by a claim of the API.
        let bound = json!({ "code": "BERT", "customer": "cus_1", "user_id": "anna" });
        assert!(world.post_referral(&bound).await.0 < 300);
        let referral = world.get(&path).await;
        let kinds = evidence(&referral);
        assert!(kinds.len() == 2 && kinds[0].0 == "same_user" && kinds[0].1.starts_with("clm_"), "{kinds:?}");
        assert_eq!(kinds[1], ("same_email", told.as_str()));
        let table = world.cli_ok(&["referral", "list", "--status", "held"]);
        assert!(table.contains("same_user") && table.contains(&told) && !table.contains("cus_2"), "{table}");
        let story = world.cli_ok(&["explain", "cus_1"]);
        assert!(story.contains("Customer and promoter are one user of the host, as clm_"), "{story}");
        assert!(story.contains(&format!("They share an e-mail, which {told} told; the promoter has it since ")), "{story}");
        // An address of the promoter that becomes known later says since when.
        world.refer("BERT", "cus_3").await;
        world.expect("recorded", &customer("customer.created", "cus_3", "bert@example.com")).await;
        next_second().await;
        let before = created();
        world.change("/v1/promoters/bert", json!({ "email": "bert@example.com" })).await;
        let late = &world.get("/v1/referrals?status=held&promoter=bert").await["data"][0];
        assert!(late["evidence"][0]["promoter_since"].as_i64().unwrap() >= before, "{late}");
        let shown = format!("{} {late} {story} {table}", world.get("/v1/referrals").await);
        assert!(!shown.to_lowercase().contains("secret@") && !shown.contains("bert@"), "{shown}");
    }

    async fn the_latest_review_holds_and_is_told_with_who_when_and_why(world: World) {
        let (path, _) = held(&world).await;
        let said = json!({ "status": "released", "reviewed_by": " carl ", "reason": "they are siblings" });
        let released = world.change(&path, said.clone()).await;
        assert_eq!((&released["status"], world.earned("anna").await), (&json!("active"), 1_000));
        let review = &released["reviews"][0];
        assert_eq!((&review["reviewed_by"], &review["reason"]), (&json!("carl"), &json!("they are siblings")));
        assert_eq!((&review["covers"], &review["promoter_user_id"]), (&json!(["same_email"]), &json!("anna")));
        assert!(review["reviewed_at"].as_i64().unwrap() > created() - 600, "{review}");
        // Said again it stores nothing.
        world.change(&path, said).await;
        assert_eq!(decisions(&world.get(&path).await), ["released"]);
        for (status, earned) in [("refused", 0), ("released", 1_000), ("refused", 0)] {
            let after = world.change(&path, json!({ "status": status })).await;
            assert_eq!(after["status"], if status == "refused" { "refused" } else { "active" }, "{after}");
            assert_eq!(world.earned("anna").await, earned, "{status}");
            let again = world.change(&path, json!({ "status": status })).await;
            assert_eq!(again["reviews"], after["reviews"], "{status} again");
        }
        assert_eq!(decisions(&world.get(&path).await), ["released", "refused", "released", "refused"]);
        let story = world.cli_ok(&["explain", "cus_1"]);
        assert!(story.contains("refused"), "{story}");
        // The next claim for another promoter counts; the one that was refused can still be released.
        world.refer("BERT", "cus_1").await;
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (0, 1_000));
        let lost = world.patch(&path, json!({ "status": "released" })).await;
        assert_eq!(refusal(&lost), (409, "not_held"), "bert's referral is not held: name the promoter");
        let back = world.change(&path, json!({ "status": "released", "promoter": "anna" })).await;
        assert_eq!((&back["code"], &back["status"]), (&json!("ANNA"), &json!("active")), "the earlier claim");
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (1_000, 0));
    }

    async fn a_kind_that_comes_out_after_the_release_holds_it_again(world: World) {
        let (path, _) = held(&world).await;
        world.change(&path, json!({ "status": "released" })).await;
        world.refer("BERT", "cus_9").await;
        // That they are one user is shown by a claim for somebody else.
        let bound = json!({ "code": "BERT", "customer": "cus_1", "user_id": "anna" });
        let (_, referral) = world.post_referral(&bound).await;
        assert_eq!((&referral["code"], &referral["status"]), (&json!("ANNA"), &json!("held")), "{referral}");
        assert_eq!((world.earned("anna").await, world.reason("in_1").await), (0, "self_referral".to_owned()));
        let released = world.change(&path, json!({ "status": "released" })).await;
        assert_eq!(released["status"], "active");
        assert_eq!(released["reviews"][1]["covers"], json!(["same_user", "same_email"]));
        assert_eq!(world.earned("anna").await, 1_000);
        // Nothing new of either kind holds it again.
        world.change("/v1/promoters/anna", json!({ "email": "second@example.com" })).await;
        world.send(&customer("customer.updated", "cus_1", "second@example.com")).await;
        assert_eq!((&world.get(&path).await["status"], world.earned("anna").await), (&json!("active"), 1_000));
    }

    async fn the_latest_review_holds_over_all_names_of_a_customer(world: World) {
        world.with_anna_and_bert(GIVEN).await;
        let mut paths = Vec::new();
        for (number, decision) in [(1, "refused"), (2, "released")] {
            let customer_id = format!("cus_{number}");
            paths.push(path_of(&world.refer_ago("ANNA", &customer_id, 60).await));
            world.send(&customer("customer.updated", &customer_id, GIVEN)).await;
            world.send(&invoice_paid(&format!("in_{number}"), &customer_id, 10_000)).await;
            world.change(&paths[number - 1], json!({ "status": decision })).await;
        }
        assert_eq!(world.earned("anna").await, 1_000);
        // They turn out to be one user: what was said last holds for both.
        for customer_id in ["cus_1", "cus_2"] {
            let bound = json!({ "code": "BERT", "customer": customer_id, "user_id": "u1" });
            world.post_referral(&bound).await;
        }
        let both = world.get("/v1/users/u1/referrer").await;
        assert_eq!((&both["code"], decisions(&both)), (&json!("ANNA"), vec!["refused", "released"]), "{both}");
        assert_eq!((world.earned("anna").await, world.earned("bert").await), (2_000, 0));
    }

    /// Whatever came first, and however often: held is 0, released is all of it, and the other kind takes it back again.
    async fn what_a_review_does_to_the_sums_does_not_depend_on_the_order_of_the_facts(world: World) {
        world.with_anna_and_bert(GIVEN).await;
        for (number, order) in orders_of_four().into_iter().enumerate() {
            let name = |prefix: &str| format!("{prefix}_{number}");
            let (cus, invoice, payment) = (name("cus"), name("in"), name("pi"));
            let times = 1 + number % 2;
            for step in order {
                let events = match step {
                    0 => vec![],
                    1 => vec![invoice_paid(&invoice, &cus, 10_000)],
                    2 => vec![invoice_payment(&invoice, &payment, 10_000), charge_refunded(&payment, &cus, 10_000, 2_500)],
                    _ => vec![customer("customer.updated", &cus, GIVEN)],
                };
                for _ in 0..times {
                    if step == 0 {
                        world.refer_ago("ANNA", &cus, 60).await;
                    }
                    for event in &events {
                        world.send(event).await;
                    }
                }
            }
            let queue = world.get(&format!("/v1/referrals?customer={cus}&status=held")).await;
            let path = path_of(&queue["data"][0]);
            assert_eq!(world.sums(&invoice).await, (0, 0), "{order:?}");
            for _ in 0..times {
                world.change(&path, json!({ "status": "released" })).await;
            }
            assert_eq!(world.sums(&invoice).await, (1_000, -250), "{order:?}");
            world.change(&path, json!({ "status": "refused" })).await;
            assert_eq!(world.sums(&invoice).await, (0, 0), "{order:?}");
            world.change(&path, json!({ "status": "released" })).await;
            assert_eq!(world.sums(&invoice).await, (1_000, -250), "{order:?}");
        }
        assert_eq!(world.earned("anna").await, 24 * 750);
    }

    async fn only_a_held_or_reviewed_referral_can_be_reviewed(world: World) {
        world.with_anna_and_bert(GIVEN).await;
        let path = path_of(&world.refer("BERT", "cus_1").await);
        for body in [
            json!({ "status": "released" }),
            json!({ "status": "refused" }),
            json!({ "status": "refused", "promoter": "bert" }),
            json!({ "status": "refused", "promoter": "anna" }),
        ] {
            assert_eq!(refusal(&world.patch(&path, body.clone()).await), (409, "not_held"), "{body}");
        }
        let nobody = world.patch(&path, json!({ "status": "released", "promoter": "nobody" })).await;
        assert_eq!(refusal(&nobody), (422, "unknown_promoter"));
        for (field, value) in [("reason", "x".repeat(1_001)), ("reviewed_by", String::new()), ("reason", " ".to_owned())] {
            let mut body = json!({ "status": "released" });
            body[field] = json!(value);
            let (status, problem) = world.patch(&path, body).await;
            assert_eq!(refusal(&(status, problem.clone())), (422, "invalid_field"), "{field}");
            assert!(problem["detail"].as_str().unwrap().starts_with(field), "{problem}");
        }
        let alone = world.patch(&path, json!({ "reason": "none" })).await;
        assert_eq!(refusal(&alone), (422, "invalid_field"));
        assert_eq!(world.get(&path).await["reviews"], json!([]));
    }

    async fn the_commands_do_what_the_routes_do(world: World) {
        let (path, _) = held(&world).await;
        let id = path.rsplit('/').next().unwrap();
        let json_of = |arguments: &[&str]| -> Value {
            serde_json::from_str(&world.cli_ok(&[arguments, &["--format", "json"]].concat())).unwrap()
        };
        let released = json_of(&["referral", "release", id, "--by", "carl", "--reason", "siblings"]);
        assert_eq!((&released["status"], &released["reviews"][0]["reviewed_by"]), (&json!("active"), &json!("carl")));
        let table = world.cli_ok(&["referral", "refuse", id, "--promoter", "anna"]);
        assert!(table.contains(id) && table.contains("refused"), "{table}");
        assert_eq!(world.earned("anna").await, 0);
        let moved = json_of(&["referral", "move", id, "BERT"]);
        assert_eq!((&moved["code"], world.earned("bert").await), (&json!("BERT"), 1_000));
        let shown = json_of(&["referral", "show", id]);
        assert_eq!(shown, world.get(&path).await);
        assert_eq!(decisions(&shown), ["released", "refused"]);
        let table = world.cli_ok(&["referral", "show", id]);
        assert!(table.contains("siblings") && table.contains("bert (prm_"), "{table}");
        for arguments in [
            vec!["referral", "release", id],
            vec!["referral", "refuse", "ref_nobody"],
            vec!["referral", "show", "ref_nobody"],
            vec!["referral", "move", id, "NOBODY"],
        ] {
            let output = world.cli(&arguments);
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && told.trim_end().lines().count() == 1, "{arguments:?}: {told}");
        }
        // A move beats the refusals before it, and can be refused again.
        assert_eq!(json_of(&["referral", "move", id, "ANNA"])["code"], "ANNA");
        next_second().await;
        let refused = json_of(&["referral", "refuse", id]);
        assert_eq!((decisions(&refused).len(), world.earned("anna").await), (3, 0), "{refused}");
    }
}
