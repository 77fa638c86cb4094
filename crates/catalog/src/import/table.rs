use cartwright_domain::Currency;
use cartwright_storage::ImportedProduct;
use csv_core::{ReadRecordResult, Reader};

use super::{BadColumns, MAX_ROW, Row, too_large};
use crate::{
    Column, Fault,
    draft::{Cells, Draft},
};

/// More than anybody's table has: all that is known, and room to be told what is not.
const MAX_CELLS: usize = 64;

/// Comma-separated values, the first row of which names the columns.
pub(super) struct Table {
    reader: Reader,
    columns: Option<Vec<Column>>,
    /// The text of the row's cells so far, one after the other, and where each ends.
    text: Vec<u8>,
    filled: usize,
    ends: Vec<usize>,
    ended: usize,
    /// On which line the row began. `None`: it has not.
    began: Option<u64>,
    too_large: bool,
    line: u64,
    after_return: bool,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Default for Table {
    fn default() -> Self {
        let mut reader = Reader::new();
        // It looks for a byte order mark in what it reads first, which was done.
        let _ = reader.read_record(b"\n", &mut [], &mut []);
        Self {
            reader,
            columns: None,
            text: vec![0; MAX_ROW],
            filled: 0,
            ends: vec![0; MAX_CELLS],
            ended: 0,
            began: None,
            too_large: false,
            line: 1,
            after_return: false,
        }
    }
}

impl Table {
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        currency: Currency,
        rows: &mut Vec<Row>,
    ) -> Result<(), BadColumns> {
        loop {
            if self.began.is_none() {
                // Empty lines, and the line feed that follows the carriage return of the row before.
                let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                bytes = self.pass(bytes, blank);
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let began = *self.began.get_or_insert(self.line);
            let (read, complete) = self.read(bytes);
            bytes = self.pass(bytes, read);
            if complete {
                self.complete(began, currency, rows)?;
            }
        }
    }

    pub(super) fn finish(mut self, currency: Currency, rows: &mut Vec<Row>) -> Result<(), BadColumns> {
        if let Some(began) = self.began {
            // The end of a line ends the row, unless it stands between quotes.
            if self.ends_with_the_line() {
                self.complete(began, currency, rows)?;
            } else {
                let detail =
                    "a quote that is opened in this row is never closed: all that follows it is in it";
                let fault = Fault::new("", "open_quote", detail);
                if self.columns.is_none() {
                    return Err(BadColumns(vec![fault]));
                }
                rows.push(Row { line: began, product: Err(vec![fault]) });
            }
        }
        if self.columns.is_some() {
            return Ok(());
        }
        let names = Column::ALL.map(Column::name).join(",");
        Err(BadColumns(vec![Fault::new("", "missing", format!("the first row names the columns: {names}"))]))
    }

    fn ends_with_the_line(&mut self) -> bool {
        loop {
            match self.read(b"\n") {
                (_, true) => return true,
                (0, false) => {} // there was no room; now there is
                (_, false) => return false,
            }
        }
    }

    /// Reads on in the row. Returns how many bytes, and whether it is complete.
    fn read(&mut self, bytes: &[u8]) -> (usize, bool) {
        let text = self.text.get_mut(self.filled..).unwrap_or_default();
        let ends = self.ends.get_mut(self.ended..).unwrap_or_default();
        let (result, read, filled, ended) = self.reader.read_record(bytes, text, ends);
        self.filled += filled;
        self.ended += ended;
        match result {
            ReadRecordResult::InputEmpty => (read, false),
            ReadRecordResult::Record | ReadRecordResult::End => (read, true),
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                self.too_large = true;
                self.filled = 0;
                self.ended = 0;
                (read, false)
            }
        }
    }

    /// Counts the lines of what was read.
    fn pass<'a>(&mut self, bytes: &'a [u8], read: usize) -> &'a [u8] {
        let (passed, rest) = bytes.split_at(read);
        for byte in passed {
            let ends = *byte == b'\r' || *byte == b'\n' && !self.after_return;
            self.line += u64::from(ends);
            self.after_return = *byte == b'\r';
        }
        rest
    }

    fn complete(&mut self, line: u64, currency: Currency, rows: &mut Vec<Row>) -> Result<(), BadColumns> {
        let cells = cells(&self.text, self.ends.get(..self.ended).unwrap_or_default());
        match &self.columns {
            None if self.too_large => return Err(BadColumns(vec![too_large()])),
            None => self.columns = Some(columns(cells)?),
            Some(_) if self.too_large => rows.push(Row { line, product: Err(vec![too_large()]) }),
            Some(columns) => rows.push(Row { line, product: product(columns, &cells, currency) }),
        }
        self.began = None;
        self.too_large = false;
        self.filled = 0;
        self.ended = 0;
        Ok(())
    }
}

fn cells<'a>(text: &'a [u8], ends: &[usize]) -> Vec<&'a [u8]> {
    let mut from = 0;
    let cell = |end: &usize| text.get(std::mem::replace(&mut from, *end)..*end).unwrap_or_default();
    ends.iter().map(cell).collect()
}

fn columns(cells: Vec<&[u8]>) -> Result<Vec<Column>, BadColumns> {
    let (mut columns, mut faults) = (Vec::new(), Vec::new());
    for cell in cells {
        let name = String::from_utf8_lossy(cell).trim().to_ascii_lowercase();
        match Column::ALL.into_iter().find(|column| column.name() == name) {
            Some(column) if columns.contains(&column) => {
                let detail = format!("the column {name} is there twice");
                faults.push(Fault::new(format!("/{name}"), "duplicate", detail));
            }
            Some(column) => columns.push(column),
            None => {
                let mut fault = Fault::unknown(&name);
                let names = Column::ALL.map(Column::name).join(", ");
                fault.detail = format!("there is no such column; the first row names some of: {names}");
                faults.push(fault);
            }
        }
    }
    let absent = Column::REQUIRED.into_iter().filter(|column| !columns.contains(column));
    faults.extend(absent.map(|column| Fault::missing(column.name())));
    if faults.is_empty() { Ok(columns) } else { Err(BadColumns(faults)) }
}

fn product(columns: &[Column], cells: &[&[u8]], currency: Currency) -> Result<ImportedProduct, Vec<Fault>> {
    if cells.len() != columns.len() {
        let detail = format!("the first row has {} cells, this one has {}", columns.len(), cells.len());
        return Err(vec![Fault::new("", "cells", detail)]);
    }
    let mut row = Cells::new();
    for (column, cell) in columns.iter().zip(cells) {
        row.cell(*column, cell);
    }
    let draft: Draft = row.draft();
    draft.import(currency)
}
