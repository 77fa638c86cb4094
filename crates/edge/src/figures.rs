//! How it goes.

use std::time::Duration;

/// What became of the changes, for one edge, since its purger was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// The name it was given at wiring.
    pub edge: String,
    /// Purges that it has carried out, each of one or many keys, or of everything.
    pub purges: u64,
    /// Keys in them, those that are purged a second time counted twice.
    pub purged: u64,
    /// How many of the purges were of everything.
    pub everything: u64,
    /// Purges that failed. They were tried again, or will be.
    pub failed: u64,
    /// Keys that wait to be purged, or are being purged. Everything counts as one.
    pub pending: usize,
    /// For how long the oldest of them has been waiting; zero when there is none. Answers at the edge are older than the
    /// truth by at most this.
    pub lag: Duration,
    /// How long it took from the oldest change in the last purge until it was purged.
    pub took: Duration,
    /// Whether the last purge succeeded; true before the first one.
    pub answers: bool,
}
