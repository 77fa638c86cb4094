use std::time::Duration;

use tokio::time::Instant;

/// The first pause after there was nothing to do; it doubles up to the setting.
const SHORTEST: Duration = Duration::from_millis(10);
/// How many jobs are claimed in advance: those of so many seconds, several round trips to the database.
const AHEAD: f64 = 0.05;
/// Over how long it is counted how many jobs end.
const COUNTED: Duration = Duration::from_millis(20);

/// When to look for jobs, and for how many.
#[derive(Debug)]
pub(super) struct Pace {
    look_at: Instant,
    pause: Duration,
    longest: Duration,
    /// Somebody said that there are jobs while it was being looked.
    again: bool,
    since: Instant,
    ended: u32,
    per_second: f64,
}

impl Pace {
    pub(super) fn new(now: Instant, longest: Duration) -> Self {
        Self {
            look_at: now,
            pause: SHORTEST,
            longest: longest.max(SHORTEST),
            again: false,
            since: now,
            ended: 0,
            per_second: 0.0,
        }
    }

    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }

    /// How many jobs end while more are claimed.
    pub(super) fn ahead(&self) -> usize {
        // At most some millions.
        (self.per_second * AHEAD) as usize
    }

    /// Jobs end no longer as quickly as was thought.
    pub(super) fn stalls(&mut self, now: Instant) {
        (self.since, self.ended, self.per_second) = (now, 0, 0.0);
    }

    pub(super) fn ended(&mut self) {
        self.ended = self.ended.saturating_add(1);
    }

    /// There are jobs, somebody says.
    pub(super) fn news(&mut self) {
        (self.look_at, self.pause, self.again) = (Instant::now(), SHORTEST, true);
    }

    /// A claim begins.
    pub(super) fn claims(&mut self, now: Instant) {
        self.again = false;
        let counted = now.duration_since(self.since);
        if counted >= COUNTED {
            self.per_second = f64::from(self.ended) / counted.as_secs_f64();
            (self.since, self.ended) = (now, 0);
        }
    }

    /// It got so many.
    pub(super) fn claimed(&mut self, now: Instant, jobs: usize, limit: u32) {
        if self.again || u32::try_from(jobs).is_ok_and(|jobs| jobs >= limit) {
            (self.look_at, self.pause) = (now, SHORTEST);
            return;
        }
        self.pause = if jobs == 0 { (self.pause * 2).min(self.longest) } else { SHORTEST };
        // Workers that began together do not ask together for ever.
        self.look_at = now + self.pause.mul_f64(rand::random_range(0.75..=1.0));
    }

    /// It failed.
    pub(super) fn failed(&mut self, look_at: Instant) {
        self.look_at = look_at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_less_and_less_often_until_there_is_something() {
        let start = Instant::now();
        let mut pace = Pace::new(start, Duration::from_millis(100));
        let mut look = |jobs, limit| {
            pace.claims(start);
            pace.claimed(start, jobs, limit);
            pace.look_at() - start
        };
        let pauses: Vec<Duration> = (0..5).map(|_| look(0, 8)).collect();
        assert!(pauses[0] <= Duration::from_millis(20) && pauses[1] > pauses[0], "{pauses:?}");
        assert!(pauses[4] >= Duration::from_millis(75) && pauses[4] <= Duration::from_millis(100));
        assert!(look(1, 8) <= SHORTEST);
        assert_eq!(look(8, 8), Duration::ZERO);
        pace.claims(start);
        pace.news();
        pace.claimed(start, 0, 8);
        assert_eq!(pace.look_at(), start);
    }

    #[test]
    fn the_faster_jobs_end_the_more_are_claimed_ahead() {
        let start = Instant::now();
        let mut pace = Pace::new(start, Duration::from_millis(100));
        assert_eq!(pace.ahead(), 0);
        (0..1000).for_each(|_| pace.ended());
        pace.claims(start + Duration::from_millis(100));
        assert_eq!(pace.ahead(), 500);
        pace.stalls(start + Duration::from_secs(2));
        assert_eq!(pace.ahead(), 0);
    }
}
