//! What people read on the terminal. The log goes elsewhere: to standard error.

use std::fmt::Display;

#[expect(clippy::print_stdout, reason = "the answer of a subcommand belongs on standard output")]
pub(crate) fn line(text: impl Display) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "errors of the command line are for people, the log may be JSON")]
pub(crate) fn error(text: impl Display) {
    eprintln!("{text}");
}
