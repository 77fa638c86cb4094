use cartwright_domain::Currency;
use cartwright_storage::ImportedProduct;

use super::{MAX_ROW, Row, too_large};
use crate::{Draft, DraftError, Fault};

/// One JSON object a line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// How many lines came before.
    before: u64,
    /// The beginning of a line that is not complete; no more of it than a row may have.
    begun: Vec<u8>,
    too_large: bool,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8], currency: Currency, rows: &mut Vec<Row>) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, tail) = rest.split_at(end);
            rest = tail.get(1..).unwrap_or_default();
            if self.begun.is_empty() && !self.too_large {
                let large = line.len() > MAX_ROW;
                self.complete(if large { &[] } else { line }, large, currency, rows);
            } else {
                self.keep(line);
                self.complete_begun(currency, rows);
            }
        }
        self.keep(rest);
    }

    pub(super) fn finish(mut self, currency: Currency, rows: &mut Vec<Row>) {
        self.complete_begun(currency, rows);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.too_large || self.begun.len() + bytes.len() > MAX_ROW {
            self.too_large = true;
            self.begun.clear();
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }

    fn complete_begun(&mut self, currency: Currency, rows: &mut Vec<Row>) {
        let (line, large) = (std::mem::take(&mut self.begun), std::mem::take(&mut self.too_large));
        self.complete(&line, large, currency, rows);
        self.begun = line;
        self.begun.clear();
    }

    fn complete(&mut self, line: &[u8], large: bool, currency: Currency, rows: &mut Vec<Row>) {
        self.before += 1;
        let product = match (large, line.trim_ascii()) {
            (true, _) => Err(vec![too_large()]),
            (false, []) => return,
            (false, json) => read(json, currency),
        };
        rows.push(Row { line: self.before, product });
    }
}

fn read(json: &[u8], currency: Currency) -> Result<ImportedProduct, Vec<Fault>> {
    if std::str::from_utf8(json).is_err() {
        return Err(vec![Fault::new("", "not_utf8", "the line is not UTF-8")]);
    }
    match Draft::from_json(json) {
        Ok(draft) => draft.import(currency),
        Err(DraftError::NotAnObject) => {
            Err(vec![Fault::new("", "not_an_object", "a line is a JSON object such as {\"id\": \"1\"}")])
        }
        Err(DraftError::Malformed(error)) => {
            let detail = format!("the line is not JSON: column {}", error.column());
            Err(vec![Fault::new("", "malformed_json", detail)])
        }
    }
}
