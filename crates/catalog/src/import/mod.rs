//! Products from files: bytes in as they come, rows out as soon as they are complete. No row is in memory for longer
//! than its turn, so that files may have any size.
//!
//! ```
//! use cartwright_catalog::import::{Format, RowReader};
//! use cartwright_domain::Currency;
//!
//! let mut reader = RowReader::new(Format::Csv, Currency::EUR);
//! let mut rows = Vec::new();
//! reader.push(b"id,name,price\n1,Tea,3.", &mut rows)?;
//! reader.push(b"50\n2,,4\n", &mut rows)?;
//! reader.finish(&mut rows)?;
//! assert_eq!((rows[0].line, rows[0].product.is_ok()), (2, true));
//! let faults = rows[1].product.as_ref().unwrap_err();
//! assert_eq!((rows[1].line, faults[0].pointer.as_str(), faults[0].code), (3, "/name", "missing"));
//! # Ok::<_, cartwright_catalog::import::BadColumns>(())
//! ```

mod lines;
mod run;
mod table;

use cartwright_domain::Currency;
use cartwright_storage::ImportedProduct;

use crate::Fault;
use lines::Lines;
use table::Table;

pub use run::{Import, ImportError, ImportReport, MAX_REPORTED, RowFault};

/// How many bytes a row may have. Of one that has more, no more is kept.
pub const MAX_ROW: usize = 64 * 1024;

/// What a file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180), UTF-8. The first row names the [columns](crate::Column), in any order.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// On which line it begins; the first is 1.
    pub line: u64,
    /// The product, or all that is wrong with the row.
    pub product: Result<ImportedProduct, Vec<Fault>>,
}

/// The first row of a table does not name its columns: nothing can be said of those that follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the first row does not name the columns")]
pub struct BadColumns(
    /// What is wrong with it.
    pub Vec<Fault>,
);

/// Makes rows of bytes.
#[derive(Debug)]
pub struct RowReader {
    /// How much of a byte order mark was seen. `None`: the file has begun.
    mark: Option<usize>,
    rows: Rows,
    currency: Currency,
}

#[derive(Debug)]
enum Rows {
    Table(Box<Table>),
    Lines(Lines),
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl RowReader {
    /// A reader at the beginning of a file. A price without currency is in `currency`.
    pub fn new(format: Format, currency: Currency) -> Self {
        let rows = match format {
            Format::Csv => Rows::Table(Box::default()),
            Format::Ndjson => Rows::Lines(Lines::default()),
        };
        Self { mark: Some(0), rows, currency }
    }

    /// Takes the next bytes of the file, and adds the rows that they complete to `rows`.
    ///
    /// # Errors
    /// [`BadColumns`]: there is no point in going on.
    pub fn push(&mut self, mut bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), BadColumns> {
        while let Some(seen) = self.mark {
            match (MARK.get(seen), bytes.split_first()) {
                (None, _) => self.mark = None,
                (Some(_), None) => return Ok(()),
                (Some(wanted), Some((byte, rest))) if wanted == byte => {
                    self.mark = Some(seen + 1);
                    bytes = rest;
                }
                (Some(_), Some(_)) => self.no_mark(rows)?,
            }
        }
        self.feed(bytes, rows)
    }

    /// The file ends here.
    ///
    /// # Errors
    /// [`BadColumns`] when a table has not even a first row.
    pub fn finish(mut self, rows: &mut Vec<Row>) -> Result<(), BadColumns> {
        self.no_mark(rows)?;
        match self.rows {
            Rows::Table(table) => table.finish(self.currency, rows),
            Rows::Lines(lines) => {
                lines.finish(self.currency, rows);
                Ok(())
            }
        }
    }

    /// What looked like the beginning of a mark is the beginning of the file.
    fn no_mark(&mut self, rows: &mut Vec<Row>) -> Result<(), BadColumns> {
        let seen = self.mark.take().filter(|seen| *seen < MARK.len()).unwrap_or(0);
        self.feed(MARK.get(..seen).unwrap_or_default(), rows)
    }

    fn feed(&mut self, bytes: &[u8], rows: &mut Vec<Row>) -> Result<(), BadColumns> {
        match &mut self.rows {
            Rows::Table(table) => table.push(bytes, self.currency, rows),
            Rows::Lines(lines) => {
                lines.push(bytes, self.currency, rows);
                Ok(())
            }
        }
    }
}

fn too_large() -> Fault {
    Fault::new("", "row_too_large", format!("a row has at most {MAX_ROW} bytes"))
}
