//! One Chromium without a window.

use std::process::Command;
use std::time::Duration;

use crate::supervise::Supervised;
use crate::{Error, locate};

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A Chromium of this process, without a window, with an empty profile of its own, driven over the Chrome DevTools
/// protocol.
///
/// It ends and its folder is removed with this value, and also when the test process ends, in whatever way.
///
/// ```no_run
/// # fn main() -> Result<(), cartwright_testkit::Error> {
/// let chromium = cartwright_testkit::Chromium::start()?;
/// let socket = chromium.url(); // ws://127.0.0.1:34567/devtools/browser/…
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Chromium {
    process: Supervised,
    url: String,
}

impl Chromium {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when it is not installed, [`Error::Ended`] with its last words when it does not want to,
    /// [`Error::Io`], [`Error::Timeout`].
    pub fn start() -> Result<Self, Error> {
        let program = locate::chromium()?;
        let process = Supervised::new("chromium")?;
        let folder = process.folder().to_owned();
        let mut command = Command::new(program);
        command
            // Its sandbox wants rights that root in a container does not have. It is shown our own pages only.
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            // It talks to nobody but us.
            .args(["--no-first-run", "--no-default-browser-check", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--disable-extensions", "--no-pings"])
            // The same picture on every machine, as far as that goes.
            .args(["--lang=en-US", "--force-color-profile=srgb", "--hide-scrollbars", "--mute-audio"])
            .env("HOME", &folder)
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .env("TZ", "UTC")
            .env_remove("DBUS_SESSION_BUS_ADDRESS");
        process.spawn(&mut command)?;
        let mut url = None;
        process.wait_ready("chromium", START, || {
            url = listening_on(&process.log());
            url.is_some()
        })?;
        Ok(Self { process, url: url.unwrap_or_default() })
    }

    /// The web socket over which the browser is driven.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it wrote to standard output and error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// `ws://127.0.0.1:34567/devtools/browser/…` out of what it prints when it is ready.
fn listening_on(log: &str) -> Option<String> {
    let line = log.lines().find_map(|line| line.strip_prefix("DevTools listening on "))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::listening_on;

    #[test]
    fn the_socket_is_found_in_what_chromium_prints() {
        let log = "[1:2:ERROR:x] something\nDevTools listening on ws://127.0.0.1:1/devtools/browser/a-b\n";
        assert_eq!(listening_on(log).as_deref(), Some("ws://127.0.0.1:1/devtools/browser/a-b"));
        assert_eq!(listening_on("DevTools"), None);
    }
}
