//! HTTP at its edges: methods, sizes, slow and encoded bodies, probes, who may call the API, and its errors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support;
use crate::support::events::*;
use crate::support::{ADMIN_TOKEN, Daemon, PATIENCE, World, post_raw};
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// The default of `http.body_limit_bytes`.
const LIMIT: usize = 1_048_576;

/// Status and `code` of an answer that must be a problem.
async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let content_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    assert_eq!(content_type.as_deref(), Some("application/problem+json"), "{status} {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["status"], status);
    assert!(body["title"].is_string() && body["type"].is_string() && body["detail"].is_string(), "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

/// A connection that has sent the head of a webhook with these headers.
fn head(daemon: &Daemon, headers: &str) -> TcpStream {
    begin(daemon, "POST /webhooks/stripe", headers)
}

/// A connection that has sent the head of any request.
fn begin(daemon: &Daemon, request: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n").unwrap();
    stream
}

/// All that the server says until it closes the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn events_are_only_posted() {
    let world = World::sqlite();
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = world.client.request(method.clone(), world.daemon.at("/webhooks/stripe"));
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.headers()["allow"], "POST", "{method}");
        assert_eq!(problem(answer).await, (405, "method_not_allowed".to_owned()), "{method}");
    }
}

#[tokio::test]
async fn an_unknown_address_is_a_problem() {
    let world = World::sqlite();
    for path in ["/", "/webhooks", "/v1", "/v1/nothing", "/v2/entries", "/../etc/passwd", "/%00"] {
        for method in [Method::GET, Method::POST] {
            let answer = world.client.request(method, world.daemon.at(path)).bearer_auth(ADMIN_TOKEN);
            assert_eq!(problem(answer.send().await.unwrap()).await, (404, "not_found".to_owned()), "{path}");
        }
    }
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_taken_and_one_byte_more_is_not() {
    let world = World::sqlite();
    let body = vec![b' '; LIMIT];
    let answer = post_raw(&world.client, &world.daemon, &body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["outcome"], "quarantined");
    // A client that sends before it reads must see the answer, not a broken connection.
    for bytes in [LIMIT + 1, 2 * LIMIT] {
        let answer = post_raw(&world.client, &world.daemon, &vec![b' '; bytes]).send().await.unwrap();
        assert_eq!(problem(answer).await, (413, "body_too_large".to_owned()));
    }
    let announced = rest(head(&world.daemon, &format!("Content-Length: {}", LIMIT + 1)));
    assert!(announced.starts_with("HTTP/1.1 413 ") && announced.contains("body_too_large"), "{announced}");
    assert_eq!(world.events().await, 1);
}

#[tokio::test]
async fn a_body_in_chunks_without_an_end_is_cut_off() {
    let world = World::sqlite();
    let mut stream = head(&world.daemon, "Transfer-Encoding: chunked");
    let mut reader = stream.try_clone().unwrap();
    let answer = std::thread::spawn(move || {
        let mut answer = [0; 12];
        reader.read_exact(&mut answer).map(|()| String::from_utf8(answer.into()).unwrap())
    });
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let started = Instant::now();
    // After its answer the server lingers for a second, so that a client that writes on can read it; then it closes.
    while started.elapsed() < PATIENCE && stream.write_all(chunk.as_bytes()).is_ok() {}
    assert!(started.elapsed() < PATIENCE, "the connection is still open");
    assert_eq!(answer.join().unwrap().unwrap(), "HTTP/1.1 413");
    assert_eq!(world.events().await, 0);
}

#[tokio::test]
async fn an_encoded_body_is_refused_before_it_is_read() {
    let world = World::sqlite();
    let body = invoice_paid("in_1", "cus_1", 10_000).to_string();
    for encoding in ["gzip", "GZIP", "br", "gzip, identity"] {
        let request = post_raw(&world.client, &world.daemon, body.as_bytes());
        let answer = request.header("Content-Encoding", encoding).send().await.unwrap();
        assert_eq!(problem(answer).await, (415, "encoded_body".to_owned()), "{encoding}");
    }
    assert_eq!(world.events().await, 0);
    let request = post_raw(&world.client, &world.daemon, body.as_bytes());
    let answer = request.header("Content-Encoding", "identity").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_slow_body_is_not_waited_for() {
    let world = World::sqlite();
    let daemon = Daemon::start(&world.url, &[("REFERRALD_HTTP__BODY_TIMEOUT_MS", "500")]);
    let mut half = head(&daemon, "Content-Length: 100");
    half.write_all(&[b'x'; 50]).unwrap();
    let started = Instant::now();
    let answer = rest(half);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("slow_body"), "{answer}");
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    // One byte at a time is as slow as none.
    let mut drop_by_drop = head(&daemon, "Content-Length: 100");
    let started = Instant::now();
    while started.elapsed() < PATIENCE && drop_by_drop.write_all(b"x").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    let answer = post_raw(&world.client, &daemon, b"{}").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// A client that got its answer and goes on sending, a byte now and then, must not keep its connection.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_keeps_a_connection_by_sending_for_ever() {
    let world = World::sqlite();
    let daemon = Daemon::start(&world.url, &[("REFERRALD_HTTP__BODY_TIMEOUT_MS", "500")]);
    let (chunked, long) = ("Transfer-Encoding: chunked", "Content-Length: 1000000");
    let cases = [
        ("POST /webhooks/stripe", chunked, "1\r\nx\r\n"),
        ("POST /webhooks/stripe", long, "x"),
        ("POST /webhooks/stripe", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", "1\r\nx\r\n"),
        ("POST /webhooks/stripe", "Content-Encoding: gzip\r\nContent-Length: 1000000", "x"),
        ("PUT /webhooks/stripe", chunked, "1\r\nx\r\n"),
        ("POST /v1/referrals", chunked, "1\r\nx\r\n"),
        ("POST /v1/referrals", long, "x"),
        ("POST /nowhere", chunked, "1\r\nx\r\n"),
        ("GET /healthz", chunked, "1\r\nx\r\n"),
    ];
    let closed = cases.map(|(request, headers, byte)| {
        let mut stream = begin(&daemon, request, headers);
        std::thread::spawn(move || {
            let started = Instant::now();
            while started.elapsed() < PATIENCE && stream.write_all(byte.as_bytes()).is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
            started.elapsed() < PATIENCE
        })
    });
    let closed = closed.map(|thread| thread.join().unwrap());
    let open: Vec<_> = cases.iter().zip(closed).filter(|(_, closed)| !closed).map(|(case, _)| case).collect();
    assert!(open.is_empty(), "still open after a minute: {open:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_event() {
    let world = World::sqlite();
    for headers in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut stream = head(&world.daemon, headers);
        stream.write_all(b"5\r\nhello\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = rest(stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(world.events().await, 0);
}

on_both_databases! {
    async fn probes_answer_in_json(world: World) {
        for (path, word) in [("/healthz", "ok"), ("/readyz", "ready")] {
            let answer = world.client.get(world.daemon.at(path)).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.json().await.unwrap()), (200, json!({ "status": word })));
        }
    }

    async fn the_api_is_for_those_who_have_the_token(world: World) {
        world.with_anna("10").await;
        let almost = &ADMIN_TOKEN[..ADMIN_TOKEN.len() - 1];
        let wrong = [
            None,
            Some(String::new()),
            Some("Bearer".to_owned()),
            Some("Bearer ".to_owned()),
            Some(ADMIN_TOKEN.to_owned()),
            Some(format!("Basic {ADMIN_TOKEN}")),
            Some(format!("Bearer {almost}")),
            Some(format!("Bearer {ADMIN_TOKEN}0")),
            Some(format!("Bearer {ADMIN_TOKEN} {ADMIN_TOKEN}")),
            Some(format!("Bearer {}", ADMIN_TOKEN.to_uppercase())),
        ];
        for (method, path) in [
            (Method::GET, "/v1/entries"),
            (Method::GET, "/v1/entries?nonsense=1"),
            (Method::GET, "/v1/promoters/anna/balance"),
            (Method::GET, "/v1/promoters/nobody/balance"),
            (Method::POST, "/v1/referrals"),
        ] {
            for header in &wrong {
                let mut request = world.client.request(method.clone(), world.daemon.at(path)).body("no JSON");
                if let Some(header) = header {
                    request = request.header("Authorization", header);
                }
                let answer = request.send().await.unwrap();
                let challenge = answer.headers().get("www-authenticate").map(|value| value.as_bytes().to_vec());
                assert_eq!(problem(answer).await, (401, "unauthorized".to_owned()), "{path} {header:?}");
                assert_eq!(challenge.as_deref(), Some(b"Bearer".as_slice()), "{path} {header:?}");
            }
        }
        for scheme in ["Bearer", "bearer", "BEARER "] {
            let request = world.client.get(world.daemon.at("/v1/entries"));
            let answer = request.header("Authorization", format!("{scheme} {ADMIN_TOKEN}")).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{scheme}");
        }
        // Where no token is set, none is right.
        let closed = Daemon::start(&world.url, &[("REFERRALD_API__ADMIN_TOKEN", "")]);
        for token in ["", ADMIN_TOKEN] {
            let answer = world.client.get(closed.at("/v1/entries")).bearer_auth(token).send().await.unwrap();
            assert_eq!(problem(answer).await.0, 401, "{token}");
        }
    }

    async fn an_error_of_a_referral_names_the_field(world: World) {
        world.with_anna("10").await;
        let good = json!({ "code": "ANNA", "customer": "cus_1" });
        let with = |field: &str, value: Value| {
            let mut body = good.clone();
            body[field] = value;
            body.to_string()
        };
        let long = json!("x".repeat(256));
        let later = json!(created() + 3_600);
        for (body, code, field) in [
            (with("custommer", json!("cus_1")), "invalid_body", "custommer"),
            (with("code", json!(17)), "invalid_body", "code"),
            (with("claimed_at", json!("yesterday")), "invalid_body", "claimed_at"),
            (with("claimed_at", json!(1.5)), "invalid_body", "claimed_at"),
            (with("customer", json!({ "id": "cus_1" })), "invalid_body", "customer"),
            (json!({ "customer": "cus_1" }).to_string(), "invalid_body", "code"),
            (json!({ "code": "ANNA" }).to_string(), "invalid_field", "customer, user_id"),
            (with("customer", json!("")), "invalid_field", "customer"),
            (with("customer", json!("cus_\0")), "invalid_field", "customer"),
            (with("customer", long.clone()), "invalid_field", "customer"),
            (with("customer", json!("u_1")), "invalid_field", "customer"),
            (with("customer", json!("cus_")), "invalid_field", "customer"),
            (with("customer", json!("cus_1 2")), "invalid_field", "customer"),
            (with("customer", json!("sub_1")), "invalid_field", "customer"),
            (with("user_id", json!(" ")), "invalid_field", "user_id"),
            (with("invitation_method", long), "invalid_field", "invitation_method"),
            (with("email", json!("nobody")), "invalid_field", "email"),
            (with("code", json!("")), "invalid_field", "code"),
            (with("claimed_at", later), "invalid_field", "claimed_at"),
            (with("claimed_at", json!(i64::MAX)), "invalid_field", "claimed_at"),
            (with("code", json!("NOBODY")), "unknown_code", "code"),
        ] {
            let request = world.client.post(world.daemon.at("/v1/referrals")).bearer_auth(ADMIN_TOKEN);
            let answer = request.body(body.clone()).send().await.unwrap();
            let status = answer.status().as_u16();
            let text = answer.text().await.unwrap();
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((status, problem["code"].as_str()), (422, Some(code)), "{body}: {text}");
            assert!(problem["detail"].as_str().unwrap().contains(field), "{body}: {text}");
        }
        assert_eq!((world.claims().await, world.referrals().await.len()), (0, 0));
    }

    async fn a_referral_that_is_no_json_object_is_refused(world: World) {
        world.with_anna("10").await;
        let good = json!({ "code": "ANNA", "customer": "cus_1" }).to_string();
        let broken = ["", "no JSON", "[]", "null", "{", "\"ANNA\"", "\u{feff}{}",
            "[\"ANNA\", \"cus_1\", null, null, null, null]", "{\"code\":"].map(str::to_owned);
        let twice = good.replacen('{', "{\"code\":\"ANNA\",", 1);
        let trailing = [format!("{good}{good}"), format!("{good} and more"), format!("{good},"), format!("[{good}]")];
        for body in broken.into_iter().chain([twice]).chain(trailing) {
            let request = world.client.post(world.daemon.at("/v1/referrals")).bearer_auth(ADMIN_TOKEN);
            let answer = request.body(body.clone()).send().await.unwrap();
            let is_json = serde_json::from_str::<Value>(&body).is_ok();
            assert_eq!(answer.status(), if is_json { 422 } else { 400 }, "{body}");
            assert_eq!(problem(answer).await.1, "invalid_body", "{body}");
        }
        assert_eq!(world.claims().await, 0);
    }

    async fn an_error_of_a_query_names_the_parameter(world: World) {
        for (query, parameter) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("cursor=next", "cursor"),
            ("promotor=anna", "promotor"),
        ] {
            let request = world.client.get(world.daemon.at(&format!("/v1/entries?{query}")));
            let answer = request.bearer_auth(ADMIN_TOKEN).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{query}");
            let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
            let text = answer.text().await.unwrap();
            assert_eq!(content_type, "application/problem+json", "{query}: {text}");
            assert!(text.contains(parameter), "{query}: {text}");
        }
        let at = world.daemon.at("/v1/promoters/nobody/balance");
        let answer = world.client.get(at).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
        assert_eq!(problem(answer).await, (404, "unknown_promoter".to_owned()));
    }
}

#[tokio::test]
async fn a_database_that_was_never_migrated_is_told_apart_from_one_that_is_away() {
    let sqlite = World::sqlite();
    let directory = tempfile::tempdir().unwrap();
    let empty = format!("sqlite://{}", directory.path().join("empty.db").display());
    for url in [empty, support::postgres::new_database().await] {
        let daemon = Daemon::start(&url, &[("REFERRALD_DATABASE__MIGRATE_ON_START", "false")]);
        let answer = sqlite.client.get(daemon.at("/readyz")).send().await.unwrap();
        assert_eq!(problem(answer).await, (503, "migrations_missing".to_owned()), "{url}");
        let body = invoice_paid("in_1", "cus_1", 10_000).to_string();
        let answer = post_raw(&sqlite.client, &daemon, body.as_bytes()).send().await.unwrap();
        assert_eq!(answer.status(), 503, "{url}");
    }
}
