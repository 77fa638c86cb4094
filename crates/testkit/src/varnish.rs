//! One Varnish process.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::supervise::Supervised;
use crate::wait::poll_until;
use crate::{Error, locate, ports};

/// How long a start may take: the configuration is compiled first.
const START: Duration = Duration::from_secs(60);

/// A Varnish of this process with a configuration of its own, on a free port, keeping what it caches in memory.
///
/// It ends and its folder is removed with this value, and also when the test process ends, in whatever
/// way. Calls that start or stop it block the thread. Compiling the configuration takes a C compiler, which
/// is there wherever Rust links.
///
/// ```no_run
/// # fn main() -> Result<(), cartwright_testkit::Error> {
/// use cartwright_testkit::Varnish;
///
/// let varnish = Varnish::start(r#"vcl 4.1; backend default { .host = "127.0.0.1"; .port = "8000"; }"#)?;
/// let address = format!("127.0.0.1:{}", varnish.port());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Varnish {
    process: Supervised,
    program: PathBuf,
    port: u16,
}

impl Varnish {
    /// A Varnish with this configuration, in VCL.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when `varnishd` is not installed, [`Error::Ended`] with the compiler's words when
    /// the configuration is wrong, [`Error::Io`], [`Error::Timeout`].
    pub fn start(vcl: &str) -> Result<Self, Error> {
        let program = locate::varnishd()?;
        let process = Supervised::new("varnish")?;
        let file = process.folder().join("default.vcl");
        std::fs::write(&file, vcl).map_err(Error::io(format!("write {}", file.display())))?;
        let varnish = Self { process, program, port: ports::free_port() };
        varnish.spawn()?;
        Ok(varnish)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it runs, be it paused.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// What it wrote to standard output and error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Freezes it with SIGSTOP: connections stay open, nothing answers.
    #[track_caller]
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets a frozen Varnish continue.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Kills it with SIGKILL, and waits until nobody listens on its port.
    ///
    /// # Panics
    ///
    /// When somebody still does after a long while.
    #[track_caller]
    pub fn kill(&self) {
        self.process.kill();
        // A process of many threads counts as dead when its first one is, and has its sockets until its last one is.
        let closed = poll_until(START, || !self.listens());
        assert!(closed, "somebody listens on port {} after the Varnish there was killed", self.port);
    }

    /// Starts it again on the same port, with nothing in its cache, after [`kill`](Self::kill) when it
    /// still runs.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    #[track_caller]
    pub fn restart(&self) {
        self.kill();
        if let Err(error) = self.spawn() {
            panic!("Varnish does not come back: {}", crate::error::chain(&error));
        }
    }

    /// Starts the process and waits until it accepts connections.
    fn spawn(&self) -> Result<(), Error> {
        let folder = self.process.folder();
        let mut command = Command::new(&self.program);
        command
            .args(["-F", "-T", "none"])
            // Its own sandbox wants accounts that only the package makes.
            .args(["-j", "none"])
            .arg("-n")
            .arg(folder.join("work"))
            .arg("-f")
            .arg(folder.join("default.vcl"))
            .args(["-a", &format!("127.0.0.1:{}", self.port)])
            .args(["-s", "malloc,64m", "-l", "4m"])
            // A small Varnish: the defaults are for a machine of its own. Nothing is won by optimising what is
            // compiled here.
            .args(["-p", "thread_pools=1", "-p", "thread_pool_min=5"])
            .args(["-p", "cc_command=exec cc -fpic -shared -Wl,-x -o %o %s"]);
        self.process.spawn(&mut command)?;
        self.process.wait_ready("varnishd", START, || self.listens())
    }

    fn listens(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }
}
