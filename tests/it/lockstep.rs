//! Two replicas on one PostgreSQL, of which one stands still in the middle of its transaction while the other is told
//! something of the same customer. No difference may get lost, and no deadlock may come up.
//!
//! The daemons are as they are. Triggers of the test make the transactions of one of them wait for a lock that the test
//! holds: everything is read then, and nothing is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::events::*;
use crate::support::{ADMIN_TOKEN, Daemon, PATIENCE, World, eventually, post_raw};
use futures_util::future::join_all;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// A deadlock that is tried again is logged.
const SETTINGS: [(&str, &str); 1] = [("REFERRALD_LOG__FILTER", "info,referrald=debug")];

/// The triggers: they wait while the test holds the lock of their point, and only on connections of the daemon that was
/// started with `lockstep.held`. A deferred trigger runs inside COMMIT, when every statement is done.
const TRIGGERS: &str = "
    CREATE FUNCTION lockstep_hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock_shared(424242, TG_ARGV[0]::int);
        RETURN NEW;
    END $$;
    DO $$ DECLARE name text; rest text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            rest := format('ON %I %%s FOR EACH ROW WHEN (current_setting(''lockstep.held'', true) = ''yes'')
                EXECUTE FUNCTION lockstep_hold', name);
            EXECUTE 'CREATE TRIGGER lockstep_first BEFORE INSERT ' || format(rest, '') || '(1)';
            EXECUTE 'CREATE CONSTRAINT TRIGGER lockstep_commit AFTER INSERT '
                || format(rest, 'DEFERRABLE INITIALLY DEFERRED') || '(2)';
        END LOOP;
    END $$";

/// Where the first transaction stands still.
#[derive(Debug, Clone, Copy)]
enum Point {
    FirstWrite = 1,
    Commit = 2,
}

/// A request that tells something.
enum Told {
    Event(Value),
    Claim(Value),
}

use Told::{Claim, Event};

/// Σ by (invoice, promoter, kind), without those that are 0.
type Sums = BTreeMap<(String, String, String), i64>;

/// What one invoice earns and loses, and whose it is.
fn sums_of(invoice: &str, promoter: &str, sums: &[(&str, i64)]) -> Sums {
    let key = |kind: &str| (invoice.to_owned(), promoter.to_owned(), kind.to_owned());
    sums.iter().map(|(kind, sum)| (key(kind), *sum)).collect()
}

/// What is told of one payment of $100.00: what is known before, the two that meet, and the sums worked out by hand.
struct Pair {
    name: &'static str,
    before: Vec<Told>,
    first: Told,
    second: Told,
    expected: Sums,
}

/// 10 % for anna, 20 % for bert; $30.00 are refunded.
fn pairs() -> Vec<Pair> {
    let sale = |name: &str| Event(invoice_paid(&format!("in_{name}"), &format!("cus_{name}"), 10_000));
    let link = |name: &str| Event(invoice_payment(&format!("in_{name}"), &format!("pi_{name}"), 10_000));
    let refunded = |name: &str| {
        let (id, payment) = (format!("re_{name}"), format!("pi_{name}"));
        Event(refund("refund.created", &id, &payment, 3_000, "succeeded"))
    };
    let claim = |name: &str, code: &str, ago: i64| {
        let claimed_at = created() - ago;
        Claim(json!({ "code": code, "customer": format!("cus_{name}"), "claimed_at": claimed_at }))
    };
    let anna = |name: &str| claim(name, "ANNA", 60);
    // Of two claims the earlier one wins, however late it arrives.
    let bert = |name: &str| claim(name, "BERT", 120);
    let pair = |name, before, first, second, promoter: &str, sums: &[(&str, i64)]| Pair {
        name,
        before,
        first,
        second,
        expected: sums_of(&format!("in_{name}"), promoter, sums),
    };
    let (earned, less) = (("commission", 1_000), ("refund", -300));
    let twice = || Event(with_id("evt_twice", invoice_paid("in_same", "cus_same", 10_000)));
    vec![
        pair("sr", vec![link("sr"), anna("sr")], sale("sr"), refunded("sr"), "anna", &[earned, less]),
        pair("rs", vec![link("rs"), anna("rs")], refunded("rs"), sale("rs"), "anna", &[earned, less]),
        pair("sc", vec![], sale("sc"), anna("sc"), "anna", &[earned]),
        pair("cs", vec![], anna("cs"), sale("cs"), "anna", &[earned]),
        pair("cc", vec![sale("cc")], anna("cc"), bert("cc"), "bert", &[("commission", 2_000)]),
        pair("ce", vec![sale("ce")], bert("ce"), anna("ce"), "bert", &[("commission", 2_000)]),
        pair("same", vec![anna("same")], twice(), twice(), "anna", &[earned]),
    ]
}

fn with_id(id: &str, mut event: Value) -> Value {
    event["id"] = json!(id);
    event
}

/// Two replicas on one database, of which the one of the world stands still where the test says.
struct Replicas {
    world: World,
    there: Daemon,
    /// One connection: it is the holder of the locks.
    db: DatabaseConnection,
}

impl Replicas {
    async fn start() -> Self {
        let mut world = World::postgres().await;
        world.with_anna("10").await;
        world.program("other", "--rate 20").await;
        world.with_promoter("bert", "other").await;
        let db =
            Database::connect(ConnectOptions::new(&world.url).max_connections(1).to_owned()).await.unwrap();
        db.execute_unprepared(TRIGGERS).await.unwrap();
        world.daemon = Daemon::start(&format!("{}?options[lockstep.held]=yes", world.url), &SETTINGS);
        let there = Daemon::start(&world.url, &SETTINGS);
        Self { world, there, db }
    }

    /// The status of the answer, 0 without one; it is waited for elsewhere.
    fn tell(&self, daemon: &Daemon, told: &Told) -> JoinHandle<u16> {
        let client = &self.world.client;
        let request = match told {
            Event(event) => post_raw(client, daemon, event.to_string().as_bytes()),
            Claim(claim) => {
                let request = client.post(daemon.at("/v1/referrals")).bearer_auth(ADMIN_TOKEN);
                request.body(claim.to_string())
            }
        };
        tokio::spawn(async move { request.send().await.map_or(0, |answer| answer.status().as_u16()) })
    }

    /// Tells it to the replica that stands still. Returns the process of PostgreSQL that works for it.
    async fn tell_and_hold(&self, told: &Told, point: Point) -> (JoinHandle<u16>, i64) {
        self.number(&format!("SELECT 0 FROM pg_advisory_lock(424242, {})", point as i32)).await;
        let answer = self.tell(&self.world.daemon, told);
        let stands = "SELECT COALESCE(MAX(pid), 0) FROM pg_locks WHERE classid = 424242 AND NOT granted \
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let process = self.number_or_answer(stands, &answer).await;
        assert_ne!(process, 0, "it has not stood still at {point:?}");
        (answer, process)
    }

    async fn go_on(&self, point: Point) {
        self.number(&format!("SELECT 0 FROM pg_advisory_unlock(424242, {})", point as i32)).await;
    }

    /// Tells the first of the pair, which stands still; then the second, until it is answered or waits as well; then
    /// lets the first go on.
    async fn tell_in_lock_step(&self, pair: &Pair, point: Point) {
        let (first, held) = self.tell_and_hold(&pair.first, point).await;
        let second = self.tell(&self.there, &pair.second);
        let waits = format!(
            "SELECT COUNT(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> {held}"
        );
        self.number_or_answer(&waits, &second).await;
        self.go_on(point).await;
        for status in [first.await.unwrap(), second.await.unwrap()] {
            assert!(matches!(status, 200 | 201), "{} at {point:?}: {status}", pair.name);
        }
    }

    /// The number of a query as soon as it is not 0; 0 when the request is answered before.
    async fn number_or_answer(&self, sql: &str, told: &JoinHandle<u16>) -> i64 {
        let started = Instant::now();
        loop {
            let number = self.number(sql).await;
            if number != 0 || told.is_finished() || started.elapsed() > PATIENCE {
                return number;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// One number of the first row of a query, by the connection that holds the locks.
    async fn number(&self, sql: &str) -> i64 {
        let sql = format!("SELECT CAST(number AS BIGINT) FROM ({sql}) AS of_query (number)");
        let row = self.db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await;
        row.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    async fn sums(&self) -> Sums {
        let promoters: BTreeMap<String, String> = self
            .world
            .listed("promoter")
            .iter()
            .map(|row| ["promoter", "user_id"].map(|field| row[field].as_str().unwrap().to_owned()))
            .map(|[id, user]| (id, user))
            .collect();
        let mut sums = Sums::new();
        for entry in self.world.all("/v1/entries").await {
            let [promoter, invoice, kind] =
                ["promoter", "invoice", "kind"].map(|field| entry[field].as_str().unwrap().to_owned());
            *sums.entry((invoice, promoters[&promoter].clone(), kind)).or_default() +=
                entry["amount"].as_i64().unwrap();
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    /// The ledger holds these sums and nothing else, nothing waits, and no transaction was the victim of a deadlock.
    async fn end_with(mut self, expected: Sums) {
        assert_eq!(self.sums().await, expected);
        assert_eq!(self.world.parked().await, 0, "everything is told");
        self.world.check_invariants();
        // A connection that ends tells its statistics.
        for daemon in [&mut self.world.daemon, &mut self.there] {
            daemon.signal("-KILL");
        }
        let all_told = async || {
            let open = "SELECT COUNT(*) FROM pg_stat_activity \
                        WHERE datname = current_database() AND application_name = 'referrald'";
            self.number(open).await == 0
        };
        eventually("the connections end", all_told).await;
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(self.number(deadlocks).await, 0, "deadlocks");
        for daemon in [&self.world.daemon, &self.there] {
            assert!(!daemon.log().contains("deadlock"), "{}", daemon.log());
        }
    }
}

async fn every_pair(point: Point) {
    let replicas = Replicas::start().await;
    let mut expected = Sums::new();
    for mut pair in pairs() {
        for told in &pair.before {
            assert!(
                matches!(replicas.tell(&replicas.there, told).await.unwrap(), 200 | 201),
                "{}",
                pair.name
            );
        }
        replicas.tell_in_lock_step(&pair, point).await;
        expected.append(&mut pair.expected);
    }
    replicas.end_with(expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_told_while_the_first_is_about_to_write_loses_nothing() {
    every_pair(Point::FirstWrite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_told_while_the_first_is_about_to_commit_loses_nothing() {
    every_pair(Point::Commit).await;
}

/// As when a server between them goes away: whoever holds the lock cannot say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_in_the_middle_of_a_transaction_loses_nothing() {
    for point in [Point::FirstWrite, Point::Commit] {
        let replicas = Replicas::start().await;
        let told = [
            Event(invoice_paid_with_code("in_1", "cus_1", 10_000, "ANNA")),
            Event(invoice_payment("in_1", "pi_1", 10_000)),
            Event(refund("refund.created", "re_1", "pi_1", 3_000, "succeeded")),
        ];
        let [sale, link, refund] = &told;
        let (first, held) = replicas.tell_and_hold(sale, point).await;
        let rest = [link, refund].map(|told| replicas.tell(&replicas.there, told));
        replicas.number(&format!("SELECT CAST(pg_terminate_backend({held}) AS INT)")).await;
        replicas.go_on(point).await;
        assert!(matches!(first.await.unwrap(), 200 | 503), "{point:?}");
        for status in join_all(rest).await {
            assert_eq!(status.unwrap(), 200, "{point:?}");
        }
        for told in &told {
            let told_again = async || replicas.tell(&replicas.world.daemon, told).await.unwrap() == 200;
            eventually("it is told again", told_again).await;
        }
        let sums = [("commission", 1_000), ("refund", -300)];
        replicas.end_with(sums_of("in_1", "anna", &sums)).await;
    }
}

/// Rounds of three payments of two customers. One replica hears everything in one order, the other in the reverse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_hear_the_same_in_opposite_orders_never_deadlock() {
    let replicas = Replicas::start().await;
    let mut expected = Sums::new();
    for round in 0..12 {
        let mut told = Vec::new();
        for number in 0..3 {
            let id = |prefix: &str| format!("{prefix}_{round}_{number}");
            let (invoice, pi, customer) = (id("in"), id("pi"), format!("cus_{round}_{}", number % 2));
            told.extend([
                Event(refund("refund.created", &id("re"), &pi, 3_000, "succeeded")),
                Event(invoice_paid(&invoice, &customer, 10_000)),
                Event(dispute(&id("du"), &pi, 2_000, "usd", "needs_response")),
                Event(invoice_payment(&invoice, &pi, 10_000)),
            ]);
            if number < 2 {
                told.push(Claim(json!({ "code": "ANNA", "customer": customer })));
            }
            let sums = [("commission", 1_000), ("refund", -300), ("dispute", -200)];
            expected.append(&mut sums_of(&invoice, "anna", &sums));
        }
        let here = told.iter().map(|told| replicas.tell(&replicas.world.daemon, told));
        let mut answers: Vec<_> = here.collect();
        answers.extend(told.iter().rev().map(|told| replicas.tell(&replicas.there, told)));
        for status in join_all(answers).await {
            assert!(matches!(status.unwrap(), 200 | 201), "round {round}");
        }
    }
    replicas.end_with(expected).await;
}
