//! Where the processor's time goes: threads of the daemon by name, processes of PostgreSQL by kind, and the generator.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::ledger::{cluster, connect};

/// Ticks of a second in `/proc/PID/stat`; Linux has told all programs 100 since 2.6.
const TICKS_PER_SECOND: f64 = 100.0;
/// What threads and processes did that had ended when they were counted.
const OTHER: &str = "other";
/// Threads of the daemon as Linux has their names, of which it keeps 15 letters, without their numbers.
const THREADS: [(&str, &str); 8] = [
    ("actix-server wo", "HTTP workers"),
    ("actix-server ac", "accepting"),
    ("actix-rt|system", "actix"),
    ("tokio-rt-worker", "tokio"),
    ("tokio-runtime-w", "tokio"),
    ("sqlx-sqlite-wor", "sqlx"),
    ("ledger-writer", "writer"),
    ("referrald", "main"),
];
/// What the processes of PostgreSQL call themselves behind `postgres: `.
const SERVERS: [(&str, &str); 7] = [
    ("walwriter", "PG WAL writer"),
    ("checkpointer", "PG checkpointer"),
    ("background writer", "PG background"),
    ("autovacuum", "PG autovacuum"),
    ("walsender", "PG WAL sender"),
    ("logical replication", "PG background"),
    ("stats", "PG background"),
];

/// Seconds of processor time by part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts(BTreeMap<String, f64>);

impl Parts {
    pub fn add(&mut self, part: &str, seconds: f64) {
        *self.0.entry(part.to_owned()).or_default() += seconds;
    }

    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(part, seconds)| self.add(part, *seconds));
    }

    pub fn of(&self, part: &str) -> f64 {
        self.0.get(part).copied().unwrap_or(0.0)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn all(&self) -> f64 {
        self.0.values().sum()
    }
}

/// Seconds by thread or process, each with the part that it is of, and of all of them with those that have ended.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    running: BTreeMap<u32, (String, f64)>,
    all: f64,
}

impl Reading {
    /// The threads of a process.
    pub fn of_threads(process: u32) -> anyhow::Result<Self> {
        let directory = format!("/proc/{process}");
        let all = Stat::read(Path::new(&directory))?.own;
        let mut running = BTreeMap::new();
        for (thread, stat) in stats(&format!("{directory}/task"))? {
            let name: String = stat.name.chars().filter(|letter| !letter.is_ascii_digit()).collect();
            let name = name.trim_end_matches(['-', ' ', ':', '|', '_']);
            running.insert(thread, (known(&THREADS, name).unwrap_or(name).to_owned(), stat.own));
        }
        Ok(Self { running, all })
    }

    /// A server of PostgreSQL and its processes.
    fn of_server(postmaster: u32) -> anyhow::Result<Self> {
        let (mut running, mut all) = (BTreeMap::new(), 0.0);
        for (process, stat) in stats("/proc")? {
            if process == postmaster {
                // It has waited for those that have ended.
                all += stat.own + stat.ended;
            } else if stat.parent == postmaster {
                let title = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
                let title = title.trim_start_matches("postgres: ");
                all += stat.own;
                running
                    .insert(process, (known(&SERVERS, title).unwrap_or("PG backends").to_owned(), stat.own));
            }
        }
        Ok(Self { running, all })
    }

    /// What was used between the two; what cannot be said of whom is `other`.
    pub fn since(&self, before: &Self, other: &str) -> Parts {
        let mut parts = Parts::default();
        for (thread, (part, seconds)) in &self.running {
            parts.add(part, seconds - before.running.get(thread).map_or(0.0, |(_, seconds)| *seconds));
        }
        parts.add(other, (self.all - before.all - parts.all()).max(0.0));
        parts
    }

    pub fn of_daemon_since(&self, before: &Self) -> Parts {
        self.since(before, OTHER)
    }
}

fn known<'k>(names: &[(&str, &'k str)], text: &str) -> Option<&'k str> {
    names.iter().find(|(name, _)| text.starts_with(name)).map(|(_, part)| *part)
}

/// Of a process or a thread.
struct Stat {
    name: String,
    parent: u32,
    own: f64,
    /// Of its children that have ended.
    ended: f64,
}

impl Stat {
    fn read(directory: &Path) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(directory.join("stat"))?;
        // The name stands in parentheses and may hold anything.
        let (before, behind) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        let (_, name) = before.split_once('(').context("/proc/PID/stat")?;
        let fields: Vec<&str> = behind.split_whitespace().collect();
        let seconds = |first: usize| -> anyhow::Result<f64> {
            let ticks = fields.get(first..first + 2).context("/proc/PID/stat")?;
            Ok((ticks[0].parse::<f64>()? + ticks[1].parse::<f64>()?) / TICKS_PER_SECOND)
        };
        let parent = fields.get(1).context("/proc/PID/stat")?.parse()?;
        Ok(Self { name: name.to_owned(), parent, own: seconds(11)?, ended: seconds(13)? })
    }
}

/// Whoever ends meanwhile is left out.
fn stats(directory: &str) -> anyhow::Result<Vec<(u32, Stat)>> {
    let mut stats = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Ok(stat) = Stat::read(&entry.path()) {
            stats.push((id, stat));
        }
    }
    Ok(stats)
}

/// Seconds of processor time of a process so far.
pub fn cpu_s(process: u32) -> anyhow::Result<f64> {
    Ok(Stat::read(Path::new(&format!("/proc/{process}")))?.own)
}

/// PostgreSQL during a run.
#[derive(Debug)]
pub struct Watch {
    // It stays, so that no process begins or ends for the sake of looking.
    db: DatabaseConnection,
    postmaster: u32,
    before: Reading,
    wal_before: i64,
}

impl Watch {
    pub async fn start() -> anyhow::Result<Self> {
        let db = connect(&cluster()?).await?;
        let backend = u32::try_from(number(&db, "SELECT pg_backend_pid()::bigint").await?)?;
        let postmaster = Stat::read(Path::new(&format!("/proc/{backend}")))?.parent;
        let wal_before = wal_bytes(&db).await?;
        Ok(Self { db, postmaster, before: Reading::of_server(postmaster)?, wal_before })
    }

    /// What it used since the start, and bytes of its log.
    pub async fn end(self) -> anyhow::Result<(Parts, u64)> {
        let parts = Reading::of_server(self.postmaster)?.since(&self.before, "PG other");
        let wal = wal_bytes(&self.db).await? - self.wal_before;
        self.db.close().await?;
        Ok((parts, wal.try_into()?))
    }
}

async fn wal_bytes(db: &DatabaseConnection) -> anyhow::Result<i64> {
    number(db, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").await
}

async fn number(db: &DatabaseConnection, sql: &str) -> anyhow::Result<i64> {
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(row.context("no row")?.try_get_by_index(0)?)
}
