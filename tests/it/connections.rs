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

/// The status of an answer that leaves the connection open, 0 when it is closed.
fn ask(stream: &mut TcpStream, path: &str) -> u16 {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return 0;
        }
        head.push(char::from(byte[0]));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
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
    assert_eq!(ask(&mut stream, "/healthz"), 200);
    // That is the server library's own limit, with which load balancers race.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(ask(&mut stream, "/healthz"), 200, "closed after 6 s");
}

#[tokio::test]
async fn a_connection_does_not_wait_for_its_next_request_for_ever() {
    let limits = [("REFERRALD_HTTP__KEEP_ALIVE_S", "1"), ("REFERRALD_HTTP__HEADER_TIMEOUT_MS", "3000")];
    let (_world, daemon) = world_and_daemon(&limits);
    // Nothing follows, or a head that does not end.
    for (path, status, more) in [("/healthz", 200, ""), ("/healthz", 200, "P"), ("/%00", 404, "P")] {
        let mut stream = connect(&daemon);
        assert_eq!(ask(&mut stream, path), status);
        stream.write_all(more.as_bytes()).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), "", "{path}, then {more:?}");
    }
}
