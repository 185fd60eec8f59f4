//! A stand-in for a synchronous standby: it is sent the log of PostgreSQL as any standby is, throws it away, and confirms
//! each piece a fixed time after it came. So commits take that much longer, and nothing competes for the cores of this
//! machine as a real standby on it would.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::str::FromStr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::{ConnectionTrait, Statement};

use crate::ledger::{administer, cluster, connect};

const NAME: &str = "bench_standby";
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// Version 3.0 of PostgreSQL's protocol.
const PROTOCOL: i32 = 196_608;
/// A message of the protocol is never larger here: a piece of the log has 128 KB at most.
const MESSAGE_LIMIT: usize = 1 << 20;
/// Commits that are timed to know how long one takes.
const PROBES: usize = 40;

/// A position in the log that is to be confirmed, and when.
type Confirmation = (Instant, u64);

/// The standby; commits of all databases of the cluster wait for it until it is stopped.
#[derive(Debug)]
pub struct Standby {
    socket: TcpStream,
    reader: JoinHandle<()>,
    confirmer: JoinHandle<()>,
}

impl Standby {
    /// Follows the log from now on, and lets every commit wait for it.
    pub async fn start(delay: Duration) -> anyhow::Result<Self> {
        let (socket, mut input, position) = follow().context("following the log of PostgreSQL")?;
        let mut output = socket.try_clone()?;
        let (sender, confirmations) = mpsc::channel::<Confirmation>();
        // PostgreSQL counts on a standby once it has confirmed something.
        sender.send((Instant::now(), position))?;
        // Both end with the connection: a server that waits in vain then refuses events, and the run fails.
        let reader = std::thread::spawn(move || read_log(&mut input, position, delay, &sender));
        let confirmer = std::thread::spawn(move || {
            while let Ok((due, position)) = confirmations.recv() {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if output.write_all(&confirmation(position)).is_err() {
                    return;
                }
            }
        });
        let standby = Self { socket, reader, confirmer };
        set_standbys(&format!("ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")).await?;
        let is_in_use = format!(
            "SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE application_name = '{NAME}' AND sync_state = 'sync')"
        );
        until(&is_in_use, "PostgreSQL does not wait for the standby").await?;
        Ok(standby)
    }

    /// No commit waits any more.
    pub async fn stop(self) -> anyhow::Result<()> {
        set_standbys("ALTER SYSTEM RESET synchronous_standby_names").await?;
        until("SELECT current_setting('synchronous_standby_names') = ''", "the standby is still waited for")
            .await?;
        self.socket.shutdown(Shutdown::Both).ok();
        let ended = self.reader.join().is_ok() && self.confirmer.join().is_ok();
        ensure!(ended, "the standby ended in a panic");
        Ok(())
    }
}

/// The median of some commits, in milliseconds.
pub async fn commit_ms() -> anyhow::Result<f64> {
    let db = connect(&cluster()?).await?;
    db.execute_unprepared("CREATE TABLE IF NOT EXISTS bench_probe (n BIGINT NOT NULL)").await?;
    let mut times = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        let started = Instant::now();
        db.execute_unprepared("INSERT INTO bench_probe VALUES (1)").await?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    db.close().await?;
    times.sort_unstable_by(f64::total_cmp);
    times.get(PROBES / 2).copied().context("nothing was timed")
}

async fn set_standbys(statement: &str) -> anyhow::Result<()> {
    administer(statement).await?;
    administer("SELECT pg_reload_conf()").await
}

/// Asks until the answer is yes. Each time anew: a session has its own idea of a setting.
async fn until(question: &str, otherwise: &str) -> anyhow::Result<()> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let db = connect(&cluster()?).await?;
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), question)).await?;
        let yes = row.context("no row")?.try_get_by_index::<bool>(0)?;
        db.close().await?;
        if yes {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("{otherwise} after {PATIENCE:?}")
}

/// Connects, and asks for the log from its present end on: that position comes back, too. The connection names a database,
/// so it needs no rule of its own in `pg_hba.conf`.
fn follow() -> anyhow::Result<(TcpStream, TcpStream, u64)> {
    let options = PgConnectOptions::from_str(&cluster()?)?;
    let mut socket = TcpStream::connect((options.get_host(), options.get_port()))?;
    socket.set_nodelay(true)?;
    let mut input = socket.try_clone()?;
    let database = options.get_database().context("the URL of the cluster names no database")?;
    let mut startup = PROTOCOL.to_be_bytes().to_vec();
    let user = options.get_username();
    for word in ["user", user, "database", database, "replication", "database", "application_name", NAME, ""]
    {
        startup.extend_from_slice(word.as_bytes());
        startup.push(0);
    }
    socket.write_all(&with_length(&startup)?)?;
    until_ready(&mut input)?;
    socket.write_all(&query("IDENTIFY_SYSTEM")?)?;
    let rows = until_ready(&mut input)?;
    let position = rows.first().and_then(|row| row.get(2)).context("IDENTIFY_SYSTEM names no position")?;
    let from = parse_position(position).with_context(|| format!("{position} is no position of the log"))?;
    socket.write_all(&query(&format!("START_REPLICATION PHYSICAL {position}"))?)?;
    match message(&mut input)? {
        (b'W', _) => Ok((socket, input, from)),
        (kind, body) => bail!("{}: {}", char::from(kind), String::from_utf8_lossy(&body)),
    }
}

/// Reads what the server sends until the connection ends, and says what is to be confirmed when.
fn read_log(input: &mut TcpStream, from: u64, delay: Duration, confirmations: &mpsc::Sender<Confirmation>) {
    let mut position = from;
    while let Ok((kind, body)) = message(input) {
        if kind != b'd' {
            continue;
        }
        let due = match body.first() {
            // A piece of the log: where it begins, two fields of the server's, and then the log itself.
            Some(b'w') => {
                let Some(start) = number(&body, 1) else { return };
                position = start + u64::try_from(body.len().saturating_sub(25)).unwrap_or(0);
                Instant::now() + delay
            }
            // A sign of life, the last byte of which asks for one.
            Some(b'k') if body.last() == Some(&1) => Instant::now(),
            Some(_) | None => continue,
        };
        if confirmations.send((due, position)).is_err() {
            return;
        }
    }
}

/// Written, flushed and applied until there.
fn confirmation(position: u64) -> Vec<u8> {
    let mut message = vec![b'd', 0, 0, 0, 38, b'r'];
    for value in [position, position, position, 0] {
        message.extend_from_slice(&value.to_be_bytes());
    }
    message.push(0);
    message
}

fn query(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut message = vec![b'Q'];
    message.extend(with_length(&[text.as_bytes(), &[0]].concat())?);
    Ok(message)
}

fn with_length(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let length = i32::try_from(body.len() + 4)?;
    Ok([&length.to_be_bytes(), body].concat())
}

/// One message: its kind, and what it holds.
fn message(input: &mut impl Read) -> anyhow::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    input.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes(length))?.saturating_sub(4);
    ensure!(length <= MESSAGE_LIMIT, "a message of {length} bytes");
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok((kind, body))
}

/// The rows that come until the server is ready for the next command.
fn until_ready(input: &mut impl Read) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    loop {
        match message(input)? {
            (b'Z', _) => return Ok(rows),
            (b'E', body) => bail!("{}", String::from_utf8_lossy(&body).replace('\0', " ")),
            (b'R', body) => ensure!(body == [0; 4], "PostgreSQL wants a password"),
            (b'D', body) => rows.push(columns(&body)?),
            (_, _) => {}
        }
    }
}

fn columns(row: &[u8]) -> anyhow::Result<Vec<String>> {
    let (mut columns, mut rest) = (Vec::new(), row.get(2..).context("an empty row")?);
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        // Nothing is a length of -1.
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (value, behind) = behind.split_at_checked(length).context("a row that is cut off")?;
        columns.push(String::from_utf8_lossy(value).into_owned());
        rest = behind;
    }
    Ok(columns)
}

/// `16/B374D848`.
fn parse_position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

fn number(body: &[u8], at: usize) -> Option<u64> {
    let bytes = body.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*bytes))
}
