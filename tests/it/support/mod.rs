//! The harness: the real binary, a real database, real HTTP.

pub mod api;
pub mod events;
pub mod people;
pub mod postgres;
pub mod scenarios;
pub mod tables;
pub mod template;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use referrald::domain::Timestamp;
use referrald::stripe::sign;
use sea_orm::DatabaseConnection;
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub const SECRET: &str = "whsec_of_the_tests_0123456789";
pub const ADMIN_TOKEN: &str = "admin-token-of-the-tests-0123456789";
/// The binary under test.
pub const REFERRALD: &str = env!("CARGO_BIN_EXE_referrald");
/// How long anything may take that takes milliseconds on an idle machine: waiting costs nothing where what is waited for
/// comes, so no test depends on being quick.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// The daemon of a test is patient, too; tests of its limits set their own.
const PATIENT: [(&str, &str); 6] = [
    ("REFERRALD_HTTP__HEADER_TIMEOUT_MS", "60000"),
    ("REFERRALD_HTTP__BODY_TIMEOUT_MS", "60000"),
    ("REFERRALD_DATABASE__ACQUIRE_TIMEOUT_MS", "60000"),
    ("REFERRALD_DATABASE__LOCK_TIMEOUT_MS", "60000"),
    ("REFERRALD_DATABASE__STATEMENT_TIMEOUT_MS", "60000"),
    ("REFERRALD_INTAKE__ANSWER_WITHIN_MS", "60000"),
];

/// Makes each test twice: once on SQLite, once on PostgreSQL.
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block)+) => {
        mod sqlite {
            use super::*;
            $($(#[$meta])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let $world = World::sqlite();
                $body
            })+
        }
        mod postgres {
            use super::*;
            $($(#[$meta])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let $world = World::postgres().await;
                $body
            })+
        }
    };
}

/// A database, a daemon on it, and a client. Its end is `verify`.
#[derive(Debug)]
pub struct World {
    pub url: String,
    pub daemon: Daemon,
    pub client: reqwest::Client,
    /// False where the test is about a ledger that does not hold.
    must_hold: AtomicBool,
    /// What `tables` reads with.
    reader: OnceCell<DatabaseConnection>,
    _directory: TempDir,
}

impl World {
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("referrald.db");
        template::sqlite(&file);
        let url = format!("sqlite://{}", file.display());
        Self::on(url, directory)
    }

    pub async fn postgres() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::on(template::postgres().await, directory)
    }

    /// On a database that the test has made.
    pub fn at(url: String) -> Self {
        Self::on(url, tempfile::tempdir().unwrap())
    }

    fn on(url: String, directory: TempDir) -> Self {
        let daemon = Daemon::start(&url, &[]);
        Self {
            url,
            daemon,
            client: client(),
            must_hold: AtomicBool::new(true),
            reader: OnceCell::new(),
            _directory: directory,
        }
    }

    /// A second daemon on the same database.
    pub fn replica(&self) -> Daemon {
        Daemon::start(&self.url, &[])
    }

    /// Says through the API that a customer was referred by a code.
    pub async fn refer(&self, code: &str, customer: &str) -> Value {
        let body = serde_json::json!({ "code": code, "customer": customer });
        let (status, answer) = self.post_referral(&body).await;
        assert!(status == 200 || status == 201, "{status} {answer}");
        answer
    }

    pub async fn post_referral(&self, body: &Value) -> (u16, Value) {
        let request = self.client.post(self.daemon.at("/v1/referrals")).bearer_auth(ADMIN_TOKEN);
        let answer = request.body(body.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Sends a signed event; returns the outcome of its 200.
    pub async fn send(&self, event: &Value) -> String {
        let (status, answer) = post_event(&self.client, &self.daemon, event).await;
        assert_eq!(status, 200, "{answer}");
        answer["outcome"].as_str().unwrap().to_owned()
    }

    /// Sends a signed event that must have this outcome.
    pub async fn expect(&self, outcome: &str, event: &Value) {
        let got = self.send(event).await;
        assert_eq!(got, outcome, "{} {}", event["type"], event["id"]);
    }

    /// All entries of the ledger as (invoice, kind, amount), in order of posting.
    pub async fn entries(&self) -> Vec<(String, String, i64)> {
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
        let entries = self.all("/v1/entries").await;
        entries
            .iter()
            .map(|entry| (text(entry, "invoice"), text(entry, "kind"), entry["amount"].as_i64().unwrap()))
            .collect()
    }

    /// The entries of one invoice as the API shows them, in order of posting; none of an invoice that is not known.
    pub async fn entries_of(&self, invoice: &str) -> Vec<Value> {
        let (status, mut commission) = self.try_get(&format!("/v1/commissions/{invoice}")).await;
        assert!(status == 200 || status == 404, "{commission}");
        match commission["entries"].take() {
            Value::Array(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// Σ of one kind of one invoice.
    pub async fn sum(&self, invoice: &str, kind: &str) -> i64 {
        let entries = self.entries_of(invoice).await;
        let of_kind = entries.iter().filter(|entry| entry["kind"] == kind);
        of_kind.map(|entry| entry["amount"].as_i64().unwrap()).sum()
    }

    /// (Σ commission, Σ refund) of one invoice.
    pub async fn sums(&self, invoice: &str) -> (i64, i64) {
        (self.sum(invoice, "commission").await, self.sum(invoice, "refund").await)
    }

    /// What a promoter has earned in dollars, in cents.
    pub async fn earned(&self, promoter: &str) -> i64 {
        let at = self.daemon.at(&format!("/v1/promoters/{promoter}/balance"));
        let answer = self.client.get(at).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
        let balances: Value = answer.json().await.unwrap();
        let dollars = balances["data"].as_array().unwrap().iter().find(|row| row["currency"] == "usd");
        dollars.map_or(0, |row| row["earned"].as_i64().unwrap())
    }

    /// Runs a command of the binary on this database.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        command(&self.url).args(arguments).output().unwrap()
    }

    pub fn cli_ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The test has broken the ledger on purpose, so `verify` is not asked at its end.
    pub fn leave_broken(&self) {
        self.must_hold.store(false, Ordering::Relaxed);
    }

    /// What the semantics promise after every test: `verify` recomputes every sum from the facts.
    pub fn check_invariants(&self) {
        let output = self.cli(&["verify"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Every test ends with `verify`, unless it has failed already.
impl Drop for World {
    fn drop(&mut self) {
        if *self.must_hold.get_mut() && !std::thread::panicking() {
            self.check_invariants();
        }
    }
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    address: SocketAddr,
    log: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Daemon {
    /// Starts `serve` on a free port and waits until it listens.
    pub fn start(url: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = command(url);
        command.envs(environment.iter().copied()).arg("serve");
        Self::run(command)
    }

    /// Starts it by a command of the test's own and waits until it listens.
    pub fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (sender, receiver) = std::sync::mpsc::channel();
        let (stderr, lines) = (child.stderr.take().unwrap(), std::sync::Arc::clone(&log));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = listening(&line) {
                    sender.send(address).ok();
                }
                lines.lock().unwrap().push(line);
            }
        });
        let Ok(address) = receiver.recv_timeout(PATIENCE) else {
            child.kill().ok();
            panic!("the daemon did not start: {:?}", log.lock().unwrap());
        };
        Self { child, address, log }
    }

    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; returns the exit code and how long it took.
    pub fn signal(&mut self, signal: &str) -> (Option<i32>, Duration) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.wait()
    }

    /// Waits for the end; returns the exit code and how long it took.
    pub fn wait(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        let status = self.child.wait().unwrap();
        (status.code(), started.elapsed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The binary with the settings of a test and nothing else of the environment.
pub fn command(url: &str) -> Command {
    let mut command = Command::new(REFERRALD);
    command.env_clear();
    command.envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME" || name == "TMPDIR"));
    command.env("DATABASE_URL", url).env("STRIPE_WEBHOOK_SECRET", SECRET);
    command.env("REFERRALD_API__ADMIN_TOKEN", ADMIN_TOKEN).env("REFERRALD_HTTP__BIND", "127.0.0.1:0");
    command.envs(PATIENT);
    command
}

pub fn client() -> reqwest::Client {
    // The library wants a TLS provider, although the tests speak plain HTTP on loopback.
    rustls::crypto::ring::default_provider().install_default().ok();
    // A connection that nobody has used for a while may be closed as it is used again.
    reqwest::Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap()
}

/// Signs and sends an event. Returns status and JSON body.
pub async fn post_event(client: &reqwest::Client, daemon: &Daemon, event: &Value) -> (u16, Value) {
    let body = event.to_string();
    let answer = post_raw(client, daemon, body.as_bytes()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// A signed request with any body.
pub fn post_raw(client: &reqwest::Client, daemon: &Daemon, body: &[u8]) -> reqwest::RequestBuilder {
    let header = sign(&SecretString::from(SECRET), now(), body);
    client.post(daemon.at("/webhooks/stripe")).header("Stripe-Signature", header).body(body.to_vec())
}

pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix(i64::try_from(since_1970.as_secs()).unwrap())
}

/// Calls `condition` until it holds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn listening(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "listening").then(|| line["address"].as_str()?.parse().ok())?
}
