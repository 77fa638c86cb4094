//! Finds the server programs on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// The oldest Redis the topologies are written for.
const OLDEST_REDIS: u32 = 7;

/// The folder with `postgres` and `initdb`.
///
/// The newest `/usr/lib/postgresql/*/bin` wins (Debian keeps the server programs off the `PATH`),
/// then the `PATH`.
///
/// # Errors
///
/// [`Error::Missing`] when there is none.
pub fn postgres_bin() -> Result<PathBuf, Error> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .collect();
    versions.sort();
    if let Some((_, bin)) = versions.pop() {
        return Ok(bin);
    }
    on_path("initdb")
        .and_then(|initdb| initdb.canonicalize().ok())
        .and_then(|initdb| initdb.parent().map(Path::to_path_buf))
        .filter(|bin| bin.join("postgres").is_file())
        .ok_or(Error::Missing { program: "initdb" })
}

/// The `redis-server` program, 7.0 or newer.
///
/// # Errors
///
/// [`Error::Missing`] when there is none, [`Error::TooOld`] when it is older.
pub fn redis_server() -> Result<PathBuf, Error> {
    let program = "redis-server";
    let path = on_path(program).ok_or(Error::Missing { program })?;
    let output = Command::new(&path)
        .arg("--version")
        .output()
        .map_err(Error::io(format!("run {} --version", path.display())))?;
    let found = version_in(&String::from_utf8_lossy(&output.stdout));
    let major = found.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= OLDEST_REDIS) {
        Ok(path)
    } else {
        Err(Error::TooOld { program, found, wanted: "7.0" })
    }
}

/// The `varnishd` program.
///
/// # Errors
///
/// [`Error::Missing`] when there is none.
pub fn varnishd() -> Result<PathBuf, Error> {
    let program = "varnishd";
    on_path(program).ok_or(Error::Missing { program })
}

/// The `chromium` program, or what else goes by that name.
///
/// # Errors
///
/// [`Error::Missing`] when there is none.
pub fn chromium() -> Result<PathBuf, Error> {
    let names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
    names.into_iter().find_map(on_path).ok_or(Error::Missing { program: "chromium" })
}

/// The `schemathesis` program that `install-deps.sh` installs, of the version that it names: no other is looked for.
///
/// # Errors
///
/// [`Error::Missing`] when it is not there.
pub fn schemathesis() -> Result<PathBuf, Error> {
    let program = "schemathesis";
    own_programs()
        .map(|folder| folder.join(program))
        .filter(|path| path.is_file())
        .ok_or(Error::Missing { program })
}

/// `7.0.15` out of `Redis server v=7.0.15 sha=00000000:0 …`.
fn version_in(text: &str) -> String {
    text.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or("unknown").to_owned()
}

/// The first file of that name in the `PATH`, in the folders where servers usually are, or where `install-deps.sh`
/// unpacks what it may not install.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"].map(PathBuf::from))
        .chain(own_programs())
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Where `install-deps.sh` puts what it may not install.
fn own_programs() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(cache.join("cartwright-testkit/bin"))
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn the_version_is_found_in_what_redis_prints() {
        assert_eq!(
            version_in("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            "7.0.15"
        );
        assert_eq!(version_in("something else"), "unknown");
    }
}
