//! What one edge has still to be told. Plain data: the lane that uses it brings the time.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::SurrogateKey;

/// Since when something waits, and for which time it will be purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) since: Instant,
    /// It has been purged before, and is not to be purged a third time.
    pub(crate) again: bool,
}

impl Wait {
    /// Two changes of the same: as old as the older one, and with a second purge if one of them wants it.
    fn and(self, other: Self) -> Self {
        Self { since: self.since.min(other.since), again: self.again && other.again }
    }
}

/// What is purged at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Batch {
    Keys(Vec<(SurrogateKey, Wait)>),
    Everything(Wait),
}

impl Batch {
    /// How many keys; everything counts as one.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.len(),
            Self::Everything(_) => 1,
        }
    }

    /// Since when the one waits that waits longest.
    pub(crate) fn since(&self) -> Option<Instant> {
        match self {
            Self::Keys(keys) => keys.iter().map(|(_, wait)| wait.since).min(),
            Self::Everything(wait) => Some(wait.since),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    most: usize,
    order: VecDeque<SurrogateKey>,
    /// The keys in `order`.
    waiting: HashMap<SurrogateKey, Wait>,
    /// Since when everything waits to be purged. No key waits beside it.
    everything: Option<Instant>,
    /// Since when everything waits to be purged for the second time. Keys do wait beside it: were they taken in, they
    /// would want another second purge of everything, and so on for as long as anything changes.
    everything_again: Option<Instant>,
    /// Purged, and to be purged again, the earliest first.
    later: VecDeque<(Instant, Vec<SurrogateKey>)>,
    later_keys: usize,
    everything_later: Option<Instant>,
    /// What was taken and is neither done nor put back.
    under_way: Option<(usize, Instant)>,
}

impl Queue {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            order: VecDeque::new(),
            waiting: HashMap::new(),
            everything: None,
            everything_again: None,
            later: VecDeque::new(),
            later_keys: 0,
            everything_later: None,
            under_way: None,
        }
    }

    pub(crate) fn add(&mut self, key: SurrogateKey, now: Instant) {
        self.wait(key, Wait { since: now, again: false });
    }

    pub(crate) fn add_everything(&mut self, now: Instant) {
        self.wait_everything(now);
    }

    fn wait(&mut self, key: SurrogateKey, wait: Wait) {
        if let Some(since) = &mut self.everything {
            *since = wait.since.min(*since);
        } else if let Some(known) = self.waiting.get_mut(&key) {
            *known = known.and(wait);
        } else if self.waiting.len() + self.later_keys >= self.most {
            self.wait_everything(wait.since);
        } else {
            self.order.push_back(key.clone());
            self.waiting.insert(key, wait);
        }
    }

    fn wait_everything(&mut self, since: Instant) {
        let waiting = self.waiting.values().map(|wait| wait.since);
        self.everything = waiting.chain(self.everything).chain([since]).min();
        // Its own second purge comes after theirs would. Not `clear`, which would keep the room.
        (self.order, self.waiting, self.later) = Default::default();
        self.later_keys = 0;
    }

    /// The next thing to purge, with `most` keys at most. It is to be given to [`done`](Self::done) or
    /// [`put_back`](Self::put_back).
    pub(crate) fn take(&mut self, most: usize) -> Option<Batch> {
        let batch = if let Some(since) = self.everything.take() {
            Batch::Everything(Wait {
                since: self.everything_again.take().unwrap_or(since).min(since),
                again: false,
            })
        } else if let Some(since) = self.everything_again.take() {
            Batch::Everything(Wait { since, again: true })
        } else {
            let count = self.order.len().min(most.max(1));
            let keys = self.order.drain(..count);
            Batch::Keys(keys.filter_map(|key| self.waiting.remove(&key).map(|wait| (key, wait))).collect())
        };
        self.under_way = batch.since().map(|since| (batch.len(), since));
        self.under_way.map(|_| batch)
    }

    /// It was purged; what was purged for the first time is purged again `after` that.
    pub(crate) fn done(&mut self, batch: Batch, now: Instant, after: Option<Duration>) {
        self.under_way = None;
        let Some(due) = after.map(|after| now + after) else { return };
        match batch {
            Batch::Everything(wait) if !wait.again => self.everything_later = Some(due),
            Batch::Everything(_) => {}
            Batch::Keys(keys) => {
                let keys: Vec<_> =
                    keys.into_iter().filter(|(_, wait)| !wait.again).map(|(key, _)| key).collect();
                if self.waiting.len() + self.later_keys + keys.len() > self.most {
                    // There is no room to remember them, so that their second purge is everything's.
                    self.wait_everything(now);
                } else if !keys.is_empty() {
                    self.later_keys += keys.len();
                    self.later.push_back((due, keys));
                }
            }
        }
    }

    /// It was not purged, or not known to have been.
    pub(crate) fn put_back(&mut self, batch: Batch) {
        self.under_way = None;
        match batch {
            Batch::Everything(Wait { since, again: true }) => self.everything_again = Some(since),
            Batch::Everything(wait) => self.wait_everything(wait.since),
            Batch::Keys(keys) => {
                for (key, wait) in keys {
                    self.wait(key, wait);
                }
            }
        }
    }

    /// It will never be purged like this, but everything can be.
    pub(crate) fn give_up(&mut self, batch: &Batch, now: Instant) {
        self.under_way = None;
        self.wait_everything(batch.since().unwrap_or(now));
    }

    /// Makes what is to be purged again wait, when it is time.
    pub(crate) fn ripen(&mut self, now: Instant) {
        while self.later.front().is_some_and(|(due, _)| *due <= now) {
            let Some((due, keys)) = self.later.pop_front() else { return };
            self.later_keys = self.later_keys.saturating_sub(keys.len());
            for key in keys {
                self.wait(key, Wait { since: due, again: true });
            }
        }
        if let Some(due) = self.everything_later.take_if(|due| *due <= now) {
            self.everything_again = Some(due);
        }
    }

    /// When there is next something to be purged again.
    pub(crate) fn ripens(&self) -> Option<Instant> {
        self.later.front().map(|(due, _)| *due).into_iter().chain(self.everything_later).min()
    }

    /// Whether something could be taken.
    pub(crate) fn is_waiting(&self) -> bool {
        self.everything.or(self.everything_again).is_some() || !self.order.is_empty()
    }

    /// How many keys wait or are under way; everything counts as one.
    pub(crate) fn pending(&self) -> usize {
        let under_way = self.under_way.map_or(0, |(count, _)| count);
        self.waiting.len() + usize::from(self.everything.or(self.everything_again).is_some()) + under_way
    }

    /// Since when the oldest of them waits.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let under_way = self.under_way.map(|(_, since)| since);
        let waiting = self.waiting.values().map(|wait| wait.since);
        waiting.chain(self.everything).chain(self.everything_again).chain(under_way).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Batch, Queue};
    use crate::SurrogateKey;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(n: usize) -> SurrogateKey {
        SurrogateKey::of("product", &n.to_string())
    }

    fn keys(batch: &Batch) -> Vec<SurrogateKey> {
        match batch {
            Batch::Keys(keys) => keys.iter().map(|(key, _)| key.clone()).collect(),
            Batch::Everything(_) => panic!("everything"),
        }
    }

    fn is_everything(batch: &Batch) -> bool {
        matches!(batch, Batch::Everything(_))
    }

    #[test]
    fn a_key_waits_once_and_comes_in_its_turn() {
        let (mut queue, now) = (Queue::new(10), Instant::now());
        for n in [1, 2, 1, 3] {
            queue.add(key(n), now);
        }
        let first = queue.take(2).unwrap();
        assert_eq!(keys(&first), [key(1), key(2)]);
        assert_eq!(queue.pending(), 3);
        // Changed while it is being purged: that purge may have come too early.
        queue.add(key(1), now);
        queue.done(first, now, None);
        assert_eq!(keys(&queue.take(5).unwrap()), [key(3), key(1)]);
        assert!(queue.take(5).is_none());
    }

    #[test]
    fn what_failed_waits_since_it_first_did() {
        let (mut queue, now) = (Queue::new(10), Instant::now());
        queue.add(key(1), now);
        let batch = queue.take(1).unwrap();
        queue.add(key(1), now + SECOND);
        queue.put_back(batch);
        assert_eq!(queue.oldest(), Some(now));
        assert_eq!(queue.pending(), 1);
    }

    #[test]
    fn what_was_purged_is_purged_again_once() {
        let (mut queue, now) = (Queue::new(10), Instant::now());
        queue.add(key(1), now);
        let batch = queue.take(1).unwrap();
        queue.done(batch, now, Some(SECOND));
        assert_eq!((queue.pending(), queue.ripens()), (0, Some(now + SECOND)));
        queue.ripen(now + SECOND / 2);
        assert!(queue.take(1).is_none());
        queue.ripen(now + SECOND);
        let batch = queue.take(1).unwrap();
        assert_eq!(keys(&batch), [key(1)]);
        queue.done(batch, now + SECOND, Some(SECOND));
        assert_eq!(queue.ripens(), None);
    }

    #[test]
    fn too_much_becomes_everything_and_memory_is_given_back() {
        let (mut queue, now) = (Queue::new(100), Instant::now());
        for n in 0..50 {
            queue.add(key(n), now);
        }
        let batch = queue.take(50).unwrap();
        queue.done(batch, now, Some(SECOND));
        // Those that are to be purged again count too.
        for n in 50..101 {
            queue.add(key(n), now + SECOND / 2);
        }
        assert_eq!((queue.pending(), queue.order.capacity(), queue.later_keys), (1, 0, 0));
        queue.add(key(1000), now + SECOND);
        let batch = queue.take(10).unwrap();
        assert!(is_everything(&batch));
        assert_eq!(batch.since(), Some(now + SECOND / 2));
        assert_eq!(queue.pending(), 1);
        queue.put_back(batch);
        let batch = queue.take(10).unwrap();
        queue.done(batch, now + SECOND, Some(SECOND));
        assert_eq!(queue.pending(), 0);
    }

    #[test]
    fn everything_is_purged_twice_even_if_keys_change_all_the_time() {
        let (mut queue, mut now) = (Queue::new(100), Instant::now());
        queue.add_everything(now);
        let mut everything = 0;
        for n in 0..1000 {
            queue.add(key(n % 7), now);
            queue.ripen(now);
            while let Some(batch) = queue.take(10) {
                everything += usize::from(is_everything(&batch));
                queue.done(batch, now, Some(SECOND));
            }
            now += SECOND / 20;
        }
        assert_eq!(everything, 2);
    }

    #[test]
    fn a_batch_that_cannot_be_purged_becomes_everything() {
        let (mut queue, now) = (Queue::new(100), Instant::now());
        queue.add(key(1), now);
        let batch = queue.take(1).unwrap();
        queue.add(key(2), now);
        queue.give_up(&batch, now);
        assert!(is_everything(&queue.take(1).unwrap()));
        queue.done(Batch::Keys(Vec::new()), now, None);
        assert_eq!(queue.pending(), 0);
    }
}
