//! Which trees the pages of SQLite's log are of: what a transaction writes, and so what it costs to flush.
//!
//! `tests/it` includes this file, too.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

/// Of the file format of SQLite: the log begins with a header, and so does each page in it.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The trees of one transaction, each with the number of its pages in the log.
pub type Trees = BTreeMap<String, u64>;

/// A log that nobody writes back as long as this lives, because somebody still reads the file as it was before: so
/// everything that is written meanwhile is in it.
#[derive(Debug)]
pub struct HeldLog {
    file: PathBuf,
    reader: DatabaseConnection,
}

impl HeldLog {
    /// Empties the log of a file and holds it. Nobody else may have the file open yet.
    pub async fn start(file: &Path) -> anyhow::Result<Self> {
        let reader = connect(file).await?;
        reader.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        reader.execute_unprepared("BEGIN; SELECT COUNT(*) FROM sqlite_schema").await?;
        Ok(Self { file: file.to_owned(), reader })
    }

    /// The trees of each transaction so far, in order.
    pub async fn transactions(&self) -> anyhow::Result<Vec<Trees>> {
        let mut log = self.file.clone().into_os_string();
        log.push("-wal");
        let log = std::fs::read(PathBuf::from(log)).context("the log of SQLite")?;
        let trees = self.trees().await?;
        let (mut transactions, mut present) = (Vec::new(), Trees::new());
        for (page, is_last) in frames(&log)? {
            let tree = trees.get(&page).map_or("(free)", String::as_str);
            *present.entry(tree.to_owned()).or_default() += 1;
            if is_last {
                transactions.push(std::mem::take(&mut present));
            }
        }
        Ok(transactions)
    }

    /// Lets go of the log. Whoever closes the file last writes it back.
    pub async fn release(self) -> anyhow::Result<()> {
        self.reader.execute_unprepared("COMMIT").await?;
        Ok(self.reader.close().await?)
    }

    /// The tree of each page as the file is now: a table, or an index.
    async fn trees(&self) -> anyhow::Result<HashMap<u32, String>> {
        let db = connect(&self.file).await?;
        let pages = Statement::from_string(db.get_database_backend(), "SELECT pageno, name FROM dbstat");
        let rows = db.query_all_raw(pages).await?;
        db.close().await?;
        let page = |row: &sea_orm::QueryResult| -> anyhow::Result<(u32, String)> {
            Ok((row.try_get_by_index::<i64>(0)?.try_into()?, row.try_get_by_index(1)?))
        };
        rows.iter().map(page).collect()
    }
}

/// The pages of a log in order, and whether a transaction ends with each. What was not committed is left out.
fn frames(log: &[u8]) -> anyhow::Result<Vec<(u32, bool)>> {
    if log.is_empty() {
        return Ok(Vec::new());
    }
    let page_size = usize::try_from(number(log, 8).context("a log without a header")?)?;
    ensure!(page_size.is_power_of_two(), "pages of {page_size} bytes");
    let salt = log.get(16..24);
    let frames = log.get(LOG_HEADER..).unwrap_or_default().chunks_exact(FRAME_HEADER + page_size);
    // What an older round of the log has left has another salt.
    let frames = frames.take_while(|frame| frame.get(8..16) == salt);
    let frames = frames.filter_map(|frame| Some((number(frame, 0)?, number(frame, 4)? != 0)));
    let mut frames: Vec<_> = frames.collect();
    frames.truncate(frames.iter().rposition(|(_, is_last)| *is_last).map_or(0, |last| last + 1));
    Ok(frames)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

async fn connect(file: &Path) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(format!("sqlite://{}", file.display()));
    options.max_connections(1).sqlx_logging(false);
    Ok(Database::connect(options).await?)
}
