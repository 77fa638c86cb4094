use cartwright_domain::Currency;
use cartwright_storage::ImportedProduct;
use serde::Serialize;

use super::{BadColumns, Format, Row, RowReader};
use crate::{CatalogError, CatalogService, Fault};

/// How many faults a report names; all are counted.
pub const MAX_REPORTED: usize = 1_000;
/// How many products are written together.
const BATCH: usize = 1_000;
/// After how many bytes of a file they are written, if they are fewer.
const BATCH_BYTES: usize = 4 << 20;
/// How many bytes are taken apart at a time.
const PIECE: usize = 64 * 1024;

/// An import under way: bytes in, products written, faults collected. What it holds does not grow with the file.
#[derive(Debug)]
#[must_use = "an import has to be finished"]
pub struct Import {
    service: CatalogService,
    reader: RowReader,
    rows: Vec<Row>,
    batch: Vec<ImportedProduct>,
    bytes: usize,
    report: ImportReport,
}

/// What became of the rows. `rows = created + changed + unchanged + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// How many rows there were, without the one that names the columns.
    pub rows: u64,
    /// How many products were not there before.
    pub created: u64,
    /// How many are different now.
    pub changed: u64,
    /// Rows that brought nothing new: the product is as it was, or a later row says something else of it.
    pub unchanged: u64,
    /// Rows with something wrong: they were left out.
    pub rejected: u64,
    /// What is wrong, row by row: the first [`MAX_REPORTED`].
    pub errors: Vec<RowFault>,
}

/// One thing that is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowFault {
    /// On which line of the file the row begins.
    pub line: u64,
    /// What is wrong with it.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Why an import did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is no table of products. Nothing was written.
    #[error(transparent)]
    Columns(#[from] BadColumns),
    /// Some rows could not be written; those before them were. Importing all again does no harm.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl CatalogService {
    /// Begins to import a file. A price without currency is in `currency`. `dry_run`: only say what would be done.
    pub fn begin_import(&self, format: Format, currency: Currency, dry_run: bool) -> Import {
        Import {
            service: self.clone(),
            reader: RowReader::new(format, currency),
            rows: Vec::new(),
            batch: Vec::new(),
            bytes: 0,
            report: ImportReport { dry_run, ..ImportReport::default() },
        }
    }
}

impl Import {
    /// Takes the next bytes of the file, and returns when there is room for more.
    ///
    /// # Errors
    /// [`ImportError`]: there is no point in going on.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        for piece in bytes.chunks(PIECE) {
            self.reader.push(piece, &mut self.rows)?;
            self.bytes += piece.len();
            self.take_rows().await?;
            if self.bytes >= BATCH_BYTES {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// The file ends here: writes what is left.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn finish(mut self) -> Result<ImportReport, ImportError> {
        let reader = std::mem::replace(&mut self.reader, RowReader::new(Format::Ndjson, Currency::USD));
        reader.finish(&mut self.rows)?;
        self.take_rows().await?;
        self.write().await?;
        let report = &mut self.report;
        report.unchanged = report.rows.saturating_sub(report.created + report.changed + report.rejected);
        Ok(self.report)
    }

    async fn take_rows(&mut self) -> Result<(), ImportError> {
        for Row { line, product } in std::mem::take(&mut self.rows) {
            self.report.rows += 1;
            match product {
                Ok(product) => self.batch.push(product),
                Err(faults) => {
                    self.report.rejected += 1;
                    let room = MAX_REPORTED.saturating_sub(self.report.errors.len());
                    let faults = faults.into_iter().take(room).map(|fault| RowFault { line, fault });
                    self.report.errors.extend(faults);
                }
            }
            if self.batch.len() >= BATCH {
                self.write().await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), ImportError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let imported = if self.report.dry_run {
            self.service.preview_import(&batch).await?
        } else {
            self.service.import(batch).await?
        };
        self.report.created += imported.created;
        self.report.changed += imported.changed;
        Ok(())
    }
}
