//! Where the log goes: one line a record, whatever was sent by whom.
//!
//! A value with a line end in it would look like a record of its own, and one with a control character or an override of the
//! direction of writing like another text on the terminal of whoever reads it. The subscriber hands over each record with one
//! call, so that this is the one place to see to it, for every field of every record and for both formats.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OneLine {
    /// Whether records have colours of their own. Escapes in values were made harmless by the subscriber then.
    pub(crate) coloured: bool,
}

/// For one record.
pub(crate) struct Record {
    coloured: bool,
}

impl MakeWriter<'_> for OneLine {
    type Writer = Record;

    fn make_writer(&self) -> Record {
        Record { coloured: self.coloured }
    }
}

impl Write for Record {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        match harmless(record, self.coloured) {
            None => io::stderr().lock().write_all(record)?,
            Some(text) => io::stderr().lock().write_all(text.as_bytes())?,
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The record with `\u000a` instead of what it must not have before its end, which is right in JSON too. `None`: it has
/// nothing of the kind.
fn harmless(record: &[u8], coloured: bool) -> Option<String> {
    let body = record.strip_suffix(b"\n").unwrap_or(record);
    if body.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    if !text.chars().any(|c| is_harmful(c, coloured)) {
        return None;
    }
    let mut harmless = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if is_harmful(c, coloured) {
            // All of them have four digits.
            harmless.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            harmless.push(c);
        }
    }
    harmless.push('\n');
    Some(harmless)
}

/// Controls; separators of lines and paragraphs; what makes text read in another order than it is written; what is not seen.
fn is_harmful(c: char, coloured: bool) -> bool {
    match c {
        '\u{1b}' => !coloured,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_record_is_one_line_of_what_can_be_seen() {
        let written = |text: &str| harmless(text.as_bytes(), false).unwrap_or_else(|| text.to_owned());
        for plain in ["", "\n", "a b\n", "é 中 🛒\n", "a\"\\u0000\"\n"] {
            assert_eq!(harmless(plain.as_bytes(), false), None, "{plain:?}");
        }
        assert_eq!(written("a\nINFO b\n"), "a\\u000aINFO b\n");
        assert_eq!(written("a\r\n\n"), "a\\u000d\\u000a\n");
        assert_eq!(written("\u{1b}[31mred\u{9b}0m\u{7f}\0\n"), "\\u001b[31mred\\u009b0m\\u007f\\u0000\n");
        assert_eq!(
            written("e\u{202e}ve\u{2066}\u{2028}\u{feff}\u{200b}\n"),
            "e\\u202eve\\u2066\\u2028\\ufeff\\u200b\n"
        );
        let json = written("{\"a\":\"\u{7f}\u{85}\u{202e}\"}\n");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["a"], "\u{7f}\u{85}\u{202e}", "as it was, for who reads the JSON");
        assert_eq!(harmless(b"\x1b[2mtime\x1b[0m\n", true), None, "colours of the record itself");
        assert_eq!(harmless(b"\x1b[2ma\nb\n", true).unwrap(), "\u{1b}[2ma\\u000ab\n");
        assert_eq!(harmless(b"a\xff\nb\n", false).unwrap(), "a\u{fffd}\\u000ab\n");
    }
}
