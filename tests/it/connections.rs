//! How long a connection may be without a request: silent ones, slow ones, and ones that wait for their next request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Daemon, PATIENCE, World};

/// What the server says on a connection until it closes it, and when that is after the last byte was sent.
fn until_closed(daemon: &Daemon, sent: &[u8]) -> (String, Duration) {
    let mut stream = connect(daemon);
    stream.write_all(sent).unwrap();
    let started = Instant::now();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    (String::from_utf8(said).unwrap(), started.elapsed())
}

fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(daemon.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Asks for `/healthz` and reads the answer, which leaves the connection open.
fn is_healthy(stream: &mut TcpStream) -> bool {
    let end = br#"{"status":"ok"}"#;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(end) {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return false;
        }
        answer.extend(byte);
    }
    answer.starts_with(b"HTTP/1.1 200 ")
}

fn world_and_daemon(environment: &[(&str, &str)]) -> (World, Daemon) {
    let world = World::sqlite();
    let daemon = Daemon::start(&world.url, environment);
    (world, daemon)
}

const QUICK: (&str, &str) = ("REFERRALD_HTTP__HEADER_TIMEOUT_MS", "700");

#[tokio::test]
async fn a_silent_connection_is_closed_without_an_answer() {
    let (_world, daemon) = world_and_daemon(&[QUICK]);
    let (said, after) = until_closed(&daemon, b"");
    assert_eq!(said, "");
    assert!(after > Duration::from_millis(500), "{after:?}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let (_world, daemon) = world_and_daemon(&[QUICK]);
    for head in ["P", "POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\n"] {
        let (said, _) = until_closed(&daemon, head.as_bytes());
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
    }
    // A byte now and then is as slow as none.
    let mut stream = connect(&daemon);
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && stream.write_all(b"P").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begun.elapsed() < PATIENCE, "the connection is still open");
}

#[tokio::test]
async fn a_connection_waits_longer_for_its_next_request_than_the_head_of_the_first_may_take() {
    let (_world, daemon) = world_and_daemon(&[("REFERRALD_HTTP__HEADER_TIMEOUT_MS", "4000")]);
    let mut stream = connect(&daemon);
    assert!(is_healthy(&mut stream));
    // That is the server library's own limit, with which load balancers race.
    std::thread::sleep(Duration::from_secs(6));
    assert!(is_healthy(&mut stream), "closed after 6 s");
}

#[tokio::test]
async fn a_connection_does_not_wait_for_its_next_request_for_ever() {
    let limits = [("REFERRALD_HTTP__KEEP_ALIVE_S", "1"), ("REFERRALD_HTTP__HEADER_TIMEOUT_MS", "3000")];
    let (_world, daemon) = world_and_daemon(&limits);
    // On the first nothing follows, on the second a head that does not end.
    for more in ["", "P"] {
        let mut stream = connect(&daemon);
        assert!(is_healthy(&mut stream));
        stream.write_all(more.as_bytes()).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), "", "after {more:?}");
    }
}
