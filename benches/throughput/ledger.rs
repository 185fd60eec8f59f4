//! The databases: made, seeded, counted and checked against what was sent.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use referrald::clock;
use referrald::domain::{BasisPoints, Reward};
use referrald::service::codes::{CodeChange, create_code};
use referrald::service::programs::{TermsChange, create_program};
use referrald::service::promoters::create_promoter;
use referrald::settings::Settings;
use referrald::store::Database;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};

use crate::events::{CODES, Gain, RATE_BPS, code};
use crate::process::referrald;

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

impl Ledger {
    /// A new ledger with the program, promoters and codes of the benchmark.
    pub async fn new(kind: Kind, directory: &Path) -> anyhow::Result<Self> {
        let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
        let file = directory.join(format!("{name}.db"));
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}", file.display()),
            Kind::Postgres => {
                let cluster = cluster()?;
                let admin = connect(&cluster).await?;
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
                admin.close().await?;
                let (base, _) =
                    cluster.rsplit_once('/').context("REFERRALD_TEST_POSTGRES_URL has no path")?;
                format!("{base}/{name}")
            }
        };
        let ledger = Self { kind, url, file, name };
        ledger.seed().await?;
        Ok(ledger)
    }

    async fn seed(&self) -> anyhow::Result<()> {
        let settings = Settings::load_from(None, [("DATABASE_URL".to_owned(), self.url.clone())])?;
        let db = Database::connect(&settings.database).await?;
        db.migrate().await?;
        // Referrals of the past must find terms and codes that were valid then; the first versions count for all time.
        let now = clock::now();
        let reward = u16::try_from(RATE_BPS).ok().and_then(BasisPoints::new).map(Reward::Percentage);
        create_program(&db, "default", &TermsChange { reward, ..TermsChange::default() }, now).await?;
        for number in 0..CODES {
            let user = format!("promoter{number:02}");
            create_promoter(&db, &user, None, now).await?;
            create_code(&db, &code(number), &user, "default", &CodeChange::default(), now).await?;
        }
        Ok(db.close().await?)
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

    /// It must hold by its own facts. Returns how long that took to find out.
    pub fn verify(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let output = referrald(&self.url).arg("verify").output()?;
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        let said: Vec<&str> = text.iter().flat_map(|text| text.lines()).take(5).collect();
        ensure!(output.status.success(), "verify: {}", said.join(" | "));
        Ok(started.elapsed())
    }

    pub async fn drop(self) -> anyhow::Result<()> {
        if self.kind == Kind::Sqlite {
            return Ok(std::fs::remove_file(&self.file)?);
        }
        let admin = connect(&cluster()?).await?;
        admin.execute_unprepared(&format!("DROP DATABASE {}", self.name)).await?;
        Ok(admin.close().await?)
    }
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

fn cluster() -> anyhow::Result<String> {
    std::env::var("REFERRALD_TEST_POSTGRES_URL")
        .context("there is no PostgreSQL: run this with scripts/bench")
}

async fn connect(url: &str) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false).acquire_timeout(PATIENCE);
    Ok(sea_orm::Database::connect(options).await?)
}
