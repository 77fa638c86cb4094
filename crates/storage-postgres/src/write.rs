//! From decisions to rows.

use cartwright_storage::{CartChange, KeptLines, StorageError, only_quantities};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::join;

use crate::{
    sql::{InsertCarts, KeepAnswers, UpdateCarts},
    transaction::Failure,
};

/// The statements that write a batch. Each is sent only when it has something to do.
pub(crate) struct Write<'a> {
    insert: InsertCarts<'a>,
    update: UpdateCarts<'a>,
    keep: KeepAnswers<'a>,
}

impl<'a> Write<'a> {
    pub(crate) fn new(changed: &'a [CartChange], keep: KeepAnswers<'a>) -> Result<Self, StorageError> {
        let mut write = Self::empty(keep);
        for change in changed {
            write.cart(change)?;
        }
        Ok(write)
    }

    fn empty(keep: KeepAnswers<'a>) -> Self {
        Self {
            insert: InsertCarts {
                owners: Vec::new(),
                versions: Vec::new(),
                created: Vec::new(),
                updated: Vec::new(),
                quantities: Vec::new(),
                lines: Vec::new(),
            },
            update: UpdateCarts {
                owners: Vec::new(),
                before: Vec::new(),
                after: Vec::new(),
                updated: Vec::new(),
                quantities: Vec::new(),
                lines: Vec::new(),
            },
            keep,
        }
    }

    fn cart(&mut self, change: &'a CartChange) -> Result<(), StorageError> {
        let (before, after) = (&change.before, &change.after);
        let owner = after.owner().as_str();
        let (Some(created), Some(updated)) = (after.created_at(), after.updated_at()) else {
            return Err(StorageError::unexpected("a changed cart without a time of change"));
        };
        if before.version() == 0 {
            self.insert.owners.push(owner);
            self.insert.versions.push(version(after.version())?);
            self.insert.created.push(created);
            self.insert.updated.push(updated);
            let KeptLines { quantities, lines } = KeptLines::of(after.lines())?;
            self.insert.quantities.push(quantities);
            self.insert.lines.push(lines);
        } else {
            self.update.owners.push(owner);
            self.update.before.push(version(before.version())?);
            self.update.after.push(version(after.version())?);
            self.update.updated.push(updated);
            let (quantities, lines) = match only_quantities(before.lines(), after.lines())? {
                Some(quantities) => (quantities, None),
                None => {
                    let KeptLines { quantities, lines } = KeptLines::of(after.lines())?;
                    (quantities, Some(lines))
                }
            };
            self.update.quantities.push(quantities);
            self.update.lines.push(lines);
        }
        Ok(())
    }

    /// Sends all statements, pipelined.
    ///
    /// Each must write exactly the rows it was given. Anything else means that somebody else wrote the cart in spite
    /// of the lock, and nothing may be committed.
    pub(crate) async fn run(self, connection: &AsyncPgConnection) -> Result<(), Failure> {
        macro_rules! send {
            ($statement:expr, $column:ident, $what:literal) => {
                async {
                    let expected = $statement.$column.len();
                    if expected == 0 {
                        return Ok(());
                    }
                    let rows = $statement.execute(&mut &*connection).await?;
                    check($what, rows, expected)
                }
            };
        }
        let keep = async {
            if self.keep.keys.is_empty() {
                return Ok(0);
            }
            self.keep.execute(&mut &*connection).await
        };
        let (inserted, updated, kept) =
            join!(send!(self.insert, owners, "new carts"), send!(self.update, owners, "carts"), keep);
        inserted.and(updated)?;
        kept?;
        Ok(())
    }
}

fn version(version: u64) -> Result<i64, StorageError> {
    i64::try_from(version).map_err(|error| {
        StorageError::Unexpected("a cart changed too often to be counted".into(), Some(Box::new(error)))
    })
}

pub(crate) fn check(what: &str, rows: usize, expected: usize) -> Result<(), Failure> {
    if rows == expected {
        return Ok(());
    }
    Err(StorageError::unexpected(format!("{rows} {what} were written instead of {expected}")).into())
}
