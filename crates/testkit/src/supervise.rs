//! A server process that cannot outlive the test process.
//!
//! `PR_SET_PDEATHSIG` would be shorter, but it fires when the *thread* that started the child ends,
//! and test threads end all the time. So each server has a watchdog instead: a shell that waits for
//! the end of a pipe of which this process holds the other end. The server joins the watchdog's
//! process group as it is started, so there is no moment at which a SIGKILL of the test process would
//! leave it unattended: the pipe only ends after the child has left this program's image. Children of the
//! server that leave the group are found by a mark in their environment.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::poll_until;
use crate::{Error, evidence, home, procfs};

/// How long a process may take to stop, to continue or to die of SIGKILL.
const PROMPTLY: Duration = Duration::from_secs(20);

/// A folder, its watchdog and at most one running process.
#[derive(Debug)]
pub(crate) struct Supervised {
    name: String,
    folder: PathBuf,
    watchdog: Child,
    process: Mutex<Running>,
}

/// The process of the moment.
#[derive(Debug, Default)]
struct Running {
    child: Option<Child>,
    status: Option<ExitStatus>,
}

impl Running {
    /// Reaps the child when it has ended.
    fn refresh(&mut self) {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.status = Some(status);
            self.child = None;
        }
    }
}

impl Supervised {
    /// Makes the folder and starts the watchdog; no server runs yet.
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        let folder = home::create(name)?;
        evidence::keep_log(&folder);
        let watchdog = Command::new("/bin/sh")
            .args(["-c", include_str!("watchdog.sh"), "cartwright-testkit-watchdog"])
            .arg(&folder)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watchdog {
            Ok(watchdog) => Ok(Self { name: name.to_owned(), folder, watchdog, process: Mutex::default() }),
            Err(source) => {
                // Nobody else will remove it; the failure to start says more than one to remove.
                let _ = std::fs::remove_dir_all(&folder);
                Err(Error::Io { action: "start the watchdog".to_owned(), source })
            }
        }
    }

    /// The folder of the server, removed when this value or this process ends.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the process writes.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Everything that was written to standard output and error, by all runs.
    pub(crate) fn log(&self) -> String {
        home::read_log(&self.log_path())
    }

    /// Runs a command to its end in the same group, as a preparation.
    pub(crate) fn run(&self, what: &str, command: &mut Command) -> Result<(), Error> {
        self.spawn(command)?;
        match self.wait_exit(Duration::from_secs(120)) {
            Some(status) if status.success() => Ok(()),
            _ => Err(self.failure(what, Duration::from_secs(120))),
        }
    }

    /// Starts the process, in the watchdog's group and with the log as its output.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<(), Error> {
        let log = self.log_path();
        let out = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io(format!("open {}", log.display())))?;
        let err = out.try_clone().map_err(Error::io("duplicate the log's descriptor"))?;
        let mut running = self.running();
        assert!(running.child.is_none(), "{} runs already", self.name);
        let child = command
            .process_group(self.watchdog_pid())
            .env("CARTWRIGHT_TESTKIT_FOLDER", &self.folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(Error::io(format!("start {}", command.get_program().display())))?;
        *running = Running { child: Some(child), status: None };
        Ok(())
    }

    /// Waits until `ready` says so; an error when the process ends before, or at the deadline.
    pub(crate) fn wait_ready(
        &self,
        what: &str,
        deadline: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut is_ready = false;
        poll_until(deadline, || {
            is_ready = ready();
            is_ready || !self.is_running()
        });
        if is_ready { Ok(()) } else { Err(self.failure(what, deadline)) }
    }

    /// The error for a process that ended or did not get ready.
    fn failure(&self, what: &str, deadline: Duration) -> Error {
        let (what, log) = (what.to_owned(), home::tail(&self.log_path()));
        let mut running = self.running();
        running.refresh();
        match running.status {
            Some(status) => Error::Ended { what, status: status.to_string(), log },
            None => Error::Timeout { what, deadline, log },
        }
    }

    /// The process id, or `None` when nothing runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        let mut running = self.running();
        running.refresh();
        running.child.as_ref().map(Child::id)
    }

    /// The process id; panics when nothing runs.
    #[track_caller]
    pub(crate) fn must_pid(&self) -> u32 {
        self.pid().unwrap_or_else(|| {
            panic!("{} does not run; its log:\n{}", self.name, home::tail(&self.log_path()))
        })
    }

    /// Whether the process has not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Sends a signal to the process alone, if it runs.
    pub(crate) fn signal(&self, signal: Signal) {
        // Holding the lock keeps the child unreaped, so that its id cannot belong to anybody else.
        let mut running = self.running();
        running.refresh();
        if let Some(child) = &running.child {
            send(child.id(), signal);
        }
    }

    /// Stops the process and its children with SIGSTOP, and waits until they have stopped.
    #[track_caller]
    pub(crate) fn pause(&self) {
        let pid = self.must_pid();
        stop(pid);
        for child in procfs::children(pid) {
            stop(child);
        }
    }

    /// Lets the process and its children continue.
    pub(crate) fn resume(&self) {
        if let Some(pid) = self.pid() {
            for child in procfs::children(pid) {
                send(child, Signal::SIGCONT);
            }
            send(pid, Signal::SIGCONT);
        }
    }

    /// Kills the process and its children with SIGKILL, and waits until they are gone.
    pub(crate) fn kill(&self) {
        let Some(pid) = self.pid() else { return };
        // Stopped first, so that it starts no child while they are counted.
        stop(pid);
        let children = procfs::children(pid);
        send(pid, Signal::SIGKILL);
        for child in &children {
            send(*child, Signal::SIGKILL);
        }
        let gone = poll_until(PROMPTLY, || {
            !self.is_running() && !children.iter().any(|child| procfs::is_alive(*child))
        });
        assert!(gone, "{} survived SIGKILL for {PROMPTLY:?}", self.name);
    }

    /// Waits for the process to end by itself; `None` at the deadline, or when none was started.
    pub(crate) fn wait_exit(&self, deadline: Duration) -> Option<ExitStatus> {
        poll_until(deadline, || !self.is_running());
        self.running().status
    }

    /// The id of the watchdog, which is the id of its process group.
    fn watchdog_pid(&self) -> i32 {
        i32::try_from(self.watchdog.id()).expect("process ids fit")
    }

    /// The process of the moment. A panic elsewhere must not keep the server from being stopped.
    fn running(&self) -> MutexGuard<'_, Running> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Supervised {
    /// Ends the pipe; the watchdog does the rest, as it would if this process had died.
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        if let Some(mut child) = self.running().child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a signal; that the process is gone already is fine.
fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// SIGSTOP, and the wait until it has taken effect.
fn stop(pid: u32) {
    send(pid, Signal::SIGSTOP);
    let stopped = poll_until(PROMPTLY, || procfs::is_stopped(pid));
    assert!(stopped, "process {pid} ignored SIGSTOP for {PROMPTLY:?}");
}
