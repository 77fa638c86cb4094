//! What workers count: how attempts end, and how long jobs wait and take.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::JobName;

/// How an attempt ended, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttemptEnd {
    /// The job is done.
    Done,
    /// It failed, and is tried again.
    Failed,
    /// It failed, and is a dead letter.
    Dead,
    /// It was cancelled.
    Cancelled,
}

impl AttemptEnd {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Dead, Self::Cancelled];
}

/// One thing that is counted. Spans of time are counted by steps, see [`span_step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// Attempts that ended like this.
    Ended(AttemptEnd),
    /// Attempts whose jobs had been due for so long when they were claimed.
    Waited(u8),
    /// Attempts that took so long.
    Took(u8),
}

impl Counted {
    /// The numbers by which stores keep it.
    pub fn numbers(self) -> (i16, i16) {
        match self {
            Self::Ended(end) => (0, end as i16),
            Self::Waited(step) => (1, step.into()),
            Self::Took(step) => (2, step.into()),
        }
    }

    /// Of such numbers.
    pub fn of_numbers(what: i16, bucket: i16) -> Option<Self> {
        let small = u8::try_from(bucket).ok()?;
        match what {
            0 => AttemptEnd::ALL.get(usize::from(small)).copied().map(Self::Ended),
            1 => Some(Self::Waited(small)),
            2 => Some(Self::Took(small)),
            _ => None,
        }
    }
}

/// So many of one thing, of one queue, within one slot of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCount {
    /// When the slot began.
    pub slot: DateTime<Utc>,
    /// Of which queue.
    pub queue: JobName,
    /// What.
    pub what: Counted,
    /// How often.
    pub n: u64,
}

/// How long a slot is, in seconds.
pub const SLOT_SECONDS: u32 = 10;

/// The slot that a time is in.
pub fn slot_of(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::seconds(SLOT_SECONDS.into())).unwrap_or(time)
}

/// The last step: all that is longer, from some days on.
const LAST: u8 = 63;

/// The step of a span of time: each is longer by the square root of two, from a tenth of a millisecond on.
pub fn span_step(span: Duration) -> u8 {
    let tenths = span.as_secs_f64() * 10_000.0;
    if tenths <= 1.0 {
        return 0;
    }
    // At most some hundreds, and not negative.
    (2.0 * tenths.log2()).ceil().min(f64::from(LAST)) as u8
}

/// The longest span that is in a step.
fn upper(step: u8) -> f64 {
    1e-4 * 2_f64.powf(f64::from(step) / 2.0)
}

/// The span that this share of all does not exceed, of spans that were counted by their steps. Right to a fifth. `None`:
/// nothing was counted.
pub fn span_quantile(counts: &[(u8, u64)], share: f64) -> Option<Duration> {
    let mut counts = counts.to_vec();
    counts.sort_unstable();
    let all: u64 = counts.iter().map(|(_, n)| n).sum();
    let rank = share.clamp(0.0, 1.0) * all as f64;
    let mut before = 0.0;
    for (step, n) in counts {
        let n = n as f64;
        if n > 0.0 && before + n >= rank {
            let lower = if step == 0 { 0.0 } else { upper(step - 1) };
            // As if they were spread evenly over the step.
            let seconds = lower + (upper(step) - lower) * ((rank - before) / n).clamp(0.0, 1.0);
            return Duration::try_from_secs_f64(seconds).ok();
        }
        before += n;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back() {
        let all = AttemptEnd::ALL.map(Counted::Ended).into_iter();
        for what in all.chain([Counted::Waited(0), Counted::Waited(LAST), Counted::Took(7)]) {
            let (a, b) = what.numbers();
            assert_eq!(Counted::of_numbers(a, b), Some(what));
        }
        for (a, b) in [(0, 4), (0, -1), (3, 0), (1, 256)] {
            assert_eq!(Counted::of_numbers(a, b), None, "{a} {b}");
        }
    }

    #[test]
    fn steps_hold_what_is_counted_in_them() {
        for micros in [0, 1, 99, 100, 101, 999, 12_345, 1_000_000, 3_600_000_000, u64::MAX / 1_000_000] {
            let span = Duration::from_micros(micros);
            let step = span_step(span);
            assert!(step == LAST || span.as_secs_f64() <= upper(step) * 1.000_001, "{span:?} in {step}");
            assert!(step == 0 || span.as_secs_f64() > upper(step - 1) * 0.999_999, "{span:?} in {step}");
        }
        assert_eq!(span_step(Duration::MAX), LAST);
    }

    #[test]
    fn quantiles_are_near() {
        assert_eq!(span_quantile(&[], 0.5), None);
        let mut counts = std::collections::BTreeMap::new();
        for millis in 1..=1000 {
            *counts.entry(span_step(Duration::from_millis(millis))).or_insert(0) += 1;
        }
        let counts: Vec<(u8, u64)> = counts.into_iter().collect();
        for (share, wanted) in [(0.05, 0.05), (0.5, 0.5), (0.95, 0.95), (1.0, 1.0)] {
            let found = span_quantile(&counts, share).unwrap().as_secs_f64();
            assert!((found / wanted - 1.0).abs() < 0.2, "{share}: {found}");
        }
    }

    #[test]
    fn slots_begin_at_whole_tens_of_seconds() {
        let time = "2026-01-02T03:04:59.999Z".parse().unwrap();
        assert_eq!(slot_of(time), "2026-01-02T03:04:50Z".parse::<DateTime<Utc>>().unwrap());
        assert_eq!(slot_of(slot_of(time)), slot_of(time));
    }
}
