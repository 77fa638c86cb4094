//! Any server program, under the same watchdog as the databases.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::supervise::Supervised;
use crate::{Error, evidence, procfs};

/// How long one attempt to reach the server may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// A running program, killed when this value is dropped or the test process ends.
///
/// ```no_run
/// # fn main() -> Result<(), cartwright_testkit::Error> {
/// use std::time::Duration;
/// use cartwright_testkit::{ServerProcess, ports};
///
/// let port = ports::free_port();
/// let server = ServerProcess::builder("target/debug/cartwright")
///     .arg("serve")
///     .env("CARTWRIGHT_HTTP__PORT", port.to_string())
///     .start()?;
/// server.wait_ready(&format!("http://127.0.0.1:{port}/health/ready"), Duration::from_secs(10))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ServerProcess {
    process: Supervised,
    spec: ServerProcessBuilder,
}

/// What to start, made by [`ServerProcess::builder`].
#[derive(Debug, Clone)]
pub struct ServerProcessBuilder {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    clear_env: bool,
    current_dir: Option<PathBuf>,
}

impl ServerProcessBuilder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable, on top of those of the test process.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        evidence::setting(name.as_ref(), value.as_ref());
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Leaves out the environment of the test process, except for what [`env`](Self::env) sets.
    #[must_use]
    pub fn clear_env(mut self) -> Self {
        self.clear_env = true;
        self
    }

    /// Sets the working folder; that of the test process when not set.
    #[must_use]
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(folder.into());
        self
    }

    /// Starts the program, without waiting for anything; see [`ServerProcess::wait_ready`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be executed.
    pub fn start(self) -> Result<ServerProcess, Error> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let process = Supervised::new(&name)?;
        process.spawn(&mut self.command())?;
        Ok(ServerProcess { process, spec: self })
    }

    /// The command that was described.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if self.clear_env {
            command.env_clear();
        }
        if let Some(folder) = &self.current_dir {
            command.current_dir(folder);
        }
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl ServerProcess {
    /// Describes the program to start.
    #[must_use]
    pub fn builder(program: impl Into<PathBuf>) -> ServerProcessBuilder {
        ServerProcessBuilder {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            clear_env: false,
            current_dir: None,
        }
    }

    /// Waits until `url` answers: `tcp://host:port` accepts a connection, or a GET of
    /// `http://host:port/path` is answered with a status of the 200s.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] when the program ends before, [`Error::Timeout`] at the deadline, both with the
    /// end of its log; [`Error::BadUrl`].
    pub fn wait_ready(&self, url: &str, deadline: Duration) -> Result<(), Error> {
        let target = Target::parse(url).ok_or_else(|| Error::BadUrl { url: url.to_owned() })?;
        let what = self.spec.program.display().to_string();
        self.process.wait_ready(&what, deadline, || target.answers())
    }

    /// The process id.
    ///
    /// # Panics
    ///
    /// When the program has ended.
    #[must_use]
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process.must_pid()
    }

    /// Whether the program has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Everything the program wrote to standard output and error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// A folder of the program's own, which is removed with it. The log is there, too.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// The most memory the program ever had resident, in kB (`VmHWM`); `None` when it has ended.
    #[must_use]
    pub fn peak_rss_kb(&self) -> Option<u64> {
        procfs::peak_rss_kb(self.process.pid()?)
    }

    /// Freezes the program with SIGSTOP.
    #[track_caller]
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets a frozen program continue.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Kills the program with SIGKILL, and waits until it is gone.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Asks the program to end, with SIGTERM; see [`wait_exit`](Self::wait_exit).
    pub fn terminate(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// Waits until the program has ended; `None` when it has not at the deadline.
    #[must_use]
    pub fn wait_exit(&self, deadline: Duration) -> Option<ExitStatus> {
        self.process.wait_exit(deadline)
    }

    /// Starts the same program again, after it has ended. The log is continued.
    ///
    /// # Panics
    ///
    /// When it still runs, or cannot be started.
    #[track_caller]
    pub fn restart(&self) {
        self.process.spawn(&mut self.spec.command()).expect("the program started before");
    }
}

/// Where readiness shows.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    authority: String,
    /// The path of a GET; `None` when an accepted connection is enough.
    path: Option<String>,
}

impl Target {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, "/".to_owned()),
        };
        let (_, port) = authority.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        let authority = authority.to_owned();
        match scheme {
            "tcp" => Some(Self { authority, path: None }),
            "http" => Some(Self { authority, path: Some(path) }),
            _ => None,
        }
    }

    fn answers(&self) -> bool {
        self.attempt().unwrap_or(false)
    }

    fn attempt(&self) -> std::io::Result<bool> {
        let Some(address) = self.authority.to_socket_addrs()?.next() else { return Ok(false) };
        let mut stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
        let Some(path) = &self.path else { return Ok(true) };
        stream.set_read_timeout(Some(ATTEMPT))?;
        stream.set_write_timeout(Some(ATTEMPT))?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.authority);
        stream.write_all(request.as_bytes())?;
        // "HTTP/1.1 2": the first digit of the status is all that matters.
        let mut start = [0_u8; 10];
        stream.read_exact(&mut start)?;
        Ok(start.starts_with(b"HTTP/1.") && start.ends_with(b" 2"))
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn addresses_are_read() {
        let target = |authority: &str, path: Option<&str>| {
            Some(Target { authority: authority.to_owned(), path: path.map(str::to_owned) })
        };
        assert_eq!(Target::parse("tcp://127.0.0.1:80"), target("127.0.0.1:80", None));
        assert_eq!(Target::parse("http://localhost:8080"), target("localhost:8080", Some("/")));
        assert_eq!(
            Target::parse("http://[::1]:1/health/ready?x=1"),
            target("[::1]:1", Some("/health/ready?x=1"))
        );
        assert_eq!(Target::parse("http://localhost/health"), None);
        assert_eq!(Target::parse("https://localhost:1/"), None);
        assert_eq!(Target::parse("127.0.0.1:80"), None);
    }
}
