//! The load generator: `wrk` with a script that sends every event once and waits for every answer.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::events::Part;
use crate::parts::cpu_s;
use crate::process::Running;

const SCRIPT: &str = include_str!("wrk.lua");
/// `wrk` itself would end then; it is told to end when all is sent.
const LIMIT: Duration = Duration::from_mins(3);

/// How the events are sent.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub connections: usize,
    /// Events a second that are offered; as many as are answered when there is none.
    pub rate: Option<f64>,
}

/// What `wrk` and its script saw.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Answers a second, from the first request to the last answer.
    pub rate: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Processor time of the generator, in seconds.
    pub cpu_s: f64,
    /// How far behind its schedule a request was sent at most.
    pub late_ms: f64,
}

/// Its version, or what to do.
pub fn version() -> anyhow::Result<String> {
    let output = Command::new("wrk").arg("-v").output();
    let output = output.ok().context("wrk is not in PATH: apt-get install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split(" Copyright").next().unwrap_or_default().trim().to_owned())
}

/// Sends these events to ports of this machine, a thread for each slice; the ports take turns. An answer other than 2xx,
/// or none, is an error.
pub fn send(ports: &[u16], events: &Part<'_>, pace: Pace, directory: &Path) -> anyhow::Result<Seen> {
    let (count, first) = (events.slices.len(), ports.first().context("nobody listens")?);
    ensure!(count.is_multiple_of(ports.len()), "{count} threads are no multiple of the replicas");
    ensure!(pace.connections.is_multiple_of(count), "connections are no multiple of {count} threads");
    let script = directory.join("wrk.lua");
    std::fs::write(&script, SCRIPT)?;
    let slices = events.slices.iter().map(|(offset, count)| format!("{offset}:{count}"));
    let mut command = Command::new("wrk");
    command
        .args(["--threads", &count.to_string(), "--connections", &pace.connections.to_string()])
        .args(["--duration", &LIMIT.as_secs().to_string(), "--timeout", "30s", "--latency", "--script"])
        .arg(&script)
        .arg(format!("http://127.0.0.1:{first}/webhooks/stripe"))
        .env("BENCH_PORTS", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" "))
        .env("BENCH_FILE", events.path)
        .env("BENCH_BYTES", events.bytes.to_string())
        .env("BENCH_SLICES", slices.collect::<Vec<_>>().join(" "))
        .env("BENCH_CONNECTIONS", pace.connections.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(rate) = pace.rate {
        command.env("BENCH_RATE", (rate / 2.0).to_string());
    }
    let mut wrk = Running::start("wrk", &mut command)?;
    let lines = lines_of(&mut wrk)?;
    let ended = Instant::now() + LIMIT;
    let (mut threads, mut text) = (Vec::new(), Vec::new());
    while threads.len() < count {
        let patience = ended.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(patience);
        let line = line.with_context(|| format!("wrk did not get all answers: {}", text.join(" | ")))?;
        if line.starts_with("thread ") {
            threads.push(numbers(&line));
        } else {
            text.push(line);
        }
    }
    let cpu_s = cpu_s(wrk.id())?;
    // Without this it would sleep until its time is over.
    wrk.signal("-INT")?;
    text.extend(lines.iter());
    wrk.wait(Duration::from_secs(10))?;
    let result = text.iter().find(|line| line.starts_with("result "));
    let result = numbers(result.with_context(|| format!("wrk said: {}", text.join(" | ")))?);
    Ok(Seen { cpu_s, ..seen(&threads, &result, events)? })
}

/// Connections that read, each asking again once it is answered.
const READERS: usize = 4;

/// Asks a server of this machine for these paths, again and again for some seconds. An answer other than 2xx, or none, is
/// an error.
pub fn read(
    port: u16,
    paths: &[String],
    token: &str,
    seconds: u64,
    directory: &Path,
) -> anyhow::Result<Seen> {
    let (script, list) = (directory.join("reads.lua"), directory.join("paths"));
    std::fs::write(&script, include_str!("reads.lua"))?;
    std::fs::write(&list, paths.join("\n"))?;
    let output = Command::new("wrk")
        .args(["--threads", "2", "--connections", &READERS.to_string(), "--duration", &seconds.to_string()])
        .args(["--timeout", "30s", "--latency", "--script"])
        .arg(&script)
        .arg(format!("http://127.0.0.1:{port}"))
        .env("BENCH_PATHS", &list)
        .env("BENCH_TOKEN", token)
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find(|line| line.starts_with("result "));
    let result = numbers(result.with_context(|| format!("wrk said: {text}"))?);
    check(&result)?;
    let of = |name: &str| result.get(name).copied().unwrap_or(f64::NAN);
    Ok(Seen {
        rate: of("answers") / (of("duration") / 1e6),
        p50_ms: of("p50") / 1e3,
        p99_ms: of("p99") / 1e3,
        cpu_s: 0.0,
        late_ms: 0.0,
    })
}

/// Every answer must have been a good one.
fn check(result: &Numbers) -> anyhow::Result<()> {
    for kind in ["connect", "read", "write", "timeout", "status"] {
        let errors = result.get(kind).copied().unwrap_or(f64::NAN);
        ensure!(errors == 0.0, "{errors} errors of kind {kind} (status: answers other than 2xx)");
    }
    Ok(())
}

fn seen(threads: &[Numbers], result: &Numbers, events: &Part<'_>) -> anyhow::Result<Seen> {
    let of_result = |name: &str| result.get(name).copied().unwrap_or(f64::NAN);
    check(result)?;
    let answers = of_result("answers");
    let sent: f64 = threads.iter().filter_map(|thread| thread.get("sent")).sum();
    if answers.to_string() != events.gain.events.to_string() || sent.to_string() != answers.to_string() {
        bail!("{} events were to be sent, {sent} were, {answers} were answered", events.gain.events);
    }
    let times =
        |name: &str| threads.iter().filter_map(|thread| thread.get(name)).copied().collect::<Vec<_>>();
    let first = times("from").into_iter().fold(f64::INFINITY, f64::min);
    let last = times("to").into_iter().fold(0.0, f64::max);
    Ok(Seen {
        rate: answers / ((last - first) / 1e6),
        p50_ms: of_result("p50") / 1e3,
        p99_ms: of_result("p99") / 1e3,
        cpu_s: 0.0,
        late_ms: times("late").into_iter().fold(0.0, f64::max) / 1e3,
    })
}

type Numbers = BTreeMap<String, f64>;

/// The pairs of a name and a number in a line.
fn numbers(line: &str) -> Numbers {
    let words: Vec<&str> = line.split_whitespace().collect();
    let pairs = words.windows(2).filter_map(|pair| Some((pair[0].to_owned(), pair[1].parse().ok()?)));
    pairs.collect()
}

/// The lines of both outputs, as they come.
fn lines_of(wrk: &mut Running) -> anyhow::Result<mpsc::Receiver<String>> {
    let (sender, receiver) = mpsc::channel();
    let output = wrk.child.stdout.take().context("wrk has no output")?;
    let errors = wrk.child.stderr.take().context("wrk has no output")?;
    let outputs: [Box<dyn Read + Send>; 2] = [Box::new(output), Box::new(errors)];
    for output in outputs {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
    }
    Ok(receiver)
}
