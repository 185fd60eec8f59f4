//! What comes to `POST /webhooks/stripe`: whose it is, what is kept of it, and what is kept apart.

use crate::support::events::*;
use crate::support::{Daemon, SECRET, World, client, now, post_event, post_raw};
use referrald::domain::Timestamp;
use referrald::store::packing::unpack;
use referrald::stripe::sign;
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const OTHER_SECRET: &str = "whsec_of_somebody_else_0123456789";

/// A header of `secret` whose time is `seconds` from now.
fn signed_by(secret: &str, seconds: i64, body: &[u8]) -> String {
    sign(&SecretString::from(secret), Timestamp::from_unix(now().unix() + seconds), body)
}

/// The signature in a header.
fn v1(header: &str) -> &str {
    header.split_once("v1=").unwrap().1
}

/// Status, content type and body of the answer to any body with any header.
async fn post(world: &World, daemon: &Daemon, header: Option<&str>, body: Vec<u8>) -> (u16, String, Value) {
    let mut request = world.client.post(daemon.at("/webhooks/stripe")).body(body);
    if let Some(header) = header {
        request = request.header("Stripe-Signature", header);
    }
    let answer = request.send().await.unwrap();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), content_type, answer.json().await.unwrap())
}

/// Sends a signed body; returns the outcome of its 200.
async fn send_raw(world: &World, body: &[u8]) -> String {
    let answer = post_raw(&world.client, &world.daemon, body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["received"], true);
    answer["outcome"].as_str().unwrap().to_owned()
}

fn id_of_body(body: &[u8]) -> String {
    format!("body_{}", hex::encode(Sha256::digest(body)))
}

on_both_databases! {
    async fn what_stripe_did_not_sign_is_refused_and_leaves_no_trace(world: World) {
        let body = invoice_paid("in_1", "cus_1", 10_000).to_string().into_bytes();
        let good = signed_by(SECRET, 0, &body);
        let mut changed = body.clone();
        *changed.last_mut().unwrap() = b' ';
        let malformed = "signature_malformed";
        // In the future a minute more is left, because some of it passes on the way.
        for (header, body, code) in [
            (Some(signed_by(OTHER_SECRET, 0, &body)), &body, "signature_mismatch"),
            (Some(signed_by(SECRET, -301, &body)), &body, "signature_stale"),
            (Some(signed_by(SECRET, 360, &body)), &body, "signature_stale"),
            (Some(good.clone()), &changed, "signature_mismatch"),
            (Some(format!("t=0,v1={}", v1(&good))), &body, "signature_stale"),
            (Some(format!("t=0{}", &good[2..])), &body, "signature_mismatch"),
            (None, &body, "signature_missing"),
            (Some(good.replace("v1=", "v0=")), &body, malformed),
            (Some(good.replace("t=", "t=+")), &body, malformed),
            (Some(format!("{good},t=1")), &body, malformed),
            (Some(good.replace(',', ";")), &body, malformed),
            (Some(format!("v1={}", v1(&good))), &body, malformed),
            (Some("t=99999999999999999999,v1=00".to_owned()), &body, malformed),
            (Some(format!("{good},v0={}", "0".repeat(5_000))), &body, malformed),
            (Some("Bearer".to_owned()), &body, malformed),
            (Some(String::new()), &body, malformed),
        ] {
            let (status, content_type, problem) =
                post(&world, &world.daemon, header.as_deref(), body.clone()).await;
            assert_eq!((status, problem["code"].as_str()), (400, Some(code)), "{header:?}");
            assert_eq!((content_type.as_str(), &problem["status"]), ("application/problem+json", &json!(400)));
        }
        assert_eq!((world.events().await, world.facts().await), (0, 0));
    }

    async fn an_event_of_an_unknown_type_is_kept_to_the_last_byte(world: World) {
        let id = fresh("evt");
        let body = format!(
            "\n{{ \"type\" : \"price.created\", \"object\":\"event\",\t\"id\": \"{id}\", \"n\": 1.0e2, \
             \"text\": \"\\u00e9 é \\ud83d\\ude00\", \"data\": null }}  \r\n"
        );
        assert_eq!(send_raw(&world, body.as_bytes()).await, "ignored");
        assert_eq!(world.kept(&id).await, "ignored(unhandled_type)");
        let stored = world.body_of(&id).await.unwrap();
        assert_eq!(unpack(&stored).unwrap(), body.as_bytes());
    }

    async fn what_is_not_for_this_ledger_is_kept_with_the_reason_and_changes_nothing(world: World) {
        world.with_anna("10").await;
        let with = |mut event: Value, field: &str, value: Value| {
            event[field] = value;
            event
        };
        let sale = || invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA");
        let mut open_payment = invoice_payment("in_1", "pi_1", 10_000);
        open_payment["data"]["object"]["status"] = json!("open");
        let mut open_invoice = event("invoice.payment_succeeded", basil_invoice("in_1", "cus_1", 10_000));
        open_invoice["data"]["object"]["status"] = json!("open");
        let mut nobodys_refund = refund("refund.created", "re_1", "pi_1", 100, "succeeded");
        nobodys_refund["data"]["object"]["payment_intent"] = Value::Null;
        nobodys_refund["data"]["object"]["charge"] = Value::Null;
        let mut thin = with(sale(), "object", json!("v2.core.event"));
        thin.as_object_mut().unwrap().remove("data");
        for (event, reason) in [
            (with(sale(), "livemode", json!(true)), "wrong_mode"),
            (with(sale(), "account", json!("acct_x")), "foreign_account"),
            (with(sale(), "type", json!("invoice.payment_failed")), "unhandled_type"),
            (thin, "thin_event"),
            (open_payment, "not_paid"),
            (open_invoice, "not_paid"),
            (nobodys_refund, "no_payment"),
        ] {
            world.expect("ignored", &event).await;
            let id = event["id"].as_str().unwrap();
            assert_eq!(world.kept(id).await, format!("ignored({reason})"));
            world.expect("duplicate", &event).await;
        }
        assert_eq!((world.events().await, world.facts().await), (7, 0));
        assert_eq!(world.entries().await, []);
    }

    async fn a_signed_body_that_is_no_event_with_an_id_is_kept_under_its_hash(world: World) {
        let with_id = |id: &Value| json!({ "id": id, "object": "event", "type": "invoice.paid" }).to_string();
        let event = invoice_paid("in_1", "cus_1", 10_000);
        let bodies: Vec<(Vec<u8>, &str)> = [
            (String::new(), "body"),
            ("no JSON".to_owned(), "body"),
            ("null".to_owned(), "body"),
            ("\"evt_1\"".to_owned(), "body"),
            ("[]".to_owned(), "body"),
            (json!([event]).to_string(), "body"),
            (format!("{event}{event}"), "body"),
            (format!("{event},"), "body"),
            (event.to_string().replace("\"object\":\"event\"", "\"object\":\"event\",\"id\":1"), "body"),
            (json!({ "object": "event", "type": "invoice.paid" }).to_string(), "id"),
            (with_id(&json!("")), "id"),
            (with_id(&json!("evt_".repeat(2_500))), "id"),
            (with_id(&json!("evt_\0")), "id"),
            (with_id(&json!("evt_\u{7f}")), "id"),
            (with_id(&json!(17)), "id"),
            (with_id(&json!({ "id": "evt_1" })), "id"),
            (json!({ "id": "in_1", "object": "invoice" }).to_string(), "object"),
            (json!({ "id": "evt_1", "type": "invoice.paid" }).to_string(), "object"),
        ]
        .into_iter()
        .map(|(body, field)| (body.into_bytes(), field))
        .chain([(b"\xff\xfe".to_vec(), "body"), (b"{\"id\":\"evt_\xff\",\"object\":\"event\"}".to_vec(), "body")])
        .collect();
        for (body, field) in &bodies {
            let text = String::from_utf8_lossy(body);
            assert_eq!(send_raw(&world, body).await, "quarantined", "{text}");
            let row = world.kept(&id_of_body(body)).await;
            assert!(row.starts_with(&format!("quarantined({field}: ")), "{text}: {row}");
            assert_eq!(send_raw(&world, body).await, "duplicate", "{text}");
        }
        let rows = i64::try_from(bodies.len()).unwrap();
        assert_eq!((world.events().await, world.facts().await), (rows, 0));
    }

    async fn an_id_that_names_two_types_of_events_is_kept_apart(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let first = invoice_paid("in_1", "cus_1", 10_000);
        world.expect("posted", &first).await;
        let mut other = invoice_payment("in_1", "pi_1", 10_000);
        other["id"] = first["id"].clone();
        world.expect("quarantined", &other).await;
        let id = first["id"].as_str().unwrap();
        assert_eq!(world.kept(id).await, "posted()");
        let apart = world.kept(&id_of_body(other.to_string().as_bytes())).await;
        assert!(apart.starts_with("quarantined(id: ") && apart.contains(id), "{apart}");
        world.expect("duplicate", &other).await;
        world.expect("duplicate", &first).await;
        assert_eq!(world.type_of(id).await, "invoice.paid");
        assert_eq!((world.events().await, world.payment_links().await), (2, 0));
        assert_eq!(world.sums("in_1").await, (1_000, 0));
    }

    /// A newer replica may write words that an older one does not know.
    async fn a_duplicate_is_answered_although_its_invoice_cannot_be_read(world: World) {
        world.with_anna("10").await;
        let sale = invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA");
        world.expect("posted", &sale).await;
        world.change_currency("???").await;
        world.expect("duplicate", &sale).await;
        let another = invoice_paid("in_1", "cus_1", 10_000);
        let (status, _) = post_event(&client(), &world.daemon, &another).await;
        assert_eq!((status, world.events().await), (503, 1));
        world.change_currency("usd").await;
        world.expect("recorded", &another).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0));
    }

    async fn two_events_of_one_id_that_arrive_at_once_are_both_kept(world: World) {
        for round in 0..10 {
            let first = invoice_paid(&format!("in_{round}"), "cus_1", 10_000);
            let mut other = invoice_payment(&format!("in_{round}"), "pi_1", 10_000);
            other["id"] = first["id"].clone();
            let (one, two) = tokio::join!(world.send(&first), world.send(&other));
            let mut outcomes = [one, two];
            outcomes.sort();
            assert_eq!(outcomes, ["quarantined", "recorded"]);
        }
        assert_eq!(world.events().await, 20);
    }
}

#[tokio::test]
async fn a_signature_is_good_for_five_minutes_in_both_directions() {
    let world = World::sqlite();
    for seconds in [-240, 0, 290] {
        let body = invoice_paid("in_1", "cus_1", 10_000).to_string().into_bytes();
        let header = signed_by(SECRET, seconds, &body);
        let (status, content_type, answer) = post(&world, &world.daemon, Some(&header), body).await;
        assert_eq!((status, content_type.as_str()), (200, "application/json"), "{seconds}: {answer}");
    }
}

#[tokio::test]
async fn a_header_that_a_proxy_has_folded_or_split_is_one_list() {
    let world = World::sqlite();
    for (split, status) in [
        (|t: &str, v1: &str| vec![format!("{t}, {v1}")], 200),
        (|t: &str, v1: &str| vec![format!("{t},  v0=00 ,\t{v1}")], 200),
        (|t: &str, v1: &str| vec![t.to_owned(), v1.to_owned()], 200),
        (|t: &str, v1: &str| vec![v1.to_owned(), t.to_owned()], 200),
        (|t: &str, v1: &str| vec![format!("{t},v1={}", "0".repeat(64)), v1.to_owned()], 200),
        (|t: &str, v1: &str| vec![format!("{t}, {v1}"), t.to_owned()], 400),
        (|t: &str, v1: &str| vec![format!("{t},{v1}"), format!("{t},{v1}")], 400),
        (|t: &str, _: &str| vec![t.to_owned(), t.to_owned()], 400),
    ] as [(fn(&str, &str) -> Vec<String>, u16); 8]
    {
        let body = invoice_paid("in_1", "cus_1", 10_000).to_string().into_bytes();
        let signed = signed_by(SECRET, 0, &body);
        let (t, v1) = signed.split_once(',').unwrap();
        let headers = split(t, v1);
        let mut request = world.client.post(world.daemon.at("/webhooks/stripe")).body(body);
        for header in &headers {
            request = request.header("Stripe-Signature", header);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{headers:?}");
        if status == 400 {
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["code"], "signature_malformed", "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_slash_behind_the_path_is_no_other_path() {
    let world = World::sqlite();
    let body = invoice_paid("in_1", "cus_1", 10_000).to_string().into_bytes();
    let request = world.client.post(world.daemon.at("/webhooks/stripe/"));
    let request = request.header("Stripe-Signature", signed_by(SECRET, 0, &body)).body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(world.events().await, 1);
}

#[tokio::test]
async fn while_a_secret_is_rolled_both_are_good() {
    let world = World::sqlite();
    let both = format!("{SECRET},{OTHER_SECRET}");
    let daemon = Daemon::start(&world.url, &[("STRIPE_WEBHOOK_SECRET", &both)]);
    let stranger = "whsec_of_a_third_0123456789";
    for (secrets, status) in [
        (vec![SECRET], 200),
        (vec![OTHER_SECRET], 200),
        (vec![SECRET, OTHER_SECRET], 200),
        (vec![OTHER_SECRET, SECRET], 200),
        (vec![stranger, OTHER_SECRET], 200),
        (vec![SECRET, stranger], 200),
        (vec![stranger], 400),
        (vec![stranger, stranger], 400),
        // The whole setting is no secret.
        (vec![both.as_str()], 400),
    ] {
        let body = invoice_paid("in_1", "cus_1", 10_000).to_string().into_bytes();
        // All of one header is signed in the same second.
        let at = now();
        let signed = |secret: &&str| sign(&SecretString::from(*secret), at, &body);
        let headers: Vec<String> = secrets.iter().map(signed).collect();
        let more: Vec<&str> = headers.iter().skip(1).map(|header| v1(header)).collect();
        let header = [&[headers[0].as_str()], more.as_slice()].concat().join(",v1=");
        let (got, _, answer) = post(&world, &daemon, Some(&header), body.clone()).await;
        assert_eq!(got, status, "{secrets:?}: {answer}");
        // A daemon that knows only the old secret takes what is signed with both.
        let knows = secrets.contains(&SECRET);
        let (got, _, answer) = post(&world, &world.daemon, Some(&header), body).await;
        assert_eq!(got, if knows { 200 } else { 400 }, "{secrets:?}: {answer}");
    }
}
