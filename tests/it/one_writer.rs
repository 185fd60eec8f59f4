//! One writer a ledger: every transaction that changes it takes the row `ledger_head` first. What that promises to
//! writers that wait, and to whoever reads the entries by cursor.

use std::time::Duration;

use crate::support::events::*;
use crate::support::{ADMIN_TOKEN, Daemon, World, command, eventually, post_event, post_raw};
use futures_util::future::join_all;
use reqwest::Response;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};

const SOON: [(&str, &str); 1] = [("REFERRALD_DATABASE__LOCK_TIMEOUT_MS", "300")];

/// Takes the lock as somebody at the SQL prompt would, on a connection that holds it until it is closed.
async fn hold(world: &World) -> DatabaseConnection {
    if world.is_sqlite() {
        return world.hold_sqlite().await;
    }
    let db = Database::connect(ConnectOptions::new(&world.url).max_connections(1).to_owned()).await.unwrap();
    db.execute_unprepared("BEGIN; SELECT * FROM ledger_head FOR UPDATE").await.unwrap();
    db
}

async fn claim(world: &World, daemon: &Daemon, customer: &str) -> Response {
    let body = json!({ "code": "ANNA", "customer": customer }).to_string();
    world.client.post(daemon.at("/v1/referrals")).bearer_auth(ADMIN_TOKEN).body(body).send().await.unwrap()
}

fn asks_to_come_again(answer: &Response) {
    assert_eq!(answer.status(), 503);
    let seconds = answer.headers()["retry-after"].to_str().unwrap();
    assert!(seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0), "{seconds}");
}

on_both_databases! {
    async fn a_command_waits_longer_than_a_request_and_says_for_what(world: World) {
        world.with_anna("10").await;
        let held = hold(&world).await;
        let mut command = command(&world.url);
        command.envs(SOON).env("REFERRALD_DATABASE__STATEMENT_TIMEOUT_MS", "500");
        command.args(["program", "create", "late", "--rate", "5"]);
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
        // Longer than requests wait here, and than the second after which it speaks.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(!ended.is_finished());
        held.close().await.unwrap();
        let output = ended.await.unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        assert_eq!(told.matches("waiting for the lock of the ledger").count(), 1, "{told}");
        assert!(world.cli_ok(&["program", "list"]).contains("late"));
        // Where nobody holds it, nothing is said.
        let output = world.cli(&["promoter", "create", "bert"]);
        assert_eq!((output.status.success(), output.stderr.as_slice()), (true, b"".as_slice()));
    }

    async fn a_lock_that_is_not_had_in_time_is_a_503_and_nothing_is_lost(world: World) {
        world.with_anna("10").await;
        let daemon = Daemon::start(&world.url, &SOON);
        let sale = invoice_paid("in_1", "cus_1", 10_000);
        let held = hold(&world).await;
        asks_to_come_again(&post_raw(&world.client, &daemon, sale.to_string().as_bytes()).send().await.unwrap());
        asks_to_come_again(&claim(&world, &daemon, "cus_1").await);
        // Readers do not wait.
        assert_eq!(world.entries().await, []);
        held.close().await.unwrap();
        let taken = async || post_event(&world.client, &daemon, &sale).await.0 == 200;
        eventually("the sale is taken", taken).await;
        let taken = async || claim(&world, &daemon, "cus_1").await.status().is_success();
        eventually("the claim is taken", taken).await;
        assert_eq!(world.sums("in_1").await, (1_000, 0));
    }

    async fn who_follows_the_entries_by_cursor_sees_each_once_and_in_order(world: World) {
        const SALES: usize = 40;
        world.with_anna("10").await;
        world.refer("ANNA", "cus_1").await;
        let replicas = [world.replica(), world.replica()];
        let daemons = [&world.daemon, &replicas[0], &replicas[1]];
        let writing = daemons.iter().enumerate().map(|(writer, daemon)| {
            let world = &world;
            async move {
                for number in 0..SALES {
                    let id = |prefix: &str| format!("{prefix}_{writer}_{number}");
                    let sale = legacy_invoice_paid(&id("in"), "cus_1", 10_000, &id("pi"));
                    let refund = charge_refunded(&id("pi"), "cus_1", 10_000, 5_000);
                    // One writer's sale and its refund go through two replicas at once.
                    let other = daemons[(writer + 1) % daemons.len()];
                    let told = tokio::join!(
                        post_event(&world.client, daemon, &sale),
                        post_event(&world.client, other, &refund)
                    );
                    assert_eq!((told.0.0, told.1.0), (200, 200));
                }
            }
        });
        let expected = daemons.len() * SALES * 2;
        let reading = async {
            let mut seen: Vec<Value> = Vec::new();
            while seen.len() < expected {
                let cursor = seen.last().map_or(0, |entry| entry["id"].as_i64().unwrap());
                let page = world.get(&format!("/v1/entries?limit=7&cursor={cursor}")).await;
                seen.extend(page["data"].as_array().unwrap().iter().cloned());
                // Close at the writers' heels.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            seen
        };
        let (seen, _) = tokio::join!(tokio::time::timeout(Duration::from_mins(4), reading), join_all(writing));
        let seen = seen.expect("the reader misses some");
        assert_eq!(seen, world.all("/v1/entries").await, "what it saw is what there is");
        let ids: Vec<i64> = seen.iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
        assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "no gap, in order of commit: {ids:?}");
        assert!(world.event_numbers().await.into_iter().eq(1..=i64::try_from(expected).unwrap()));
        assert!(seen.is_sorted_by_key(|entry| entry["posted_at"].as_i64().unwrap()), "posted_at never falls");
        assert_eq!(world.earned("anna").await, i64::try_from(expected / 2).unwrap() * 500);
    }
}

/// A session that takes the lock and sleeps: others wait, then they are told to come again, and when it is gone they need
/// nobody's help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_holder_makes_others_wait_and_its_end_sets_them_free() {
    let world = World::postgres().await;
    world.with_anna("10").await;
    world.refer("ANNA", "cus_1").await;
    let (patient, hasty) = (world.replica(), Daemon::start(&world.url, &SOON));
    let holder = world.connection().await;
    let stalls = "BEGIN; SELECT * FROM ledger_head FOR UPDATE; SELECT pg_sleep(3); COMMIT";
    let stalled = tokio::spawn(async move { holder.execute_unprepared(stalls).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let [first, second] = ["in_1", "in_2"].map(|invoice| invoice_paid(invoice, "cus_1", 10_000));
    // Which waits until the other session ends, and is then posted.
    let waiting = post_event(&world.client, &patient, &first);
    let refused = async {
        let body = second.to_string();
        asks_to_come_again(&post_raw(&world.client, &hasty, body.as_bytes()).send().await.unwrap());
        let taken = async || post_event(&world.client, &hasty, &second).await.0 == 200;
        eventually("the event is taken by the same daemon", taken).await;
    };
    let ((status, answer), ()) = tokio::join!(waiting, refused);
    assert_eq!((status, &answer["outcome"]), (200, &json!("posted")));
    stalled.await.unwrap();
    assert_eq!(world.earned("anna").await, 2_000);
}
