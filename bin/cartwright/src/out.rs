//! What people read on the terminal. The log goes elsewhere: to standard error.
//!
//! Not `println!`: it panics when nobody reads any more, as in `cartwright openapi | head`.

use std::{fmt::Display, io::Write};

pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

pub(crate) fn error(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
