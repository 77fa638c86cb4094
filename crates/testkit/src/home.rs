//! The folder of a server, and the user the server runs as.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::Error;

/// A Unix socket's path may have 107 bytes; this leaves room for what is put below the folder.
const LONGEST: usize = 70;

/// An account that a server is given to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The account for PostgreSQL, which refuses to run as root; `None` when we are an ordinary user and
/// simply run it ourselves.
pub(crate) fn unprivileged() -> Result<Option<Account>, Error> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
    let user = user.ok_or(Error::NoUnprivilegedUser)?;
    Ok(Some(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
}

/// Makes the folder of a server. The watchdog removes it.
///
/// It is made in the temporary folder, or in `/tmp` when that one cannot be reached by other users
/// (the server may run as one) or has too long a path for a Unix socket.
pub(crate) fn create(name: &str) -> Result<PathBuf, Error> {
    let preferred = std::env::temp_dir();
    let base = [preferred.as_path(), Path::new("/tmp")]
        .into_iter()
        .find(|base| base.as_os_str().len() <= LONGEST && base.is_dir() && open_to_others(base))
        .ok_or_else(|| Error::NoTempFolder(preferred.clone()))?;
    let folder = tempfile::Builder::new()
        .prefix(&format!("cartwright-{name}-"))
        // Others may pass through, not look around: the data folders below are closed to them.
        .permissions(Permissions::from_mode(0o711))
        .tempdir_in(base)
        .map_err(Error::io(format!("create a folder in {}", base.display())))?;
    Ok(folder.keep())
}

/// Whether another user can pass through the folder and everything above it. An ordinary user runs
/// the servers itself, so it does not matter then.
fn open_to_others(folder: &Path) -> bool {
    if !Uid::effective().is_root() {
        return true;
    }
    folder
        .ancestors()
        .filter(|ancestor| !ancestor.as_os_str().is_empty())
        .all(|ancestor| ancestor.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0))
}

/// Makes a folder that only the account (or we) can read.
pub(crate) fn private_folder(path: &Path, account: Option<Account>) -> Result<(), Error> {
    let action = || format!("prepare the folder {}", path.display());
    std::fs::create_dir_all(path).map_err(Error::io(action()))?;
    give(path, 0o700, account)
}

/// Copies a key or a certificate to where a server wants it: its own, and closed to all others.
pub(crate) fn private_copy(from: &Path, to: &Path, account: Option<Account>) -> Result<(), Error> {
    std::fs::copy(from, to).map_err(Error::io(format!("copy {} to {}", from.display(), to.display())))?;
    give(to, 0o600, account)
}

/// Sets the mode, then the owner.
fn give(path: &Path, mode: u32, account: Option<Account>) -> Result<(), Error> {
    let set = std::fs::set_permissions(path, Permissions::from_mode(mode));
    set.and_then(|()| account.map_or(Ok(()), |account| chown(path, Some(account.uid), Some(account.gid))))
        .map_err(Error::io(format!("give {} to the server's user", path.display())))
}

/// The end of a log, for error messages.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 25;
    let text = read_log(log);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(LINES)).copied().collect::<Vec<_>>().join("\n")
}

/// A log as text, empty when it is not there yet.
pub(crate) fn read_log(log: &Path) -> String {
    std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
