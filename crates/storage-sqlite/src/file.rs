use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use cartwright_storage::StorageError;

use crate::error::{Problem, unavailable};

/// Keeps other processes away from the database file while it lives.
///
/// Their writes would be safe for the file, but not for the carts: the locks that keep a reader of the cache away from
/// a running batch are in this process's memory. The operating system lets go of it when the process ends, however it
/// ends.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "held, not used")] File);

impl FileLock {
    /// Takes the lock of a database file, making the folders of its path. Also returns the path, absolute: a name such
    /// as `:memory:` then is a file like any other.
    pub(crate) fn take(database: &Path) -> Result<(Self, PathBuf), StorageError> {
        let inaccessible = |source| unavailable(Problem::Inaccessible { path: database.to_owned(), source });
        let database = std::path::absolute(database).map_err(inaccessible)?;
        if let Some(folder) = database.parent() {
            fs::create_dir_all(folder).map_err(inaccessible)?;
        }
        let mut beside = database.clone().into_os_string();
        beside.push(".lock");
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(beside).map_err(inaccessible)?;
        match file.try_lock() {
            Ok(()) => Ok((Self(file), database)),
            Err(TryLockError::WouldBlock) => Err(unavailable(Problem::InUse(database))),
            Err(TryLockError::Error(source)) => Err(inaccessible(source)),
        }
    }
}
