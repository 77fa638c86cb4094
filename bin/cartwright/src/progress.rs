use std::{
    io::IsTerminal,
    sync::atomic::{AtomicU64, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::out;

/// A bar on a terminal, a line for every tenth elsewhere.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: u32) -> Self {
        Self::with(what, total.into(), "{msg:9} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}")
    }

    /// Of a file. 0 bytes: nobody knows how many.
    pub(crate) fn bytes(what: &'static str, total: u64) -> Self {
        Self::with(what, total, "{msg:9} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    }

    fn with(what: &'static str, total: u64, template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = if total == 0 { ProgressBar::no_length() } else { ProgressBar::new(total) };
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.with_message(what)
        });
        Self { what, total, done: AtomicU64::new(0), bar }
    }

    pub(crate) fn add(&self, n: u64) {
        let before = self.done.fetch_add(n, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => bar.inc(n),
            None if self.total > 0 && before * 10 / self.total != (before + n) * 10 / self.total => {
                out::line(format_args!("{} {}/{}", self.what, before + n, self.total));
            }
            None => {}
        }
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
