//! Children: started, measured, and ended by their process id, whatever happens.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

use crate::events::SECRET;
use crate::parts::{Parts, Reading};

const OF_THIS_BUILD: &str = env!("CARGO_BIN_EXE_referrald");
const PATIENCE: Duration = Duration::from_secs(30);
/// A server that has used no processor for so long has nothing to do.
const IDLE: Duration = Duration::from_millis(100);

/// A child that is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    pub child: Child,
}

impl Running {
    pub fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        Ok(Self { name, child: command.spawn().with_context(|| format!("starting {name}"))? })
    }

    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        ensure!(status.success(), "kill {signal} {}: {status}", self.name);
        Ok(())
    }

    /// Waits for its end, which must be a good one.
    pub fn wait(&mut self, patience: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < patience {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{} ended with {status}", self.name);
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("{} did not end within {patience:?}", self.name)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that was ever resident, in MB.
    fn peak_mb(&self) -> anyhow::Result<f64> {
        self.status_mb("VmHWM:")
    }

    /// A figure of memory, in MB.
    fn status_mb(&self, name: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kb = line.and_then(|line| line.split_whitespace().next()).with_context(|| name.to_owned())?;
        Ok(kb.parse::<f64>()? * 1_024.0 / 1e6)
    }

    /// Bytes that it has had written to a disk.
    fn written_bytes(&self) -> anyhow::Result<u64> {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        Ok(bytes.context("write_bytes")?.parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A binary of the daemon, of this build or of another one: only its commands and its routes are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    path: PathBuf,
}

impl Binary {
    /// The binary that cargo has built together with this benchmark.
    pub fn of_this_build() -> Self {
        Self { path: PathBuf::from(OF_THIS_BUILD) }
    }

    /// A binary at a path, which must answer to `--version`.
    pub fn at(path: &Path) -> anyhow::Result<Self> {
        let path = path.canonicalize().with_context(|| format!("{} is not there", path.display()))?;
        let output = Command::new(&path).arg("--version").output();
        let output = output.with_context(|| format!("{} cannot be run", path.display()))?;
        ensure!(
            output.status.success() && output.stdout.starts_with(b"referrald "),
            "{} is no referrald",
            path.display()
        );
        Ok(Self { path })
    }

    /// Its path, and the beginning of its hash: the version says the same of every build.
    pub fn about(&self) -> anyhow::Result<String> {
        let digest = hex::encode(Sha256::digest(std::fs::read(&self.path)?));
        let beginning: String = digest.chars().take(12).collect();
        Ok(format!("{} (SHA-256 {beginning}…)", self.path.display()))
    }

    /// A command on a database, with the settings of the benchmark and nothing else of the environment.
    pub fn command(&self, url: &str) -> Command {
        let mut command = clean(Command::new(&self.path));
        command.env("DATABASE_URL", url);
        command
    }

    /// Runs a command to its end, which must be a good one. Returns the most memory that it had resident, in MB.
    pub fn peak_mb(&self, url: &str, arguments: &[&str]) -> anyhow::Result<f64> {
        let mut command = self.command(url);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let (mut running, mut peak_mb) = (Running::start("a command", &mut command)?, 0.0);
        loop {
            // One that has ended has none.
            peak_mb = running.peak_mb().unwrap_or(peak_mb);
            if let Some(status) = running.child.try_wait()? {
                ensure!(status.success(), "referrald {}: {status}", arguments.join(" "));
                return Ok(peak_mb);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Runs a command to its end, which must be a good one. Returns what it printed.
    pub fn run(&self, url: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(url).args(arguments).stdin(Stdio::null()).output()?;
        let [printed, errors] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        if !output.status.success() {
            let said = printed.lines().chain(errors.lines()).take(5).collect::<Vec<_>>().join(" | ");
            bail!("referrald {}: {}", arguments.join(" "), said.chars().take(2_000).collect::<String>());
        }
        Ok(printed)
    }
}

/// A server under test.
#[derive(Debug)]
pub struct Server {
    running: Running,
    pub port: u16,
    /// From its start to the first 200 of `/readyz`.
    pub ready_s: f64,
    idle: Reading,
    idle_bytes: u64,
}

/// What a run used.
#[derive(Debug, Clone, Default)]
pub struct Used {
    /// Of the daemons only.
    pub cpu_s: f64,
    /// Of the daemon that had most.
    pub peak_mb: f64,
    /// Seconds of the daemons, of PostgreSQL and of the generator.
    pub parts: Parts,
    /// What the daemons had written to a disk, or PostgreSQL to its log.
    pub written_bytes: u64,
}

impl Server {
    /// `referrald serve` on a database.
    pub fn daemon(
        binary: &Binary,
        url: &str,
        environment: &[(&str, &str)],
        log: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let mut command = binary.command(url);
        command.arg("serve").envs(environment.iter().copied());
        Self::start("referrald", command, log)
    }

    /// This program as the ceiling.
    pub fn ceiling(log: Option<&Path>) -> anyhow::Result<Self> {
        let mut command = clean(Command::new(std::env::current_exe()?));
        command.args(["--bench", "--ceiling"]);
        Self::start("the ceiling", command, log)
    }

    fn start(name: &'static str, mut command: Command, log: Option<&Path>) -> anyhow::Result<Self> {
        let port = free_port()?;
        command.env("REFERRALD_HTTP__BIND", format!("127.0.0.1:{port}"));
        // The log costs what it costs in production but for where it goes.
        let log = log.map_or_else(
            || Ok(Stdio::null()),
            |log| File::options().append(true).create(true).open(log).map(Stdio::from),
        )?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        let mut running = Running::start(name, &mut command)?;
        while !is_ready(port) {
            if let Some(status) = running.child.try_wait()? {
                bail!("{name} did not start: {status} (--log FILE keeps what it says)");
            }
            ensure!(started.elapsed() < PATIENCE, "{name} was not ready within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        let ready_s = started.elapsed().as_secs_f64();
        let (idle, idle_bytes) = (Reading::of_threads(running.id())?, running.written_bytes()?);
        Ok(Self { running, port, ready_s, idle, idle_bytes })
    }

    /// What it used since it was ready.
    pub fn used(&self) -> anyhow::Result<Used> {
        let parts = Reading::of_threads(self.running.id())?.of_daemon_since(&self.idle);
        let written_bytes = self.running.written_bytes()? - self.idle_bytes;
        Ok(Used { cpu_s: parts.all(), peak_mb: self.running.peak_mb()?, parts, written_bytes })
    }

    /// What it has resident, in MB.
    pub fn resident_mb(&self) -> anyhow::Result<f64> {
        self.running.status_mb("VmRSS:")
    }

    /// Waits until it does nothing any more.
    pub fn settle(&self) -> anyhow::Result<()> {
        let (started, mut before) = (Instant::now(), self.used()?.cpu_s);
        while started.elapsed() < PATIENCE {
            std::thread::sleep(IDLE);
            let now = self.used()?.cpu_s;
            // Less than a tick of the clock.
            if now - before < 0.005 {
                return Ok(());
            }
            before = now;
        }
        bail!("the daemon is still busy after {PATIENCE:?}")
    }

    /// Stops it as an operator would.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.running.signal("-TERM")?;
        self.running.wait(PATIENCE)
    }
}

/// Only settings that every build knows: the commit before this one is measured, too.
fn clean(mut command: Command) -> Command {
    command.env_clear();
    command.envs(std::env::vars().filter(|(name, _)| name == "PATH" || name == "HOME" || name == "TMPDIR"));
    command.env("STRIPE_WEBHOOK_SECRET", SECRET).env("REFERRALD_STRIPE__SIGNATURE_TOLERANCE_S", "86400");
    command.env("REFERRALD_HTTP__DRAIN_NOTICE_MS", "0");
    command
}

/// Another program may take it before it is used; the child then fails to start, and says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}
