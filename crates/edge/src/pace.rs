//! How fast, how much and how long.

use std::time::Duration;

/// How one edge is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long a first change waits for others to be purged with.
    pub window: Duration,
    /// Keys in one purge at most.
    pub batch: usize,
    /// Keys that are remembered at most, waiting or to be purged again. When there are more, everything is purged.
    pub waiting: usize,
    /// Purges what was purged once more after this time. An answer may be made before a change and reach the edge after the
    /// purge, which then did not see it; this is for how long that may take. `None`: once is enough.
    pub again_after: Option<Duration>,
    /// How long one purge may take.
    pub patience: Duration,
    /// The pause after a failure; it doubles with each that follows.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Pace {
    /// For a Varnish in the same network, where a purge costs a millisecond.
    pub const VARNISH: Self = Self {
        window: Duration::from_millis(50),
        batch: 1000,
        waiting: 10_000,
        again_after: Some(Duration::from_millis(800)),
        patience: Duration::from_secs(5),
        pause: Duration::from_millis(100),
        longest_pause: Duration::from_secs(5),
    };

    /// For a CDN whose purges are slow, few at a time, and paid for.
    pub const CDN: Self = Self {
        window: Duration::from_secs(5),
        batch: 1000,
        waiting: 3000,
        again_after: None,
        patience: Duration::from_secs(30),
        pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(60),
    };
}

impl Default for Pace {
    fn default() -> Self {
        Self::VARNISH
    }
}
