//! What the daemon logs: which event and which request, and no secret and nothing personal.

use crate::support;
use crate::support::events::*;
use crate::support::{ADMIN_TOKEN, Daemon, SECRET, World, now, post_event, post_raw};
use referrald::stripe::sign;
use secrecy::SecretString;
use serde_json::{Value, json};

const CANARY: &str = "canary@example.com";

/// Lines of the log as JSON; each must be.
fn lines(daemon: &Daemon) -> Vec<Value> {
    daemon.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until so many lines hold these words: what the daemon writes is read by a thread of its own.
async fn until_logged(daemon: &Daemon, words: &str, times: usize) {
    let logged = async || daemon.log().lines().filter(|line| line.contains(words)).count() >= times;
    support::eventually(words, logged).await;
}

/// A field of a line, or of one of the spans that it stands in.
fn field<'l>(line: &'l Value, name: &str) -> Option<&'l str> {
    let spans = line["spans"].as_array().into_iter().flatten();
    spans.chain([line]).find_map(|of| of[name].as_str())
}

/// Traffic of every kind, with the canary in every place that a customer writes to. Returns what was answered.
async fn traffic(world: &World, daemon: &Daemon) -> String {
    let sale = || invoice_paid_with_code(&fresh("in"), "cus_1", 10_000, "ANNA");
    let mut events = vec![sale(), charge_refunded("pi_1", "cus_1", 10_000, 5_000)];
    for at in ["/amount_paid", "/currency", "/total", "/customer", "/status_transitions", "/metadata", "/id"]
    {
        for value in [json!([CANARY]), json!({ "email": CANARY }), json!({ CANARY: 1 })] {
            let mut event = sale();
            *event.pointer_mut(&format!("/data/object{at}")).unwrap() = value;
            events.push(event);
        }
    }
    let mut nowhere = sale();
    nowhere["data"] = json!(CANARY);
    events.push(nowhere);
    let mut answers = String::new();
    for event in &events {
        answers += &post_event(&world.client, daemon, event).await.1.to_string();
    }
    let mut more = vec![post_raw(&world.client, daemon, CANARY.as_bytes())];
    let forged = sign(&SecretString::from("whsec_of_somebody_else"), now(), CANARY.as_bytes());
    let webhook = || world.client.post(daemon.at("/webhooks/stripe")).body(sale().to_string());
    more.extend([forged.as_str(), SECRET, CANARY].map(|header| webhook().header("Stripe-Signature", header)));
    more.extend([webhook(), webhook().header("Content-Encoding", "gzip")]);
    let referral = |body: Value| {
        world.client.post(daemon.at("/v1/referrals")).bearer_auth(ADMIN_TOKEN).body(body.to_string())
    };
    for body in [
        json!({ "code": "ANNA", "customer": "cus_2", "email": CANARY }),
        json!({ "code": "ANNA", "customer": "cus_2", "email": { CANARY: CANARY } }),
        json!({ "code": "ANNA", "customer": "cus_2", "claimed_at": CANARY }),
        json!({ "code": CANARY, "customer": "cus_2", "email": CANARY }),
        json!({ "code": "ANNA", "customer": "cus_2", CANARY: 1 }),
        json!(CANARY),
    ] {
        more.push(referral(body));
    }
    for path in ["/v1/entries", "/nowhere", "/v1/promoters/x/balance"] {
        let at = format!("{}?promoter={CANARY}&token={ADMIN_TOKEN}", daemon.at(path));
        more.push(world.client.get(at).bearer_auth(ADMIN_TOKEN).header("User-Agent", CANARY));
    }
    for request in more {
        request.send().await.unwrap();
    }
    answers
}

on_both_databases! {
    async fn no_secret_and_no_address_of_a_customer_is_logged(world: World) {
        world.with_anna("10").await;
        for filter in ["info", "debug", "trace"] {
            let mut daemon = Daemon::start(&world.url, &[("REFERRALD_LOG__FILTER", filter)]);
            let answers = traffic(&world, &daemon).await;
            assert!(!answers.contains("canary"), "{answers}");
            daemon.signal("-TERM");
            until_logged(&daemon, "stopped", 1).await;
            let log = daemon.log();
            assert!(log.lines().count() > 20, "{log}");
            let secret_part = SECRET.trim_start_matches("whsec_");
            for (what, canary) in [("the webhook secret", secret_part), ("the token", ADMIN_TOKEN), ("an e-mail", CANARY)] {
                let leak = log.lines().find(|line| line.contains(canary));
                assert_eq!(leak, None, "{what} at level {filter}");
            }
        }
    }

    async fn every_line_about_an_event_names_it_and_its_request(world: World) {
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let mut broken = invoice_paid("in_2", "cus_1", 10_000);
        broken["created"] = Value::Null;
        let events =
            [invoice_paid("in_1", "cus_1", 10_000), broken, charge_refunded("pi_1", "cus_1", 10, 5), json!({})];
        let daemon = Daemon::start(&world.url, &[("REFERRALD_LOG__FILTER", "info,referrald=debug")]);
        for event in events.iter().flat_map(|event| [event, event]) {
            assert_eq!(post_event(&world.client, &daemon, event).await.0, 200);
        }
        until_logged(&daemon, "event committed", 2 * events.len()).await;
        let lines = lines(&daemon);
        let about: Vec<&Value> = lines.iter().filter(|line| line.to_string().contains("event committed")).collect();
        assert_eq!(about.len(), 2 * events.len());
        let mut requests = std::collections::BTreeSet::new();
        for (line, event) in about.iter().zip(events.iter().flat_map(|event| [event, event])) {
            let id = field(line, "event_id").unwrap();
            assert!(event["id"].as_str().map_or(id.starts_with("body_"), |of| of == id), "{line}");
            assert!(field(line, "request_id").is_some_and(|id| requests.insert(id)), "{line}");
            let told = field(line, "outcome").or_else(|| field(line, "reason"));
            assert!(told.is_some(), "{line}");
        }
        for line in lines.iter().filter(|line| line.to_string().contains("evt_")) {
            assert!(field(line, "request_id").is_some() && field(line, "event_id").is_some(), "{line}");
        }
    }
}

/// Holds the write lock of a SQLite database for longer than an event waits.
async fn send_while_locked(world: &World, event: &Value) -> Daemon {
    let limits =
        [("REFERRALD_DATABASE__LOCK_TIMEOUT_MS", "100"), ("REFERRALD_INTAKE__ANSWER_WITHIN_MS", "1400")];
    let daemon = Daemon::start(&world.url, &limits);
    let db = world.hold_sqlite().await;
    let (status, _) = post_event(&world.client, &daemon, event).await;
    db.close().await.unwrap();
    assert_eq!(status, 503);
    daemon
}

#[tokio::test]
async fn an_event_that_is_not_acknowledged_is_named_in_the_log() {
    let world = World::sqlite();
    let event = invoice_paid("in_1", "cus_1", 10_000);
    let daemon = send_while_locked(&world, &event).await;
    until_logged(&daemon, "not acknowledged", 1).await;
    let lines = lines(&daemon);
    let line = lines.iter().find(|line| line.to_string().contains("not acknowledged")).unwrap();
    assert!(field(line, "request_id").is_some(), "{line}");
    assert_eq!(field(line, "event_id"), event["id"].as_str(), "{line}");
}

#[tokio::test]
async fn the_log_tells_why_an_event_was_not_committed() {
    let world = World::sqlite();
    let daemon = send_while_locked(&world, &invoice_paid("in_1", "cus_1", 10_000)).await;
    until_logged(&daemon, "could not be committed", 1).await;
    assert!(daemon.log().contains("locked"), "{}", daemon.log());
}

#[tokio::test]
async fn broken_requests_are_no_lines_of_the_log() {
    use std::io::{Read, Write};
    let world = World::sqlite();
    let daemon = Daemon::start(&world.url, &[("REFERRALD_LOG__FILTER", "debug")]);
    let requests: [&[u8]; 7] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 canary of a client hello \r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00\xff\xfe canary\r\n\r\n",
        b"GET / HTTP/9.9\r\nX: canary\r\n\r\n",
        b"GET /a b c HTTP/1.1\r\n\r\n",
        b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for request in requests {
        let mut socket = std::net::TcpStream::connect(daemon.address()).unwrap();
        socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
        socket.write_all(request).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).ok();
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    }
    let (status, _) = post_event(&world.client, &daemon, &invoice_paid("in_1", "cus_1", 10_000)).await;
    assert_eq!(status, 200);
    until_logged(&daemon, "event committed", 1).await;
    let lines = lines(&daemon);
    let loud = lines.iter().find(|line| line["level"] == "ERROR");
    assert_eq!(loud, None);
    assert!(!daemon.log().contains("canary"), "{}", daemon.log());
}
