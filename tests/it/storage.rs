//! A disk without room: nothing is acknowledged, `/readyz` says so, and the daemon goes on by itself once there is room.

use std::process::Command;

use crate::support::events::*;
use crate::support::{Daemon, REFERRALD, World, command, eventually, post_event};
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
