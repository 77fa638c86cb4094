//! The sliding window.

use std::time::Duration;

use crate::{Decision, Quota};

/// How a key stands at one moment: what was admitted in the window that is under way, and in the one before.
///
/// The arithmetic is that of whole numbers, so that all who compute with the same standing decide the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Milliseconds since the window under way began; fewer than the quota has.
    pub elapsed: u64,
    /// Admitted in the window before.
    pub before: u32,
    /// Admitted in the window under way.
    pub count: u32,
}

impl Standing {
    /// How a key stands whose window began at `start`, both in milliseconds of the same clock.
    pub fn at(now: u64, start: u64, before: u32, count: u32, quota: &Quota) -> Self {
        let (elapsed, per) = (now.saturating_sub(start), quota.per_millis());
        if elapsed < per {
            Self { elapsed, before, count }
        } else if elapsed < 2 * per {
            Self { elapsed: elapsed - per, before: count, count: 0 }
        } else {
            Self::default()
        }
    }

    /// How many requests count against the quota.
    pub fn counted(&self, quota: &Quota) -> u32 {
        let per = quota.per_millis();
        let still = u64::from(self.before) * per.saturating_sub(self.elapsed) / per;
        self.count.saturating_add(u32::try_from(still).unwrap_or(u32::MAX))
    }

    /// Whether another request is admitted.
    pub fn admits(&self, quota: &Quota) -> bool {
        self.counted(quota) < quota.amount()
    }

    /// What is to be said of a request that came when the key stood like this. `admitted`: all of its keys admit it, so
    /// that it was counted.
    pub fn decide(&self, quota: &Quota, admitted: bool) -> Decision {
        let after = Self { count: self.count.saturating_add(u32::from(admitted)), ..*self };
        let counted = after.counted(quota);
        let frees = after.falls_below(counted.min(quota.amount()), quota);
        if self.admits(quota) {
            Decision {
                allowed: true,
                limit: quota.amount(),
                remaining: Some(quota.amount().saturating_sub(counted)),
                reset_after: frees,
                retry_after: None,
            }
        } else {
            Decision::refused(quota, frees)
        }
    }

    /// After how long fewer than `bound` count. Zero if `bound` is.
    fn falls_below(&self, bound: u32, quota: &Quota) -> Duration {
        let Some(target) = bound.checked_sub(1) else { return Duration::ZERO };
        let per = quota.per_millis();
        let millis = match target.checked_sub(self.count) {
            Some(room) => leaves(self.before, room, per).saturating_sub(self.elapsed),
            // Not in this window; in the next one, what counts now in full counts less and less.
            None => per.saturating_sub(self.elapsed) + leaves(self.count, target, per),
        };
        Duration::from_millis(millis)
    }
}

/// How far into a window at most `room` of those `before` count: the smallest time at which
/// `before * (per - time) / per`, rounded down, is not more.
fn leaves(before: u32, room: u32, per: u64) -> u64 {
    match u64::from(before).checked_sub(u64::from(room) + 1) {
        Some(more) => per * more / u64::from(before) + 1,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn quota(amount: u32, per: u64) -> Quota {
        Quota::new(NonZeroU32::new(amount).unwrap(), Duration::from_millis(per)).unwrap()
    }

    /// A key alone, as a limiter keeps it: when its window began, and what was admitted in it and before.
    struct Key {
        quota: Quota,
        kept: Option<(u64, u32, u32)>,
    }

    impl Key {
        fn ask(&mut self, now: u64) -> Decision {
            let at = |(start, before, count)| Standing::at(now, start, before, count, &self.quota);
            let standing = self.kept.map(at).unwrap_or_default();
            let decision = standing.decide(&self.quota, standing.admits(&self.quota));
            if decision.allowed {
                self.kept = Some((now - standing.elapsed, standing.before, standing.count + 1));
            }
            decision
        }
    }

    fn fresh(quota: Quota) -> Key {
        Key { quota, kept: None }
    }

    #[test]
    fn a_fresh_key_admits_all_at_once_and_says_what_remains() {
        let mut key = fresh(quota(3, 60_000));
        for remaining in [2, 1, 0] {
            let decision = key.ask(7);
            assert_eq!((decision.allowed, decision.remaining), (true, Some(remaining)));
            assert_eq!(decision.reset_after, Duration::from_millis(60_001), "until the window after");
        }
        let refused = key.ask(30_007);
        assert!(!refused.allowed);
        assert_eq!((refused.remaining, refused.limit), (Some(0), 3));
        assert_eq!(refused.retry_after, Some(Duration::from_millis(30_001)));
        assert!(!key.ask(60_007).allowed);
        assert!(key.ask(60_008).allowed);
        assert!(!key.ask(80_007).allowed, "a third of the window has not passed yet");
        assert!(key.ask(80_008).allowed);
    }

    /// For sustained pressure, the whole point: each period from the first request on admits the amount.
    #[test]
    fn who_never_pauses_is_admitted_the_amount_in_each_period() {
        for (amount, per, times) in [(100, 60_000, 10), (1, 1_000, 10), (7, 1_000, 13), (10_000, 1_000, 100)]
        {
            let mut key = fresh(quota(amount, per));
            let asked = u64::from(amount) * times;
            for period in 0..5 {
                let admitted = (0..asked).filter(|n| key.ask(period * per + n * per / asked).allowed).count();
                let off = (admitted as f64 / f64::from(amount) - 1.0).abs();
                assert!(off <= 0.05, "{admitted} of {amount} in period {period}");
            }
        }
    }

    #[test]
    fn across_two_windows_it_is_at_most_twice_the_amount() {
        let mut key = fresh(quota(100, 1_000));
        assert!(key.ask(0).allowed);
        let late = (0..200).filter(|_| key.ask(999).allowed).count();
        assert_eq!(late, 99);
        let at_once = (0..200).filter(|_| key.ask(1_001).allowed).count();
        assert_eq!(at_once, 1, "not all at once");
        let then = (1_002..1_999).filter(|now| (0..10).any(|_| key.ask(*now).allowed)).count();
        assert!(99 + at_once + then <= 200);
    }

    #[test]
    fn after_a_pause_of_two_periods_a_key_is_as_good_as_fresh() {
        for pause in [2_000, 2_001, 2_500, 3_000, 3_500, 100_000] {
            let mut key = fresh(quota(10, 1_000));
            assert_eq!((0..50).filter(|_| key.ask(0).allowed).count(), 10);
            assert_eq!((0..50).filter(|_| key.ask(pause).allowed).count(), 10, "after {pause} ms");
            assert!(!key.ask(pause + 1_000).allowed, "the window began at {pause} ms");
            assert!(key.ask(pause + 1_001).allowed);
        }
    }

    #[test]
    fn a_lowered_quota_is_waited_for() {
        let low = quota(10, 1_000);
        let standing = Standing { elapsed: 400, before: 0, count: 100 };
        let decision = standing.decide(&low, false);
        assert_eq!(decision.retry_after, Some(Duration::from_millis(600 + 901)));
    }

    proptest! {
        /// Whatever happened before: after the wait that a refusal names the key admits, and a millisecond earlier it
        /// does not.
        #[test]
        fn what_a_refusal_says_is_so(
            amount in 1u32..40, per in 1u64..5_000, before in 0u32..80, count in 0u32..80, elapsed in 0u64..5_000,
        ) {
            let quota = quota(amount, per);
            let (elapsed, now) = (elapsed % per, 1_000_000);
            let standing = |wait| Standing::at(now + wait, now - elapsed, before, count, &quota);
            let decision = standing(0).decide(&quota, false);
            prop_assert_eq!(decision.allowed, decision.retry_after.is_none());
            if let Some(wait) = decision.retry_after {
                let wait = u64::try_from(wait.as_millis()).unwrap();
                prop_assert!(wait > 0);
                prop_assert!(standing(wait).admits(&quota));
                prop_assert!(!standing(wait - 1).admits(&quota));
            }
        }

        /// More remains at the time that is said, and not earlier; it never gets less by waiting.
        #[test]
        fn what_is_said_of_the_rest_is_so(
            amount in 1u32..40, per in 1u64..2_000, before in 0u32..40, count in 0u32..40, elapsed in 0u64..2_000,
        ) {
            let quota = quota(amount, per);
            let (elapsed, now) = (elapsed % per, 1_000_000);
            let standing = |wait| Standing::at(now + wait, now - elapsed, before, count, &quota);
            prop_assume!(standing(0).admits(&quota));
            let decision = standing(0).decide(&quota, false);
            let reset = u64::try_from(decision.reset_after.as_millis()).unwrap();
            prop_assert_eq!(decision.remaining, Some(amount - standing(0).counted(&quota)));
            prop_assert_eq!(reset == 0, standing(0).counted(&quota) == 0);
            if reset > 0 {
                prop_assert!(standing(reset).counted(&quota) < standing(0).counted(&quota));
                prop_assert_eq!(standing(reset - 1).counted(&quota), standing(0).counted(&quota));
            }
            for wait in 0..2 * per {
                prop_assert!(standing(wait + 1).counted(&quota) <= standing(wait).counted(&quota));
            }
        }

        /// No stretch of `per` has more than twice the amount, and none more than the amount at once, whatever is asked.
        #[test]
        fn no_stretch_admits_more_than_is_promised(
            amount in 1u32..20, pauses in proptest::collection::vec(0u64..300, 1..400),
        ) {
            let mut key = fresh(quota(amount, 1_000));
            let mut now = 0;
            let mut admitted = Vec::new();
            for pause in pauses {
                now += pause;
                if key.ask(now).allowed {
                    admitted.push(now);
                }
            }
            for (first, at) in admitted.iter().enumerate() {
                let among = admitted.iter().skip(first);
                let stretch = among.clone().take_while(|time| **time < at + 1_000).count();
                prop_assert!(stretch <= 2 * amount as usize, "{stretch} in a period");
                prop_assert!(among.take_while(|time| *time == at).count() <= amount as usize);
            }
        }
    }
}
