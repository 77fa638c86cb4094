//! A private PostgreSQL cluster.

mod databases;
mod replica;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;

use self::databases::Templates;
use crate::home::{self, Account};
use crate::supervise::Supervised;
use crate::{Error, TlsFiles, error, locate, ports};

/// How long a start may take: long, because recovery after a kill reads the log first.
const START: Duration = Duration::from_secs(60);
/// How long an orderly end may take.
const STOP: Duration = Duration::from_secs(60);

/// A PostgreSQL cluster of this process, on a port of its own, in a temporary folder.
///
/// The superuser is `postgres`, without a password, on 127.0.0.1 and on a Unix socket. Everything
/// ends and is removed with this value, and also when the test process ends, in whatever way.
///
/// Calls that start or stop the server block the thread; they may be made from async code and work
/// from any runtime. Operations panic when they fail.
///
/// ```no_run
/// # async fn example() {
/// use cartwright_testkit::Postgres;
///
/// let url = Postgres::shared().fresh_database().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Postgres {
    process: Supervised,
    bin: PathBuf,
    account: Option<Account>,
    settings: Vec<(String, String)>,
    port: u16,
    templates: Templates,
}

/// How a cluster should be, made by [`Postgres::builder`].
#[derive(Debug, Clone, Default)]
pub struct PostgresBuilder {
    durable: bool,
    tls: Option<TlsFiles>,
    settings: Vec<(String, String)>,
}

impl PostgresBuilder {
    /// Whether what was committed survives [`Postgres::kill`] and a crash of the machine: `fsync`,
    /// `full_page_writes` and `synchronous_commit` are on. They are off otherwise, for speed.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Offers TLS, beside plain connections.
    #[must_use]
    pub fn tls(mut self, files: &TlsFiles) -> Self {
        self.tls = Some(files.clone());
        self
    }

    /// Sets a parameter of `postgresql.conf`; the last value of a name wins.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Creates the cluster, starts it and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when PostgreSQL is not installed, the other errors when it does not start.
    pub fn start(self) -> Result<Postgres, Error> {
        let bin = locate::postgres_bin()?;
        let account = home::unprivileged()?;
        let process = Supervised::new("postgres")?;
        home::private_folder(&process.folder().join("data"), account)?;
        home::private_folder(&process.folder().join("socket"), account)?;
        let settings = self.all_settings(process.folder(), account)?;
        let mut postgres =
            Postgres { process, bin, account, settings, port: 0, templates: Templates::default() };

        let mut initdb = postgres.command("initdb");
        initdb.arg("--pgdata").arg(postgres.data());
        initdb.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        postgres.process.run("initdb", &mut initdb)?;

        for _ in 0..5 {
            postgres.port = ports::free_port();
            match postgres.launch() {
                Err(Error::Ended { log, .. }) if log.contains("Address already in use") => {}
                outcome => return outcome.map(|()| postgres),
            }
        }
        postgres.launch().map(|()| postgres)
    }

    /// Our settings, then those of the caller.
    fn all_settings(self, folder: &Path, account: Option<Account>) -> Result<Vec<(String, String)>, Error> {
        let safety = if self.durable { "on" } else { "off" };
        let mut settings: Vec<(String, String)> = [
            ("listen_addresses", "127.0.0.1"),
            ("max_connections", "200"),
            ("fsync", safety),
            ("full_page_writes", safety),
            ("synchronous_commit", safety),
            ("shared_buffers", "64MB"),
            // Files of the data folder: POSIX segments would stay in /dev/shm after a SIGKILL.
            ("dynamic_shared_memory_type", "mmap"),
            ("log_line_prefix", "%m [%p] %d "),
            ("timezone", "UTC"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        settings.push(("unix_socket_directories".to_owned(), path(folder.join("socket"))));
        if let Some(files) = &self.tls {
            settings.push(("ssl".to_owned(), "on".to_owned()));
            for (name, from) in
                [("ssl_cert_file", &files.cert), ("ssl_key_file", &files.key), ("ssl_ca_file", &files.ca)]
            {
                let to = folder.join(name);
                home::private_copy(from, &to, account)?;
                settings.push((name.to_owned(), path(to)));
            }
        }
        settings.extend(self.settings);
        Ok(settings)
    }
}

impl Postgres {
    /// The cluster of this process, started by the first call, for all tests that only need databases
    /// of their own. Do not stop or pause it.
    ///
    /// # Panics
    ///
    /// When it cannot be started; the message says what to install.
    #[must_use]
    #[track_caller]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::start().map_err(|failure| error::chain(&failure)))
            .as_ref()
            .unwrap_or_else(|failure| panic!("no PostgreSQL for the tests: {failure}"))
    }

    /// A cluster with the default settings, fast and not durable.
    ///
    /// # Errors
    ///
    /// As [`PostgresBuilder::start`].
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Describes a cluster with other settings.
    #[must_use]
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// The URL of a database of this cluster, which need not exist.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster.
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

    /// The folder with the Unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> PathBuf {
        self.process.folder().join("socket")
    }

    /// What the server logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends the server in order: open transactions are rolled back, a checkpoint is written.
    #[track_caller]
    pub fn stop_fast(&self) {
        self.stop(Signal::SIGINT);
    }

    /// Ends the server at once, without a checkpoint; the next start recovers from the log.
    #[track_caller]
    pub fn stop_immediate(&self) {
        self.stop(Signal::SIGQUIT);
    }

    /// Kills all processes of the server with SIGKILL, and waits until they are gone.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Starts the server again on the same port and the same data, after [`stop_fast`](Self::stop_fast)
    /// when it still runs.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    #[track_caller]
    pub fn restart(&self) {
        if self.process.is_running() {
            self.stop_fast();
        }
        if let Err(failure) = self.launch() {
            panic!("PostgreSQL did not come back: {}", error::chain(&failure));
        }
    }

    /// Freezes all processes of the server with SIGSTOP: connections stay open, nothing answers.
    #[track_caller]
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets a frozen server continue.
    pub fn resume(&self) {
        self.process.resume();
    }

    fn data(&self) -> PathBuf {
        self.process.folder().join("data")
    }

    /// A server program as its user, with nothing of our environment: variables such as `PGPORT` or
    /// `PGDATA` would change where it runs.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        // Ours may be a folder its user cannot read.
        command.current_dir(self.process.folder());
        if let Some(account) = self.account {
            // As root this also drops the supplementary groups.
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Starts the server and waits for it.
    fn launch(&self) -> Result<(), Error> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        for (name, value) in &self.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        self.process.spawn(&mut command)?;
        let pid = self.process.pid().map(|pid| pid.to_string());
        self.process.wait_ready("PostgreSQL", START, || {
            // The postmaster writes its id into the first line and its state into the eighth; the file
            // of a killed predecessor may still be there.
            let status = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let line = |number: usize| status.lines().nth(number).map(str::trim);
            line(0) == pid.as_deref() && line(7) == Some("ready")
        })
    }

    #[track_caller]
    fn stop(&self, signal: Signal) {
        self.process.resume();
        self.process.signal(signal);
        self.process.wait_exit(STOP);
        assert!(!self.process.is_running(), "PostgreSQL ignored {signal} for {STOP:?}:\n{}", self.log());
    }
}
