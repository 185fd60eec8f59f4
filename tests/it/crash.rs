//! What is acknowledged is kept: crashes, a database that goes away, clients that hang up, and stops under load.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support;
use crate::support::events::{charge_refunded, invoice_paid, legacy_invoice_paid};
use crate::support::postgres::Cluster;
use crate::support::{Daemon, SECRET, World, eventually, post_event, post_raw};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use referrald::settings::Settings;
use referrald::store::Database;
use serde_json::Value;

/// Sales that each burst sends; every second one is refunded by half.
const SALES: usize = 120;
/// Stripe takes a webhook that is not answered by then as failed.
const STRIPE_WAITS: Duration = Duration::from_secs(10);

/// One burst: a sale for each number, and for every second number its refund, in an order that mixes both.
fn burst(round: usize) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    for number in 0..SALES {
        let id = |prefix: &str| format!("{prefix}_{round}_{number}");
        let sale = legacy_invoice_paid(&id("in"), "cus_1", 10_000, &id("pi"));
        let refund = charge_refunded(&id("pi"), "cus_1", 10_000, 5_000);
        if number % 4 == 0 {
            events.push(refund.clone());
        }
        events.push(sale);
        if number % 4 == 2 {
            events.push(refund);
        }
    }
    events
}

/// Sends events from 16 clients at once; the ids of those that were acknowledged go to the journal.
async fn send_all(daemon: &Daemon, events: &[Value], journal: &Arc<Mutex<BTreeSet<String>>>) {
    let client = support::client();
    let clients = (0..16).map(|first| {
        let (client, journal) = (client.clone(), Arc::clone(journal));
        async move {
            for event in events.iter().skip(first).step_by(16) {
                let body = event.to_string();
                let Ok(answer) = post_raw(&client, daemon, body.as_bytes()).send().await else { return };
                if answer.status() == 200 {
                    journal.lock().unwrap().insert(event["id"].as_str().unwrap().to_owned());
                }
            }
        }
    });
    futures_util::future::join_all(clients).await;
}

async fn kill_in_the_middle_of_bursts(mut world: World) {
    world.with_anna("10").await;
    world.refer("ANNA", "cus_1").await;
    let journal = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..6 {
        let events = burst(round);
        let doomed = std::mem::replace(&mut world.daemon, Daemon::start(&world.url, &[]));
        let (pid, delay) =
            (doomed.pid().to_string(), Duration::from_millis(15 + 35 * u64::try_from(round).unwrap()));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(delay);
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
        });
        let before = journal.lock().unwrap().len();
        send_all(&doomed, &events, &journal).await;
        killer.join().unwrap();
        drop(doomed);
        let acknowledged = journal.lock().unwrap().len() - before;
        println!("round {round}: {acknowledged} of {} acknowledged before the kill", events.len());
        let kept = world.event_ids().await;
        let lost: Vec<_> = journal.lock().unwrap().difference(&kept).cloned().collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        // Stripe sends again what it got no 2xx for, and may send again what it did.
        let all = (round + 1) * events.len();
        let resent = async || {
            send_all(&world.daemon, &events, &journal).await;
            journal.lock().unwrap().len() == all
        };
        eventually("everything is acknowledged", resent).await;
    }
    assert_eq!(journal.lock().unwrap().len(), 6 * burst(0).len());
    let (sales, refunds) = (6 * 120, 6 * 60);
    let entries = world.entries().await;
    assert_eq!(entries.len(), sales + refunds, "each sale and each refund once");
    let earned = i64::try_from(sales * 1_000 - refunds * 500).unwrap();
    assert_eq!(world.earned("anna").await, earned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_kill_9_in_the_middle_of_bursts_loses_nothing_on_sqlite() {
    kill_in_the_middle_of_bursts(World::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_kill_9_in_the_middle_of_bursts_loses_nothing_on_postgres() {
    kill_in_the_middle_of_bursts(World::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_postgres_may_stop_and_start_again() {
    let cluster = Cluster::start();
    let url = cluster.url();
    let limits =
        [("REFERRALD_INTAKE__ANSWER_WITHIN_MS", "1400"), ("REFERRALD_DATABASE__ACQUIRE_TIMEOUT_MS", "1000")];
    let daemon = Daemon::start(&url, &limits);
    let client = support::client();
    let status = async |path: &str| client.get(daemon.at(path)).send().await.unwrap().status().as_u16();
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 200));
    for round in 0..3 {
        cluster.down();
        let event = invoice_paid(&format!("in_{round}"), "cus_1", 10_000);
        for _ in 0..3 {
            let started = Instant::now();
            let answer = post_raw(&client, &daemon, event.to_string().as_bytes()).send().await.unwrap();
            let took = started.elapsed();
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
            assert!(took < STRIPE_WAITS, "503 after {took:?}");
        }
        assert_eq!((status("/healthz").await, status("/readyz").await), (200, 503));
        cluster.up();
        let back = async || post_event(&client, &daemon, &event).await.0 == 200;
        eventually("the webhook works again", back).await;
        assert_eq!(status("/readyz").await, 200);
    }
    let verified = support::command(&url).arg("verify").output().unwrap();
    assert!(String::from_utf8_lossy(&verified.stdout).contains("3 invoices checked: the ledger holds"));
}

async fn no_idle_transaction(world: &World) {
    let none = async || world.idle_transactions().await == 0;
    eventually("no transaction is left behind", none).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_lose_no_event_and_leave_no_transaction() {
    let world = World::postgres().await;
    let events: Vec<Value> =
        (0..300).map(|number| invoice_paid(&format!("in_{number}"), "cus_1", 10_000)).collect();
    for (number, event) in events.iter().enumerate() {
        let body = event.to_string();
        let header = referrald::stripe::sign(&SECRET.into(), support::now(), body.as_bytes());
        let mut socket = TcpStream::connect(world.daemon.address()).unwrap();
        let length = body.len();
        let request = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nStripe-Signature: {header}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).unwrap();
        // Some hang up at once, some while the event is being committed.
        std::thread::sleep(Duration::from_micros(u64::try_from(number % 10).unwrap() * 300));
        drop(socket);
    }
    // Whoever hung up before the request was read may send again; nothing counts twice.
    for event in &events {
        world.send(event).await;
    }
    assert_eq!((world.events().await, world.paid_invoices().await), (300, 300));
    no_idle_transaction(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_that_is_dropped_half_way_harms_no_later_write() {
    let sqlite = World::sqlite();
    let postgres = World::postgres().await;
    for world in [&sqlite, &postgres] {
        let environment = [("DATABASE_URL".to_owned(), world.url.clone())];
        let mut settings = Settings::load_from(None, environment).unwrap();
        settings.database.max_connections = 2;
        let db = Database::connect(&settings.database).await.unwrap();
        let now = support::now();
        for polls in (1..8).cycle().take(28) {
            // Dropped while the connection is fetched, while BEGIN is under way, or right after.
            let mut begin = Box::pin(db.begin_exclusive(now));
            for _ in 0..polls {
                if futures_util::poll!(&mut begin).is_ready() {
                    break;
                }
                std::thread::sleep(Duration::from_micros(400));
            }
            drop(begin);
            if world.url.starts_with("postgres") {
                no_idle_transaction(world).await;
            }
        }
        for number in 0..20 {
            let user = format!("user_{number}");
            referrald::service::promoters::create_promoter(&db, &user, None, support::now()).await.unwrap();
        }
        db.close().await.unwrap();
        assert_eq!(world.listed("promoter").len(), 20, "{}", world.url);
    }
}

async fn stop_under_load(mut world: World) {
    let events = burst(0);
    let journal = Arc::new(Mutex::new(BTreeSet::new()));
    let pid = world.daemon.pid().to_string();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(60));
        std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    });
    send_all(&world.daemon, &events, &journal).await;
    stopper.join().unwrap();
    let (code, took) = world.daemon.wait();
    assert_eq!(code, Some(0), "{}", world.daemon.log());
    assert!(took < support::PATIENCE, "stopped after {took:?}");
    let acknowledged = journal.lock().unwrap().clone();
    println!("{} of {} acknowledged before the stop", acknowledged.len(), events.len());
    let kept = world.event_ids().await;
    assert!(acknowledged.is_subset(&kept));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_answers_what_is_in_flight_and_exits_with_0_on_sqlite() {
    stop_under_load(World::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_answers_what_is_in_flight_and_exits_with_0_on_postgres() {
    stop_under_load(World::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigint_stops_too_and_an_idle_keep_alive_connection_does_not_hold_it_up() {
    let world = World::sqlite();
    let mut daemon = Daemon::start(&world.url, &[("REFERRALD_HTTP__DRAIN_TIMEOUT_S", "300")]);
    let mut idle = TcpStream::connect(daemon.address()).unwrap();
    idle.write_all(
        b"GET /healthz HTTP/1.1
Host: x

",
    )
    .unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let (code, took) = daemon.signal("-INT");
    assert_eq!(code, Some(0));
    assert!(took < support::PATIENCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_drains_readyz_says_so_and_events_are_still_taken() {
    let world = World::sqlite();
    let daemon = Daemon::start(&world.url, &[("REFERRALD_HTTP__DRAIN_NOTICE_MS", "3600000")]);
    std::process::Command::new("kill").args(["-TERM", &daemon.pid().to_string()]).status().unwrap();
    let draining = async || {
        let answer = world.client.get(daemon.at("/readyz")).send().await.unwrap();
        answer.status() == 503 && answer.text().await.unwrap().contains("\"draining\"")
    };
    eventually("/readyz says draining", draining).await;
    let (status, _) = post_event(&world.client, &daemon, &invoice_paid("in_1", "cus_1", 10_000)).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_is_bounded_in_bytes_too() {
    let world = World::sqlite();
    let daemon = Daemon::start(&world.url, &[("REFERRALD_INTAKE__QUEUE_BYTES", "16777216")]);
    let db = world.hold_sqlite().await;
    let large = |number: usize| {
        let mut event = invoice_paid(&format!("in_{number}"), "cus_1", 10_000);
        event["data"]["object"]["description"] = "x".repeat(1_000_000).into();
        event
    };
    let events: Vec<Value> = (0..24).map(large).collect();
    let mut answers: FuturesUnordered<_> =
        events.iter().map(|event| post_event(&world.client, &daemon, event)).collect();
    // While the database is held, nobody else is answered.
    let (status, body) = answers.next().await.unwrap();
    assert_eq!((status, body["detail"].as_str()), (503, Some("too many events are waiting")));
    db.close().await.unwrap();
    while let Some((status, body)) = answers.next().await {
        assert!(status == 200 || body["detail"] == "too many events are waiting", "{status} {body}");
    }
    // What was not let in is sent again.
    for event in &events {
        let taken = async || post_event(&world.client, &daemon, event).await.0 == 200;
        eventually("the event is taken", taken).await;
    }
    assert_eq!(world.paid_invoices().await, 24);
}
