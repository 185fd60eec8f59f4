//! A disk without room: nothing is acknowledged, `/readyz` says so, and the daemon goes on by itself once there is room.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::events::*;
use crate::support::{Daemon, REFERRALD, World, command, eventually, post_event};
use referrald::settings::Settings;
use referrald::store::Database;
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::{Value, json};

/// Bytes up to which the daemon of the test may write a file. Below what its large event takes, above the index of SQLite's
/// log, without which it could not even start.
const LIMIT_KIB: u32 = 48;

/// Status and code of `/readyz`.
async fn ready(world: &World, daemon: &Daemon) -> (u16, String) {
    let answer = world.client.get(daemon.at("/readyz")).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// A daemon whose files cannot grow, as on a full disk: a limit of the process, which needs no rights to set.
fn without_room(world: &World) -> Daemon {
    let environment = command(&world.url);
    let mut limited = Command::new("bash");
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -S -f {LIMIT_KIB}; exec {REFERRALD} serve")]);
    limited.env_clear();
    limited.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Daemon::run(limited)
}

fn make_room(daemon: &Daemon) {
    let pid = daemon.pid().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap();
    assert!(lifted.success());
}

/// A sale whose body does not become smaller than the limit.
fn large_sale() -> Value {
    let mut sale = invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA");
    let noise: Vec<String> = (0..4_000).map(|_| fresh("")).collect();
    sale["data"]["object"]["metadata"] = json!({ "noise": noise });
    sale
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nothing_can_be_committed_readyz_says_so_and_recovers_by_itself() {
    let world = World::sqlite();
    world.with_anna("10").await;
    let daemon = without_room(&world);
    assert_eq!(ready(&world, &daemon).await, (200, String::new()));
    let sale = large_sale();
    assert_eq!(post_event(&world.client, &daemon, &sale).await.0, 503);
    for _ in 0..3 {
        assert_eq!(
            ready(&world, &daemon).await,
            (503, "database_not_writable".to_owned()),
            "{}",
            daemon.log()
        );
    }
    assert_eq!(world.events().await, 0);
    make_room(&daemon);
    let is_ready = async || ready(&world, &daemon).await.0 == 200;
    eventually("it is ready again", is_ready).await;
    assert_eq!(post_event(&world.client, &daemon, &sale).await.0, 200);
    assert_eq!(world.sums("in_1").await, (1_000, 0));
}

/// Reads what is newest; of some that do so there is always one in the middle of it.
async fn read_again_and_again(db: Database) {
    loop {
        let txn = db.reader().begin().await.unwrap();
        let head = Statement::from_string(db.backend(), "SELECT seq FROM ledger_head");
        txn.query_one_raw(head).await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        txn.rollback().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_sqlite_stays_small_where_readers_follow_each_other_without_a_gap() {
    const MB: u64 = 1_048_576;
    let world = World::sqlite();
    let environment = [("DATABASE_URL".to_owned(), world.url.clone())];
    let db = Database::connect(&Settings::load_from(None, environment).unwrap().database).await.unwrap();
    let log = world.url.trim_start_matches("sqlite://").split('?').next().unwrap().to_owned() + "-wal";
    let readers: Vec<_> = (0..3).map(|_| tokio::spawn(read_again_and_again(db.clone()))).collect();
    let sql = "INSERT INTO write_probe (id, bytes) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes";
    let mut largest = 0;
    for round in 0..100_u8 {
        let bytes = vec![round; 4 * 1_048_576];
        db.bookkeep(Statement::from_sql_and_values(db.backend(), sql, [bytes.into()])).await.unwrap();
        db.checkpoint(true).await.unwrap();
        largest = largest.max(Path::new(&log).metadata().unwrap().len() / MB);
    }
    for reader in readers {
        reader.abort();
    }
    assert!(largest < 200, "{largest} MB");
}
