use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use indexmap::IndexMap;
use tokio::time::Instant;

use crate::{Ask, Decision, Figures, LimitKey, Quota, RateLimiter, Standing};

/// Keys that are looked at when one must go.
const LOOKS_AT: usize = 16;

/// Counts in this process.
///
/// Its memory is bounded, and taken at once: about 100 bytes for each key that it has room for. Is there none left, sixteen
/// are looked at, others each time, and the one goes that has used the least of its quota. A flood of new keys pushes out
/// others of the flood, and not one that is being refused: whoever wants that must use up as much of most other quotas
/// first.
pub struct MemoryRateLimiter {
    /// Held for less than a microsecond.
    table: Mutex<Table>,
    /// From when its time counts.
    start: Instant,
    figures: Figures,
}

impl std::fmt::Debug for MemoryRateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryRateLimiter").field("keys", &self.keys()).finish_non_exhaustive()
    }
}

impl MemoryRateLimiter {
    /// With room for so many keys, at least one.
    pub fn new(room: usize) -> Self {
        let room = room.max(1);
        let table = Table { keys: IndexMap::with_capacity(room), room, hand: 0 };
        Self { table: Mutex::new(table), start: Instant::now(), figures: Figures::default() }
    }

    /// How many keys are kept at present, those whose time is over among them.
    pub fn keys(&self) -> usize {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).keys.len()
    }

    /// As [`check`](RateLimiter::check), without waiting for anything, and without counting the decision in metrics: for
    /// those who do that by themselves.
    pub fn decide(&self, asks: &[Ask]) -> Vec<Decision> {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let standings: Vec<Standing> = asks
            .iter()
            .enumerate()
            .map(|(at, ask)| {
                let earlier = asks.iter().take(at).filter(|earlier| earlier.key == ask.key).count();
                let mut standing = table.standing(ask, now);
                standing.count = standing.count.saturating_add(u32::try_from(earlier).unwrap_or(u32::MAX));
                standing
            })
            .collect();
        let admitted = asks.iter().zip(&standings).all(|(ask, standing)| standing.admits(&ask.quota));
        let mut forgotten = false;
        if admitted {
            for (ask, standing) in asks.iter().zip(&standings) {
                forgotten |= table.count(ask, standing, now);
            }
        }
        drop(table);
        if forgotten {
            self.figures.forgotten();
        }
        asks.iter().zip(&standings).map(|(ask, standing)| standing.decide(&ask.quota, admitted)).collect()
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn check(&self, asks: &[Ask]) -> Vec<Decision> {
        let decisions = self.decide(asks);
        self.figures.decided(asks, &decisions);
        decisions
    }
}

struct Table {
    /// A map whose entries have places, so that some can be looked at in turn.
    keys: IndexMap<LimitKey, Kept>,
    room: usize,
    /// The place that is looked at first.
    hand: usize,
}

/// What is kept of a key.
struct Kept {
    /// When its window began.
    start: u64,
    before: u32,
    count: u32,
    quota: Quota,
}

impl Kept {
    fn standing(&self, now: u64, quota: &Quota) -> Standing {
        Standing::at(now, self.start, self.before, self.count, quota)
    }

    /// How much of its quota is used, in millionths.
    fn used(&self, now: u64) -> u64 {
        let counted = self.standing(now, &self.quota).counted(&self.quota);
        u64::from(counted) * 1_000_000 / u64::from(self.quota.amount())
    }
}

impl Table {
    fn standing(&self, ask: &Ask, now: u64) -> Standing {
        self.keys.get(&ask.key).map(|kept| kept.standing(now, &ask.quota)).unwrap_or_default()
    }

    /// Counts a request of a key that stood like this. Answers whether another had to be forgotten before its time.
    fn count(&mut self, ask: &Ask, standing: &Standing, now: u64) -> bool {
        let kept = Kept {
            start: now.saturating_sub(standing.elapsed),
            before: standing.before,
            count: standing.count.saturating_add(1),
            quota: ask.quota,
        };
        if let Some(known) = self.keys.get_mut(&ask.key) {
            *known = kept;
            return false;
        }
        let forgotten = self.keys.len() >= self.room && self.forget_one(now);
        self.keys.insert(ask.key.clone(), kept);
        forgotten
    }

    /// Makes room. Answers whether the key that went still counted.
    fn forget_one(&mut self, now: u64) -> bool {
        let places = self.keys.len();
        // Apart from each other: keys that came at the same time are much alike.
        let apart = places.div_ceil(LOOKS_AT).max(1);
        let looked_at = (0..LOOKS_AT.min(places)).map(|step| (self.hand + step * apart) % places.max(1));
        let used = |place: &usize| self.keys.get_index(*place).map_or(0, |(_, kept)| kept.used(now));
        let least = looked_at.map(|place| (used(&place), place)).min();
        self.hand = (self.hand + 1) % places.max(1);
        least.is_some_and(|(used, place)| {
            self.keys.swap_remove_index(place);
            used > 0
        })
    }
}
