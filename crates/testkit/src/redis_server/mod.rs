//! One Redis process.

mod builder;
mod client;
mod topology;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use self::builder::RedisBuilder;
pub use self::topology::RedisTopology;
use crate::supervise::Supervised;
use crate::wait::{block_on, poll_until};
use crate::{Error, error};

/// How long a start may take: long, because a dump is loaded first.
const START: Duration = Duration::from_secs(30);

/// A Redis server of this process, on a port of its own, in a temporary folder.
///
/// It keeps nothing on disk unless told to. It ends and its folder is removed with this value, and
/// also when the test process ends, in whatever way.
///
/// Calls that start or stop the server block the thread; they may be made from async code and work
/// from any runtime. Operations panic when they fail.
///
/// ```no_run
/// # async fn example() -> Result<(), cartwright_testkit::Error> {
/// use cartwright_testkit::RedisServer;
///
/// let redis = RedisServer::start()?;
/// let _: () = redis.query(&["SET", "colour", "red"]).await;
/// redis.kill();
/// redis.restart();
/// assert_eq!(redis.query::<Option<String>>(&["GET", "colour"]).await, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisServer {
    process: Supervised,
    program: PathBuf,
    spec: RedisBuilder,
    port: u16,
    /// Whom the server follows after a restart; `None` for a primary.
    follows: Mutex<Option<(String, u16)>>,
}

impl RedisServer {
    /// A server with the default settings.
    ///
    /// # Errors
    ///
    /// As [`RedisBuilder::start`].
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Describes a server with other settings.
    #[must_use]
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL for the `redis` crate, with the password of the default user when there is one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_via(self.port)
    }

    /// The URL with another port: that of a [`ChaosProxy`](crate::ChaosProxy) before this server.
    #[must_use]
    pub fn url_via(&self, port: u16) -> String {
        let scheme = if self.spec.tls.is_some() { "rediss" } else { "redis" };
        let login = self.spec.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("{scheme}://{login}127.0.0.1:{port}/")
    }

    /// The process id.
    ///
    /// # Panics
    ///
    /// When the server does not run.
    #[must_use]
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process.must_pid()
    }

    /// Whether the server runs, be it paused.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The folder with the server's files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// What the server logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Freezes the server with SIGSTOP: connections stay open, nothing answers.
    #[track_caller]
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets a frozen server continue.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Kills the server with SIGKILL, and waits until it is gone.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Starts the server again on the same port and in the same folder, after [`kill`](Self::kill) when
    /// it still runs. It has the role it had last, and the data it had on disk: none by default.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    #[track_caller]
    pub fn restart(&self) {
        self.kill();
        if let Err(failure) = self.launch() {
            panic!("Redis did not come back: {}", error::chain(&failure));
        }
    }

    /// Writes a snapshot and puts it aside for [`restore_dump`](Self::restore_dump).
    #[track_caller]
    pub fn save_dump(&self) {
        if let Err(failure) = self.blocking_command(&["SAVE"]) {
            panic!("SAVE: {}", error::chain(&failure));
        }
        std::fs::copy(self.dump(), self.saved_dump()).expect("the dump can be copied");
    }

    /// Kills the server and starts it again with the snapshot of the last
    /// [`save_dump`](Self::save_dump): what was written since is lost, as after a restore from a backup.
    ///
    /// A replica will then follow its primary again and copy its data.
    ///
    /// # Panics
    ///
    /// When no snapshot was put aside, or the server does not come back.
    #[track_caller]
    pub fn restore_dump(&self) {
        self.kill();
        std::fs::copy(self.saved_dump(), self.dump()).expect("save_dump was called before");
        // With an append-only file Redis does not look at the snapshot, not even when that file is gone:
        // so the snapshot becomes the base of a new one.
        let append_only = self.process.folder().join("appendonlydir");
        if append_only.exists() {
            std::fs::remove_dir_all(&append_only).expect("the append-only file can be removed");
            std::fs::create_dir(&append_only).expect("a new one can be made");
            let base = "appendonly.aof.1.base.rdb";
            std::fs::copy(self.saved_dump(), append_only.join(base)).expect("the dump can be copied");
            let manifest = format!("file {base} seq 1 type b\n");
            std::fs::write(append_only.join("appendonly.aof.manifest"), manifest).expect("it can be written");
        }
        self.restart();
    }

    /// Makes the server a primary.
    #[track_caller]
    pub fn promote(&self) {
        self.set_role(None);
    }

    /// Makes the server a replica of another one. Give the address of a
    /// [`ChaosProxy`](crate::ChaosProxy) to disturb the replication.
    #[track_caller]
    pub fn replica_of(&self, host: &str, port: u16) {
        self.set_role(Some((host.to_owned(), port)));
    }

    /// Waits until the server answers and, when it is a replica, its link to the primary is up.
    ///
    /// # Panics
    ///
    /// At the deadline.
    #[track_caller]
    pub fn wait_online(&self, deadline: Duration) {
        let mut last = String::new();
        let online = poll_until(deadline, || {
            last = self.replication();
            last.contains("role:master") || last.contains("master_link_status:up")
        });
        assert!(online, "Redis on port {} was not online within {deadline:?}; it says:\n{last}", self.port);
    }

    /// The section `replication` of INFO; empty when the server does not answer.
    pub(crate) fn replication(&self) -> String {
        let reply = self.blocking_command(&["INFO", "replication"]);
        reply.ok().and_then(|info| redis::from_redis_value(info).ok()).unwrap_or_default()
    }

    #[track_caller]
    fn set_role(&self, follows: Option<(String, u16)>) {
        let (host, port) = match &follows {
            Some((host, port)) => (host.clone(), port.to_string()),
            None => ("NO".to_owned(), "ONE".to_owned()),
        };
        *self.follows.lock().unwrap_or_else(PoisonError::into_inner) = follows;
        if let Err(failure) = self.blocking_command(&["REPLICAOF", &host, &port]) {
            panic!("REPLICAOF {host} {port}: {}", error::chain(&failure));
        }
    }

    fn dump(&self) -> PathBuf {
        self.process.folder().join("dump.rdb")
    }

    fn saved_dump(&self) -> PathBuf {
        self.process.folder().join("dump.saved")
    }

    /// Writes the configuration, starts the server and waits until it answers.
    fn launch(&self) -> Result<(), Error> {
        let folder = self.process.folder();
        let follows = self.follows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let config = self.spec.config(self.port, folder, follows.as_ref());
        let path = folder.join("redis.conf");
        std::fs::write(&path, config).map_err(Error::io(format!("write {}", path.display())))?;
        let mut command = Command::new(&self.program);
        command.arg(path).env_clear().env("LC_ALL", "C").env("TZ", "UTC").current_dir(folder);
        self.process.spawn(&mut command)?;
        self.process.wait_ready("redis-server", START, || {
            // LOADING and a closed port are errors; ours must be the process that answers.
            block_on(self.command_within(&["PING"], Duration::from_secs(1))).is_ok() && self.is_running()
        })
    }
}
