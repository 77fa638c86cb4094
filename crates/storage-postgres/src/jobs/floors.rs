//! From which rank on a queue is looked through.
//!
//! A job that was claimed leaves its old version behind in the index of those that wait, at its front. As long as some
//! transaction is open that is older (a dump, a report, somebody's forgotten psql), such versions cannot be removed, and
//! whoever looks from the front passes by all of them: after a hundred thousand jobs that takes longer than the jobs. So
//! when there are many, a claim begins where the last one has ended.
//!
//! What comes to wait before that place is not seen then: a job of a higher priority, one that was given back, one whose
//! transaction took long to commit. Hence every so often a claim looks from the front, after four times as long as the
//! last such look took: some milliseconds, or half a second when there is a lot to be passed by. It never takes more than
//! a fifth of the time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// With fewer dead versions than this, all claims look from the front: about what a busy queue leaves behind between two
/// vacuums, and ten milliseconds to pass by.
const MANY: i64 = 20_000;
/// How much longer than a look from the front the pause after it is.
const PAUSE: u32 = 4;
/// A job that is made now has a rank of about now: by somebody else's clock, and seen when its transaction has ended.
const MARGIN: TimeDelta = TimeDelta::seconds(1);

/// A claim, and what it has found.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// Where it looked.
    pub(super) queues: &'a [&'a str],
    /// From where on, for each.
    pub(super) from: &'a [Option<DateTime<Utc>>],
    /// The queues of which not everything may be taken: they are paused, or limited.
    pub(super) held_back: Vec<String>,
    /// Queues and ranks of the jobs that it got.
    pub(super) ranks: Vec<(&'a str, DateTime<Utc>)>,
    /// Whether it got as many as it wanted: there may be more.
    pub(super) is_full: bool,
    /// Its time.
    pub(super) now: DateTime<Utc>,
    /// Dead versions of jobs, as the server counts them.
    pub(super) dead: i64,
}

/// What is known of a queue.
#[derive(Debug, Default)]
struct Known {
    /// Nothing waits before it, as far as is known.
    floor: Option<DateTime<Utc>>,
    /// When to look from the front again. `None`: now.
    front_at: Option<Instant>,
    /// When a look from the front has found so many that there may be more. What was asked before knows less.
    found_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct State {
    queues: HashMap<String, Known>,
    dead: i64,
}

/// Where the claims of this process begin. All of its workers share it.
#[derive(Debug, Default)]
pub(crate) struct Floors(Mutex<State>);

impl Floors {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From where on each of these queues is to be looked through now. `None`: from the front.
    pub(super) fn look(&self, queues: &[&str], now: Instant) -> Vec<Option<DateTime<Utc>>> {
        let state = self.locked();
        let from = |queue: &&str| {
            let known = state.queues.get(*queue).filter(|_| state.dead >= MANY)?;
            known.floor.filter(|_| known.front_at.is_some_and(|front_at| now < front_at))
        };
        queues.iter().map(from).collect()
    }

    /// Learns from a claim that was sent at one time and answered at another.
    pub(super) fn seen(&self, seen: &Seen<'_>, asked: Instant, answered: Instant) {
        let mut state = self.locked();
        state.dead = seen.dead;
        for (queue, from) in seen.queues.iter().zip(seen.from) {
            let known = state.queues.entry((*queue).to_owned()).or_default();
            let last = seen.ranks.iter().filter(|(of, _)| of == queue).map(|(_, rank)| *rank).max();
            let is_open = !seen.held_back.iter().any(|held_back| held_back == queue);
            let floor = if is_open && !seen.is_full { last.max(Some(seen.now)) } else { last };
            // Jobs of low priorities have ranks that lie ahead; others will come before them.
            let floor = floor.map(|floor| floor.min(seen.now - MARGIN));
            let found_more = from.is_none() && seen.is_full && last.is_some();
            if found_more {
                (known.floor, known.found_at) = (floor, Some(answered));
            } else if known.found_at.is_none_or(|found_at| found_at <= asked) {
                known.floor = known.floor.max(floor);
            }
            if from.is_none() {
                known.front_at = Some(answered + (answered - asked) * PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Queue {
        floors: Floors,
        start: Instant,
        dead: i64,
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    impl Queue {
        fn new() -> Self {
            Self { floors: Floors::default(), start: Instant::now(), dead: MANY }
        }

        fn time(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        fn look(&self, millis: u64) -> Option<DateTime<Utc>> {
            self.floors.look(&["q"], self.time(millis))[0]
        }

        /// A claim at second 100, which takes 10 ms.
        fn claim(&self, millis: u64, ranks: &[i64], is_full: bool, held_back: bool) {
            let from = self.floors.look(&["q"], self.time(millis));
            self.claimed(millis, &from, ranks, is_full, held_back);
        }

        fn claimed(
            &self,
            millis: u64,
            from: &[Option<DateTime<Utc>>],
            ranks: &[i64],
            is_full: bool,
            held_back: bool,
        ) {
            let seen = Seen {
                queues: &["q"],
                from,
                held_back: held_back.then(|| "q".to_owned()).into_iter().collect(),
                ranks: ranks.iter().map(|rank| ("q", at(*rank))).collect(),
                is_full,
                now: at(100),
                dead: self.dead,
            };
            self.floors.seen(&seen, self.time(millis), self.time(millis + 10));
        }
    }

    #[test]
    fn a_claim_begins_where_the_last_one_ended_until_it_is_time_for_a_look_from_the_front() {
        let queue = Queue::new();
        assert_eq!(queue.look(0), None);
        queue.claim(0, &[5, 7, 6], true, false);
        assert_eq!(queue.look(11), Some(at(7)));
        queue.claim(11, &[9], true, false);
        assert_eq!(queue.look(49), Some(at(9)));
        assert_eq!(queue.look(50), None, "four times as long as the look from the front");
    }

    #[test]
    fn as_long_as_there_is_little_to_pass_by_all_look_from_the_front() {
        let queue = Queue { dead: MANY - 1, ..Queue::new() };
        queue.claim(0, &[5], true, false);
        assert_eq!(queue.look(11), None);
    }

    #[test]
    fn nothing_new_is_passed_over() {
        let queue = Queue::new();
        queue.claim(0, &[], false, false);
        assert_eq!(queue.look(11), Some(at(99)), "a second before now");
        queue.claim(11, &[700], true, false);
        assert_eq!(queue.look(22), Some(at(99)), "a rank that lies ahead");
    }

    #[test]
    fn what_is_held_back_waits_at_the_front() {
        let queue = Queue::new();
        queue.claim(0, &[], false, true);
        assert_eq!(queue.look(11), None);
        queue.claim(11, &[3], false, true);
        assert_eq!(queue.look(22), Some(at(3)));
    }

    #[test]
    fn what_was_found_at_the_front_is_gone_on_with() {
        let queue = Queue::new();
        queue.claim(0, &[50], true, false);
        let late = queue.floors.look(&["q"], queue.time(40));
        queue.claim(60, &[8], true, false);
        assert_eq!(queue.look(71), Some(at(8)), "there may be more behind it");
        queue.claimed(40, &late, &[60], true, false);
        assert_eq!(queue.look(71), Some(at(8)), "whoever asked before does not know of them");
        queue.claim(72, &[9], true, false);
        assert_eq!(queue.look(83), Some(at(9)));
    }
}
