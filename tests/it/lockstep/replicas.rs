//! Two replicas on one database, of which one stands still where the test says.
//!
//! The daemons are as they are. Triggers of the test make the transactions of one of them wait for a lock that the test
//! holds. That lock has two numbers: PostgreSQL keeps such locks apart from those of one number, which the daemon takes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, QueryResult, Statement,
};
use tokio::task::JoinHandle;

use super::case::{Case, Sums, Told};
use crate::support::{ADMIN_TOKEN, Daemon, World, eventually, post_raw};

/// How long anything may take that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// A request that stands still is not answered 503 meanwhile, and a deadlock that is tried again is logged.
const SETTINGS: [(&str, &str); 2] =
    [("REFERRALD_INTAKE__ANSWER_WITHIN_MS", "10000"), ("REFERRALD_LOG__FILTER", "info,referrald=debug")];

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

/// Where the first transaction stands still: it has taken its locks and read everything.
#[derive(Debug, Clone, Copy)]
pub enum Point {
    FirstWrite,
    Commit,
}

/// Two replicas on one database, of which the one of the world stands still where the test says.
pub struct Replicas {
    pub world: World,
    pub there: Daemon,
    /// One connection: it is the holder of the locks.
    db: DatabaseConnection,
}

impl Replicas {
    pub async fn start() -> Self {
        let mut world = World::postgres().await;
        world.with_anna("10").await;
        world.program("other", "--rate 20").await;
        world.promoter("bert").await;
        world.code("BERT", "bert", "other").await;
        let db =
            Database::connect(ConnectOptions::new(&world.url).max_connections(1).to_owned()).await.unwrap();
        for sql in [TRIGGERS, "SET lock_timeout = '10s'"] {
            db.execute_unprepared(sql).await.unwrap();
        }
        world.daemon = Daemon::start(&format!("{}?options[lockstep.held]=yes", world.url), &SETTINGS);
        let there = Daemon::start(&world.url, &SETTINGS);
        Self { world, there, db }
    }

    /// The status of the answer, 0 without one; it is waited for elsewhere.
    pub fn tell(&self, daemon: &Daemon, told: &Told) -> JoinHandle<u16> {
        let client = &self.world.client;
        let request = match told {
            Told::Event(event) => post_raw(client, daemon, event.to_string().as_bytes()),
            Told::Referral(claim) => {
                let request = client.post(daemon.at("/v1/referrals")).bearer_auth(ADMIN_TOKEN);
                request.body(claim.to_string())
            }
        };
        tokio::spawn(async move { request.send().await.map_or(0, |answer| answer.status().as_u16()) })
    }

    /// Tells everything to one replica, which posts one batch after the other.
    pub async fn tell_all(&self, told: Vec<Told>) {
        let answers: Vec<_> = told.iter().map(|told| self.tell(&self.there, told)).collect();
        for status in join_all(answers).await {
            assert_eq!(status.unwrap(), 200);
        }
    }

    /// Tells the first of the pair, which stands still; then the second, until it is answered or waits as well; then
    /// lets the first go on. Returns what went wrong.
    pub async fn tell_in_lock_step(&self, case: &Case, point: Point) -> Option<String> {
        let lock = match point {
            Point::FirstWrite => "(424242, 1)",
            Point::Commit => "(424242, 2)",
        };
        self.number(&format!("SELECT 0 FROM pg_advisory_lock{lock}")).await;
        let [first, second] = case.pair.map(|fact| case.told(fact));
        let first = self.tell(&self.world.daemon, &first);
        let waits = "SELECT COALESCE(MAX(pid), 0) FROM pg_locks WHERE classid = 424242 AND NOT granted \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let held = self.number_or_answer(waits, &first).await;
        let second = self.tell(&self.there, &second);
        let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND wait_event_type = 'Lock' AND pid <> ";
        self.number_or_answer(&format!("{waits}{held}"), &second).await;
        self.number(&format!("SELECT 0 FROM pg_advisory_unlock{lock}")).await;
        let answers = (first.await.unwrap(), second.await.unwrap());
        let is_good = held != 0 && matches!(answers, (200 | 201, 200 | 201));
        (!is_good).then(|| format!("{}: stood still: {}, answered {answers:?}", case.id, held != 0))
    }

    /// The number of a query as soon as it is not 0; 0 when the request is answered before.
    async fn number_or_answer(&self, sql: &str, told: &JoinHandle<u16>) -> i64 {
        let started = Instant::now();
        loop {
            let number = self.number(sql).await;
            if number != 0 || told.is_finished() || started.elapsed() > PATIENCE {
                return number;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// One number of the first row of a query, by the connection that holds the locks.
    async fn number(&self, sql: &str) -> i64 {
        let sql = format!("SELECT CAST(number AS BIGINT) FROM ({sql}) AS of_query (number)");
        let row =
            self.db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    }

    /// True when one of them was the victim of a deadlock, although it tried again.
    pub fn has_logged_a_deadlock(&self) -> bool {
        [&self.world.daemon, &self.there].into_iter().any(|daemon| daemon.log().contains("deadlock"))
    }

    async fn sums(&self) -> Sums {
        let sql = "SELECT invoice_id, user_id, kind, CAST(SUM(amount_minor) AS BIGINT) \
                   FROM ledger_entry JOIN promoter ON promoter.id = promoter_id \
                   GROUP BY 1, 2, 3 HAVING SUM(amount_minor) <> 0";
        let rows =
            self.db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
        let text = |row: &QueryResult, at| row.try_get_by_index::<String>(at).unwrap();
        let sum = |row: &QueryResult| row.try_get_by_index(3).unwrap();
        rows.iter().map(|row| ((text(row, 0), text(row, 1), text(row, 2)), sum(row))).collect()
    }

    /// The ledger holds these sums and nothing else, keeps its promises, and no transaction was the victim of a deadlock.
    pub async fn end_with(mut self, expected: &Sums, mut wrong: Vec<String>) {
        let sums = self.sums().await;
        let keys = sums.keys().chain(expected.keys().filter(|key| !sums.contains_key(key)));
        let of = |sums: &Sums, key| sums.get(key).copied().unwrap_or(0);
        let differ = keys.filter(|key| of(&sums, *key) != of(expected, *key));
        wrong.extend(differ.map(|key| format!("{key:?}: {} for {}", of(&sums, key), of(expected, key))));
        if self.number("SELECT COUNT(*) FROM event WHERE parked_on IS NOT NULL").await != 0 {
            wrong.push("everything is told, and an event is parked".to_owned());
        }
        // A connection that ends tells its statistics.
        for daemon in [&mut self.world.daemon, &mut self.there] {
            daemon.signal("-KILL");
        }
        let all_told = async || {
            let open = "SELECT COUNT(*) FROM pg_stat_activity \
                        WHERE datname = current_database() AND application_name = 'referrald'";
            self.number(open).await == 0
        };
        eventually("the connections end", PATIENCE, all_told).await;
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        let deadlocks = self.number(deadlocks).await;
        if deadlocks != 0 || self.has_logged_a_deadlock() {
            wrong.push(format!("{deadlocks} deadlocks"));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        self.world.check_invariants();
    }
}
