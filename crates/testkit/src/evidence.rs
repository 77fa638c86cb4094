//! What a run of the tests leaves behind, so that secrets can be looked for in it.
//!
//! With `CARTWRIGHT_TEST_LOGS` naming a folder, the logs of all servers stay there, each in a file `*.log`, and
//! what must not be seen in any of them stands in the file `secrets`, one a line. `scripts/secrets-in-logs` compares them.
//! Without it, nothing is kept.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

const FOLDER: &str = "CARTWRIGHT_TEST_LOGS";
/// In bytes: what is shorter is found everywhere, secret or not.
const SHORTEST: usize = 12;

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn append(folder: &Path, name: &str) -> File {
    let path = folder.join(name);
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    opened.unwrap_or_else(|error| panic!("{FOLDER}: {}: {error}", path.display()))
}

/// Notes what no log may show: a token, a password. What is shorter than 12 bytes is not noted.
///
/// # Panics
///
/// When it cannot be written down.
pub fn secret(text: &str) {
    let Some(folder) = folder().filter(|_| text.len() >= SHORTEST) else { return };
    let lines: String = text.lines().map(|line| format!("{line}\n")).collect();
    // One write, for many processes write there.
    append(&folder, "secrets").write_all(lines.as_bytes()).expect("secrets are noted");
}

/// Notes the secrets in a request or in an answer: tokens, ids of sessions, secrets of webhooks.
///
/// # Panics
///
/// When they cannot be written down.
pub fn carried(text: &str) {
    const BEFORE: [&str; 7] = [
        "authorization: bearer ",
        "x-guest-token: ",
        "x-session-id: ",
        "cartwright_guest=",
        "\"token\":\"",
        "\"secret\":\"",
        "\"session_id\":\"",
    ];
    if folder().is_none() {
        return;
    }
    let lower = text.to_ascii_lowercase();
    for before in BEFORE {
        for (at, _) in lower.match_indices(before) {
            let rest = text.get(at + before.len()..).unwrap_or_default();
            secret(rest.split(['"', ';', '\r', '\n']).next().unwrap_or_default());
        }
    }
}

/// Notes what is secret in a setting of a server: the value of a variable that is named so, the password in a URL.
pub(crate) fn setting(name: &OsStr, value: &OsStr) {
    let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { return };
    if name.ends_with("SECRET") || name.ends_with("PASSWORD") {
        secret(value);
    }
    for url in value.split(',') {
        let login = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        if let Some((_, password)) = login.and_then(|(login, _)| login.split_once(':')) {
            secret(password);
        }
    }
}

/// Keeps what a program said that has ended.
///
/// # Panics
///
/// When it cannot be written down.
pub fn said(text: &[u8]) {
    let Some(folder) = folder() else { return };
    append(&folder, &format!("said-{}.log", std::process::id())).write_all(text).expect("it is kept");
}

/// From now on, keeps what this process logs, as detailed as it can be.
pub fn log_here() {
    let Some(folder) = folder() else { return };
    let file = append(&folder, &format!("process-{}.log", std::process::id()));
    let ours = Targets::new().with_default(LevelFilter::INFO).with_target("cartwright", LevelFilter::TRACE);
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Mutex::new(file)).with_filter(ours);
    let _ = tracing_subscriber::registry().with(lines).try_init(); // it has begun before
}

/// Where the log of a server is to be: a link to what stays, or nothing yet.
pub(crate) fn keep_log(server: &Path) {
    let (Some(folder), Some(name)) = (folder(), server.file_name()) else { return };
    let kept = folder.join(name).with_extension("log");
    std::os::unix::fs::symlink(kept, server.join("log")).expect("the log's place is free");
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::ServerProcess;

    /// Set by the test below for a process of its own: where all tests leave evidence, there is to be nothing to find.
    const CHILD: &str = "CARTWRIGHT_TESTKIT_CHILD";

    #[test]
    fn leaves_evidence() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let server = ServerProcess::builder("/bin/sh").args(["-c", "echo $REDIS_URL; exec sleep 60"]);
        let server = server.env("REDIS_URL", "redis://:a-password-in-a-url@host,redis://host");
        let server =
            server.env("A_SECRET", "a value that is secret").env("SHORT_SECRET", "short").start().unwrap();
        crate::wait::poll_until(std::time::Duration::from_secs(20), || server.log().contains("redis://"));
        secret("a secret");
        carried(
            "GET / HTTP/1.1\r\nAuthorization: Bearer a.token.of-somebody\r\nx: y\r\n\r\n{\"token\":\"that of a guest\"}",
        );
        said(b"the end\n");
    }

    #[test]
    fn secrets_are_found_in_what_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let run = |name: &str| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let output =
                command.args(["--exact", name]).env(FOLDER, folder.path()).env(CHILD, "1").output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        };
        let look = || {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/secrets-in-logs");
            let output = Command::new("bash").arg(script).arg(folder.path()).output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        assert!(!look().0, "there is nothing yet");
        run("evidence::tests::leaves_evidence");
        let secrets = std::fs::read_to_string(folder.path().join("secrets")).unwrap();
        let expected =
            ["a-password-in-a-url", "a value that is secret", "a.token.of-somebody", "that of a guest"];
        assert_eq!(secrets.lines().collect::<Vec<_>>(), expected);
        let (good, found) = look();
        assert!(!good && found.contains(".log:1") && !found.contains("a-password-in-a-url"), "{found}");
        for entry in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("cartwright-") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        assert_eq!(look(), (true, String::new()), "what was said is a log without any");
        std::fs::write(folder.path().join("secrets"), "\n").unwrap();
        assert!(!look().0, "there is nothing to look for");
    }
}
