//! Nothing outlives the test process, however that ends.
//!
//! The tests start this very binary again, with only the test `victim` in it, and end it in different
//! ways.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cartwright_testkit::{Postgres, RedisServer, ServerProcess, eventually};

use crate::PATIENCE;

/// Tells the victim how to end; without it, the test does nothing.
const END: &str = "CARTWRIGHT_TESTKIT_VICTIM";

/// What is left of a test process: the processes it had started, and their folders.
#[derive(Debug, Default)]
struct Traces {
    pids: Vec<u32>,
    folders: Vec<PathBuf>,
}

impl Traces {
    fn remain(&self) -> bool {
        self.pids.iter().any(|pid| is_alive(*pid)) || self.folders.iter().any(|folder| folder.exists())
    }
}

/// A process that only waits to be reaped does no harm; in a container nobody may reap it.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z')))
}

/// Everything whose parent is that process, and the watchdog, whose group it is in.
fn family(pid: u32) -> Vec<u32> {
    let stats = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let child: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let fields: Vec<u32> =
            stat.rsplit_once(") ")?.1.split(' ').skip(1).take(2).filter_map(|id| id.parse().ok()).collect();
        Some((child, fields))
    });
    let stats: Vec<(u32, Vec<u32>)> = stats.collect();
    let watchdog = stats.iter().find(|(child, _)| *child == pid).map(|(_, fields)| fields[1]);
    let children = stats.iter().filter(|(_, fields)| fields[0] == pid).map(|(child, _)| *child);
    children.chain([pid]).chain(watchdog).collect()
}

fn print(folder: &Path, pid: u32) {
    println!("folder {}", folder.display());
    for member in family(pid) {
        println!("pid {member}");
    }
}

/// Starts one of everything and ends as it is told.
#[test]
fn victim() {
    let Ok(end) = std::env::var(END) else { return };
    let postgres = Postgres::shared();
    let redis = RedisServer::start().unwrap();
    // A child in a session of its own is found through its parent.
    let server = ServerProcess::builder("/bin/sh").args(["-c", "setsid sleep 600 & wait"]).start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let count = || family(server.pid()).len();
    runtime.block_on(eventually(PATIENCE, async || count() == 3));
    if end == "paused" {
        postgres.pause();
        redis.pause();
        server.pause();
    }
    // The harness has begun a line with the name of the test.
    println!();
    print(postgres.socket_dir().parent().unwrap(), postgres.pid());
    print(redis.folder(), redis.pid());
    print(server.folder(), server.pid());
    println!("ready");
    match end.as_str() {
        "panic" => panic!("as told"),
        "exit" => std::process::exit(3),
        "return" => {}
        _ => runtime.block_on(std::future::pending()),
    }
}

fn start(end: &str) -> (Child, Traces) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifetime::victim", "--nocapture", "--test-threads=1"])
        .env(END, end)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut traces = Traces::default();
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("pid", pid)) => traces.pids.push(pid.parse().unwrap()),
            Some(("folder", folder)) => traces.folders.push(folder.into()),
            _ if line == "ready" => break,
            _ => {}
        }
    }
    if traces.folders.len() != 3 {
        child.kill().unwrap();
        let mut errors = String::new();
        child.stderr.as_mut().unwrap().read_to_string(&mut errors).unwrap();
        panic!("the victim did not come up: {errors}");
    }
    // PostgreSQL has a handful of processes, Redis and the shell have one and two, each a watchdog.
    assert!(traces.pids.len() > 9, "{traces:?}");
    (child, traces)
}

async fn leaves_nothing(end: &str, kill: bool) {
    let (mut child, traces) = start(end);
    if kill {
        assert!(traces.pids.iter().all(|pid| is_alive(*pid)), "{traces:?}");
        assert!(traces.folders.iter().all(|folder| folder.exists()));
        child.kill().unwrap();
    }
    child.wait().unwrap();
    eventually(PATIENCE, async || !traces.remain()).await;
}

#[tokio::test]
async fn nothing_is_left_after_a_sigkill() {
    leaves_nothing("wait", true).await;
}

#[tokio::test]
async fn nothing_is_left_after_a_sigkill_while_servers_are_stopped() {
    leaves_nothing("paused", true).await;
}

#[tokio::test]
async fn nothing_is_left_after_a_panic() {
    leaves_nothing("panic", false).await;
}

#[tokio::test]
async fn nothing_is_left_after_an_exit() {
    leaves_nothing("exit", false).await;
}

#[tokio::test]
async fn nothing_is_left_after_a_good_end() {
    leaves_nothing("return", false).await;
}

#[test]
fn a_dropped_server_is_gone_at_once() {
    let redis = RedisServer::start().unwrap();
    let traces = Traces { pids: family(redis.pid()), folders: vec![redis.folder().to_path_buf()] };
    assert!(traces.remain());
    drop(redis);
    assert!(!traces.remain());
}
