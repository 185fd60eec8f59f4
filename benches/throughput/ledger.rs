//! The databases: seeded through the daemon's own commands, copied for each run, counted and checked against what was sent.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use referrald::clock;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};
use serde_json::Value;

use crate::events::{CODES, Gain, RATE_BPS, code};
use crate::preload::Preload;
use crate::process::Binary;

/// Filling a large ledger takes a while.
const PATIENCE: Duration = Duration::from_mins(10);

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A database of one or more runs; gone when it is dropped in order.
#[derive(Debug)]
pub struct Ledger {
    pub kind: Kind,
    pub url: String,
    /// Whose schema it has.
    binary: Binary,
    /// The file of SQLite.
    file: PathBuf,
    name: String,
}

/// What a ledger holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    pub gain: Gain,
    /// Events that are neither posted nor recorded.
    pub unsettled: u64,
}

/// What `verify` found.
#[derive(Debug, Clone, Copy)]
pub struct Verified {
    pub invoices: u64,
    pub took: Duration,
}

impl Ledger {
    /// A new ledger with the program, promoters and codes of the benchmark, made by the binary's own commands.
    pub async fn seed(binary: &Binary, kind: Kind, directory: &Path) -> anyhow::Result<Self> {
        let ledger = Self::empty(binary, kind, directory)?;
        if kind == Kind::Postgres {
            administer(&format!("CREATE DATABASE {}", ledger.name)).await?;
        }
        let run = |arguments: &[&str]| binary.run(&ledger.url, arguments);
        let percent = (RATE_BPS / 100).to_string();
        // Referrals of the past find these terms and codes, too: the first versions count for all time.
        run(&["program", "create", "default", "--rate", &percent])?;
        for number in 0..CODES {
            let promoter = promoter(number);
            run(&["promoter", "create", &promoter])?;
            run(&["code", "create", &code(number), "--promoter", &promoter, "--program", "default"])?;
        }
        if kind == Kind::Sqlite {
            // A command leaves the log behind, and only the file is copied.
            let db = ledger.connect().await?;
            db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
            db.close().await?;
        }
        Ok(ledger)
    }

    /// A ledger that holds what this one does. Nobody may use this one meanwhile.
    pub async fn copy(&self, directory: &Path) -> anyhow::Result<Self> {
        let copy = Self::empty(&self.binary, self.kind, directory)?;
        match self.kind {
            Kind::Sqlite => {
                std::fs::copy(&self.file, &copy.file)?;
            }
            Kind::Postgres => {
                administer(&format!("CREATE DATABASE {} TEMPLATE {}", copy.name, self.name)).await?;
            }
        }
        Ok(copy)
    }

    /// Stores so many invoices by SQL, with referrals by the first so many codes.
    pub async fn preload(&self, invoices: u64, codes: usize) -> anyhow::Result<()> {
        let body = include_bytes!("templates/invoice_paid.json");
        let (codes, now) = (u64::try_from(codes)?, clock::now().unix());
        let preload = Preload { invoices, codes, rate_bps: RATE_BPS, body, now };
        let db = self.connect().await?;
        preload.store(&db).await.with_context(|| format!("storing {invoices} invoices"))?;
        db.close().await?;
        // What is left to be written must not be written while something is measured.
        let synced = Command::new("sync").status()?;
        ensure!(synced.success(), "sync: {synced}");
        Ok(())
    }

    fn empty(binary: &Binary, kind: Kind, directory: &Path) -> anyhow::Result<Self> {
        let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
        let file = directory.join(format!("{name}.db"));
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}", file.display()),
            Kind::Postgres => {
                let cluster = cluster()?;
                let (base, _) =
                    cluster.rsplit_once('/').context("REFERRALD_TEST_POSTGRES_URL has no path")?;
                format!("{base}/{name}")
            }
        };
        Ok(Self { kind, url, binary: binary.clone(), file, name })
    }

    /// The binary whose ledger it is.
    pub const fn binary(&self) -> &Binary {
        &self.binary
    }

    /// Of SQLite.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub async fn connect(&self) -> anyhow::Result<DatabaseConnection> {
        connect(&self.url).await
    }

    pub async fn totals(&self) -> anyhow::Result<Totals> {
        let db = self.connect().await?;
        let sum = |kind: &str| {
            format!(
                "(SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM ledger_entry WHERE kind {kind})"
            )
        };
        let events = |of: &str| format!("(SELECT COUNT(*) FROM event {of})");
        let sql = format!(
            "SELECT {}, {}, {}, {}",
            events(""),
            sum("= 'commission'"),
            sum("<> 'commission'"),
            events("WHERE outcome NOT IN ('posted', 'recorded')"),
        );
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
        let row = row.context("no row")?;
        let number = |index| row.try_get_by_index::<i64>(index);
        let gain =
            Gain { events: number(0)?.try_into()?, commission_minor: number(1)?, refund_minor: number(2)? };
        let unsettled = number(3)?.try_into()?;
        db.close().await?;
        Ok(Totals { gain, unsettled })
    }

    /// Bytes on disk. SQLite's file must not be open: its log is in it then.
    pub async fn bytes(&self) -> anyhow::Result<u64> {
        if self.kind == Kind::Sqlite {
            return Ok(std::fs::metadata(&self.file)?.len());
        }
        let db = self.connect().await?;
        let size = "SELECT pg_database_size(current_database())";
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), size)).await?;
        let bytes = row.context("no row")?.try_get_by_index::<i64>(0)?;
        db.close().await?;
        Ok(bytes.try_into()?)
    }

    /// The ledger must have gained exactly this.
    pub async fn check(&self, before: Totals, gain: Gain) -> anyhow::Result<()> {
        let after = self.totals().await?;
        let gained = Gain {
            events: after.gain.events - before.gain.events,
            commission_minor: after.gain.commission_minor - before.gain.commission_minor,
            refund_minor: after.gain.refund_minor - before.gain.refund_minor,
        };
        ensure!(gained == gain, "the ledger gained {gained:?}, but what was sent earns {gain:?}");
        ensure!(after.unsettled == 0, "{} events are parked, ignored or quarantined", after.unsettled);
        Ok(())
    }

    /// It must hold by its own facts.
    pub fn verify(&self) -> anyhow::Result<Verified> {
        let started = Instant::now();
        let printed = self.binary.run(&self.url, &["verify", "--format", "json"])?;
        let took = started.elapsed();
        let report: Value = serde_json::from_str(&printed).context("verify --format json")?;
        let invoices = report["invoices"].as_u64().context("verify names no number of invoices")?;
        Ok(Verified { invoices, took })
    }

    /// What all promoters have earned, as the binary's own commands show it.
    pub fn earned_minor(&self) -> anyhow::Result<i64> {
        let mut earned_minor = 0;
        for number in 0..CODES {
            let printed =
                self.binary.run(&self.url, &["promoter", "show", &promoter(number), "--format", "json"])?;
            let shown: Value = serde_json::from_str(&printed).context("promoter show --format json")?;
            let balances = shown["balances"].as_array().context("promoter show names no balances")?;
            for balance in balances {
                earned_minor += balance["earned"].as_i64().context("a balance without earned")?;
            }
        }
        Ok(earned_minor)
    }

    pub async fn drop(self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Sqlite => Ok(std::fs::remove_file(&self.file)?),
            Kind::Postgres => administer(&format!("DROP DATABASE {}", self.name)).await,
        }
    }
}

/// The promoter of a code, as a user of the host.
pub fn promoter(number: usize) -> String {
    format!("promoter{number:02}")
}

/// Runs a statement in the maintenance database of the cluster.
pub async fn administer(statement: &str) -> anyhow::Result<()> {
    let admin = connect(&cluster()?).await?;
    admin.execute_unprepared(statement).await.with_context(|| statement.to_owned())?;
    Ok(admin.close().await?)
}

/// The version of a database.
pub async fn version(kind: Kind) -> anyhow::Result<String> {
    let (url, sql) = match kind {
        Kind::Sqlite => ("sqlite::memory:".to_owned(), "SELECT sqlite_version()"),
        Kind::Postgres => (cluster()?, "SHOW server_version"),
    };
    let db = connect(&url).await?;
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let version = row.context("no row")?.try_get_by_index::<String>(0)?;
    db.close().await?;
    Ok(format!("{} {}", kind.name(), version.split(' ').next().unwrap_or_default()))
}

/// The maintenance database of the cluster that `scripts/test --run` has started.
pub fn cluster() -> anyhow::Result<String> {
    std::env::var("REFERRALD_TEST_POSTGRES_URL")
        .context("there is no PostgreSQL: run this with scripts/bench")
}

pub async fn connect(url: &str) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false).acquire_timeout(PATIENCE);
    Ok(sea_orm::Database::connect(options).await?)
}
