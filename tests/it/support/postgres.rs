//! PostgreSQL for tests: databases of the cluster that `scripts/test` starts, and clusters that a test may stop.

use std::path::{Path, PathBuf};
use std::process::Command;

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

/// A new, empty database on the cluster of this test run.
pub async fn new_database() -> String {
    create("").await
}

/// A new database with everything that is in another one, which nobody is connected to.
pub async fn copy_of(template: &str) -> String {
    // The files are copied as they are: the other strategy writes all of it to the log first.
    create(&format!("TEMPLATE {template} STRATEGY FILE_COPY")).await
}

/// The maintenance database of the cluster of this test run.
pub fn cluster() -> String {
    variable("REFERRALD_TEST_POSTGRES_URL")
}

async fn create(options: &str) -> String {
    let cluster = cluster();
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let db = Database::connect(&cluster).await.unwrap();
    db.execute_unprepared(&format!("CREATE DATABASE {name} {options}")).await.unwrap();
    db.close().await.unwrap();
    let (base, _) = cluster.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with scripts/test"))
}

/// A cluster of one test, which may stop and start it.
#[derive(Debug)]
pub struct Cluster {
    directory: TempDir,
    port: u16,
}

impl Cluster {
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("rdpg").tempdir_in("/tmp").unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { directory, port };
        if !run_as().is_empty() {
            run(Command::new("chown").arg(run_as()).arg(cluster.directory.path()));
        }
        let data = cluster.data();
        let data = data.to_str().unwrap();
        cluster.tool("initdb", &["-D", data, "-U", "referrald", "-A", "trust", "--no-sync", "--locale=C"]);
        cluster.up();
        cluster
    }

    pub fn url(&self) -> String {
        format!("postgres://referrald@127.0.0.1:{}/postgres", self.port)
    }

    pub fn up(&self) {
        let options =
            format!("-c listen_addresses=127.0.0.1 -p {} -k {}", self.port, self.directory.path().display());
        let log = self.directory.path().join("log");
        let (data, log) = (self.data(), log.to_str().unwrap().to_owned());
        let data = data.to_str().unwrap();
        self.tool("pg_ctl", &["-D", data, "-o", &options, "-l", &log, "-w", "start"]);
    }

    /// Stops it at once, as a crash would.
    pub fn down(&self) {
        let data = self.data();
        self.tool("pg_ctl", &["-D", data.to_str().unwrap(), "-m", "immediate", "-w", "stop"]);
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn tool(&self, name: &str, arguments: &[&str]) {
        let tool = Path::new(&variable("REFERRALD_TEST_PG_BIN")).join(name);
        let user = run_as();
        let mut command = if user.is_empty() {
            Command::new(tool)
        } else {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(tool);
            command
        };
        run(command.args(arguments).current_dir(self.directory.path()));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.down();
        }
    }
}

/// The user that a cluster must run as when the tests run as root, because PostgreSQL refuses root; else "".
fn run_as() -> String {
    std::env::var("REFERRALD_TEST_PG_RUNAS").unwrap_or_default()
}

fn run(command: &mut Command) {
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
