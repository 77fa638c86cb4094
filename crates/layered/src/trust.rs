//! Which of the things kept in memory may still be believed.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Head, LoadFrom};

/// Keys share that many counters. Two keys with the same one are invalidated together, which costs a load.
const STRIPES: usize = 1 << 14;
/// A node that has not heard its own echo for this long believes that it is deaf.
pub(crate) const DEAF_AFTER: Duration = Duration::from_millis(120);
/// While deaf, a value is believed for this long from when its load began.
pub(crate) const DEAF_TTL: Duration = Duration::from_millis(100);
/// Longer than an answer of the shared layer that need not be the latest is old.
const SETTLES: Duration = Duration::from_millis(200);

/// What was so when a load began. What it brought is believed while it is still so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    stripe: usize,
    generation: u64,
    epoch: u64,
    begun: Instant,
}

impl Stamp {
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }
}

/// A change under way.
#[derive(Debug, Clone, Copy)]
struct Mark {
    head: Head,
    until: Instant,
    /// Another change of the same keys was under way when it began: its end says nothing of that other one.
    overlaps: bool,
}

/// The counters of one node.
#[derive(Debug)]
pub(crate) struct Trust {
    base: Instant,
    /// Grows with every invalidation.
    generations: Box<[AtomicU64]>,
    /// When that was last, in microseconds since `base`.
    changed: Box<[AtomicU64]>,
    /// Grows whenever invalidations may have been missed.
    epoch: AtomicU64,
    /// Grows with both, from a random number: moments of two nodes are never the same.
    moments: AtomicU64,
    /// Until when all that was published is known to have been heard, in microseconds since `base`.
    hears_until: AtomicU64,
    marks: Mutex<HashMap<usize, Mark>>,
    /// How many marks there are, so that nobody takes the lock for none.
    marked: AtomicUsize,
    /// Where the truth has got to, as last heard, and in which epoch that was.
    position: Mutex<Option<(u64, u64)>>,
}

impl Trust {
    /// `alone`: there is no other node, and nothing to be heard.
    pub(crate) fn new(alone: bool) -> Self {
        Self {
            base: Instant::now(),
            generations: std::iter::repeat_with(AtomicU64::default).take(STRIPES).collect(),
            changed: std::iter::repeat_with(AtomicU64::default).take(STRIPES).collect(),
            epoch: AtomicU64::new(0),
            moments: AtomicU64::new(rand::random()),
            hears_until: AtomicU64::new(if alone { u64::MAX } else { 0 }),
            marks: Mutex::default(),
            marked: AtomicUsize::new(0),
            position: Mutex::new(None),
        }
    }

    fn stripe(name: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        hasher.write(name.as_bytes());
        usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or_default()
    }

    fn generation(&self, stripe: usize) -> u64 {
        self.generations.get(stripe).map_or(0, |generation| generation.load(SeqCst))
    }

    /// Before a load of this key.
    pub(crate) fn stamp(&self, name: &str) -> Stamp {
        let stripe = Self::stripe(name);
        let epoch = self.epoch.load(SeqCst);
        Stamp { stripe, generation: self.generation(stripe), epoch, begun: Instant::now() }
    }

    /// Whether the key was invalidated since.
    pub(crate) fn invalidated(&self, stamp: &Stamp) -> bool {
        self.generation(stamp.stripe) != stamp.generation
    }

    /// Whether an answer that is a few dozen milliseconds old will do: the key has not changed for longer than that, and
    /// this node would know.
    pub(crate) fn settled(&self, stamp: &Stamp) -> bool {
        let changed = self.changed.get(stamp.stripe).map_or(0, |changed| changed.load(SeqCst));
        let settles = changed.saturating_add(SETTLES.as_micros() as u64);
        (changed == 0 || self.micros(stamp.begun) > settles) && self.hears(stamp.begun)
    }

    /// Whether what was loaded under this stamp may be served.
    pub(crate) fn holds(&self, stamp: &Stamp, now: Instant) -> bool {
        if self.invalidated(stamp) {
            return false;
        }
        if self.hears(now) { stamp.epoch == self.epoch.load(SeqCst) } else { now - stamp.begun < DEAF_TTL }
    }

    /// Whether what was loaded under this stamp may be kept: it may not while somebody is changing it, for the load may
    /// have come too early, and the news of the end too late.
    pub(crate) fn may_keep(&self, stamp: &Stamp) -> bool {
        if self.invalidated(stamp) {
            return false;
        }
        if self.marked.load(SeqCst) == 0 {
            return true;
        }
        let mut marks = self.marks();
        let now = Instant::now();
        marks.retain(|_, mark| now < mark.until);
        self.marked.store(marks.len(), SeqCst);
        !marks.contains_key(&stamp.stripe)
    }

    /// Somebody is about to change these keys, which takes at most `hold`.
    pub(crate) fn begin<'a>(&self, names: impl Iterator<Item = &'a str>, head: Head, hold: Duration) {
        let now = Instant::now();
        let mut marks = self.marks();
        for stripe in names.map(Self::stripe) {
            let overlaps = marks.get(&stripe).is_some_and(|mark| mark.head != head && now < mark.until);
            marks.insert(stripe, Mark { head, until: now + hold, overlaps });
            self.next_generation(stripe);
        }
        self.marked.store(marks.len(), SeqCst);
    }

    /// They are changed.
    pub(crate) fn end<'a>(&self, names: impl Iterator<Item = &'a str>, head: Head) {
        let mut marks = self.marks();
        for stripe in names.map(Self::stripe) {
            if marks.get(&stripe).is_some_and(|mark| mark.head == head && !mark.overlaps) {
                marks.remove(&stripe);
            }
            self.next_generation(stripe);
        }
        self.marked.store(marks.len(), SeqCst);
    }

    fn next_generation(&self, stripe: usize) {
        if let Some(changed) = self.changed.get(stripe) {
            changed.store(self.micros(Instant::now()).max(1), SeqCst);
        }
        if let Some(generation) = self.generations.get(stripe) {
            generation.fetch_add(1, SeqCst);
        }
        self.moments.fetch_add(1, SeqCst);
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may have been missed: nothing from before is believed.
    pub(crate) fn missed(&self) {
        self.epoch.fetch_add(1, SeqCst);
        self.moments.fetch_add(1, SeqCst);
    }

    /// As long as it is the same, nothing was invalidated. `None`: nobody can tell.
    pub(crate) fn moment(&self, now: Instant) -> Option<u64> {
        let moment = self.moments.load(SeqCst);
        self.hears(now).then_some(moment)
    }

    /// What this node sent at `sent` has come back.
    pub(crate) fn echo(&self, sent: Instant) {
        if !self.hears(Instant::now()) {
            self.missed(); // before it hears again, so that nobody believes what is from before
        }
        self.hears_until.fetch_max(self.micros(sent + DEAF_AFTER), SeqCst);
    }

    /// Whether this node hears the others.
    pub(crate) fn hears(&self, now: Instant) -> bool {
        self.micros(now) < self.hears_until.load(SeqCst)
    }

    /// Nothing that is heard counts until there is a next echo.
    pub(crate) fn deafen(&self) {
        self.hears_until.store(0, SeqCst);
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(SeqCst)
    }

    /// The truth had got to this position when it was asked for, in that epoch.
    pub(crate) fn learn(&self, position: u64, epoch: u64) {
        let mut known = self.position();
        *known = match *known {
            Some((before, learnt)) if learnt >= epoch => Some((before.max(position), learnt)),
            _ => Some((position, epoch)),
        };
    }

    /// A change got it to this position. Says nothing to a node that may have missed another change.
    pub(crate) fn raise(&self, position: u64) {
        if let Some((known, _)) = self.position().as_mut() {
            *known = position.max(*known);
        }
    }

    fn position(&self) -> std::sync::MutexGuard<'_, Option<(u64, u64)>> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From where a load has to read, not to miss a change that this node knows of.
    pub(crate) fn load_from(&self) -> LoadFrom {
        let known = *self.position();
        let current = |&(_, learnt): &(u64, u64)| learnt == self.epoch() && self.hears(Instant::now());
        known.filter(current).map_or(LoadFrom::Latest, |(position, _)| LoadFrom::AtLeast(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::What;

    fn mark() -> Head {
        Head::new(What::Mark)
    }

    #[tokio::test(start_paused = true)]
    async fn an_invalidation_ends_trust_in_its_key() {
        let trust = Trust::new(true);
        let (one, other) = (trust.stamp("product:1"), trust.stamp("product:2"));
        let head = mark();
        trust.begin(["product:1"].into_iter(), head, Duration::from_secs(10));
        assert!(!trust.holds(&one, Instant::now()));
        assert!(trust.holds(&other, Instant::now()));
        let during = trust.stamp("product:1");
        assert!(!trust.may_keep(&during), "somebody is changing it");
        trust.end(["product:1"].into_iter(), head);
        assert!(!trust.may_keep(&during), "it may be from before the change");
        assert!(trust.may_keep(&trust.stamp("product:1")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_lasts_until_something_changes_or_may_have() {
        let (trust, head) = (Trust::new(true), mark());
        let moment = || trust.moment(Instant::now());
        let first = moment();
        assert!(first.is_some() && moment() == first);
        trust.begin(["k"].into_iter(), head, Duration::from_secs(10));
        let second = moment();
        trust.end(["k"].into_iter(), head);
        let third = moment();
        trust.missed();
        assert!(first != second && second != third && moment() != third);
        trust.deafen();
        assert_eq!(moment(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_one_change_says_nothing_of_another() {
        let trust = Trust::new(true);
        let (one, other) = (mark(), mark());
        trust.begin(["k"].into_iter(), one, Duration::from_secs(10));
        trust.begin(["k"].into_iter(), other, Duration::from_secs(10));
        trust.end(["k"].into_iter(), other);
        assert!(!trust.may_keep(&trust.stamp("k")), "the first is still under way");
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(trust.may_keep(&trust.stamp("k")), "whoever began it is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deaf_believe_little_and_nothing_from_before() {
        let trust = Trust::new(false);
        trust.echo(Instant::now());
        let kept = trust.stamp("k");
        assert!(trust.holds(&kept, Instant::now()));
        tokio::time::advance(DEAF_AFTER).await;
        assert!(!trust.hears(Instant::now()));
        assert!(!trust.holds(&kept, Instant::now()), "older than the deaf believe");
        let deaf = trust.stamp("k");
        assert!(trust.holds(&deaf, Instant::now()));
        trust.echo(Instant::now());
        assert!(!trust.holds(&deaf, Instant::now()), "an invalidation may have been missed meanwhile");
        assert!(!trust.holds(&kept, Instant::now()));
        assert!(trust.holds(&trust.stamp("k"), Instant::now()));
        trust.missed();
        assert_eq!(trust.load_from(), LoadFrom::Latest);
        trust.raise(9);
        assert_eq!(trust.load_from(), LoadFrom::Latest, "there may have been others");
        trust.learn(6, trust.epoch());
        trust.raise(7);
        trust.raise(5);
        assert_eq!(trust.load_from(), LoadFrom::AtLeast(7));
        trust.missed();
        assert_eq!(trust.load_from(), LoadFrom::Latest, "what was reached meanwhile is not known");
    }
}
