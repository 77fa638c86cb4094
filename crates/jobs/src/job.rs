use std::time::Duration;

use cartwright_storage::Priority;
use serde::{Serialize, de::DeserializeOwned};

/// Something to be done: what it is about, and how it is to be tried.
///
/// The kind and the fields are kept in the database, and may be read by another version of the program than that which
/// wrote them: give new fields a default, and do not change the meaning of old ones.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Its name, and that of its handler. 1 to 100 of `A–Z a–z 0–9 . _ : -`.
    const KIND: &'static str;
    /// Where it waits, likewise.
    const QUEUE: &'static str;

    /// How it is tried.
    fn policy() -> Policy {
        Policy::default()
    }

    /// While a job with the same key is unfinished, another one is not made. `None`: as many as there are.
    ///
    /// A job that runs may have looked already at what has changed since: where that matters, leave it `None`.
    fn unique_key(&self) -> Option<String> {
        None
    }
}

/// How jobs of a kind are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How often, at least once.
    pub max_attempts: u16,
    /// The pause after the first failure. It doubles with each further one.
    pub backoff: Duration,
    /// The longest pause.
    pub backoff_limit: Duration,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How it stands against others in its queue.
    pub priority: Priority,
}

impl Default for Policy {
    /// Five attempts of at most five minutes, with pauses from a second to five minutes.
    fn default() -> Self {
        Self {
            max_attempts: 5,
            backoff: Duration::from_secs(1),
            backoff_limit: Duration::from_secs(300),
            timeout: Duration::from_secs(300),
            priority: Priority::NORMAL,
        }
    }
}

impl Policy {
    /// The pause after so many failed attempts: between half of it and the whole, so that what failed together does not
    /// come again together. `random` is from 0 to 1.
    pub(crate) fn pause(&self, failed: u16, random: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(u32::from(failed.saturating_sub(1)).min(31));
        let whole = self.backoff.saturating_mul(doubled).min(self.backoff_limit);
        whole / 2 + (whole / 2).mul_f64(random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let policy = Policy::default();
        let seconds = |failed, random| policy.pause(failed, random).as_secs_f64();
        assert_eq!((seconds(1, 0.0), seconds(1, 1.0)), (0.5, 1.0));
        assert_eq!((seconds(4, 0.0), seconds(4, 1.0)), (4.0, 8.0));
        assert_eq!((seconds(60, 0.5), seconds(u16::MAX, 7.0)), (225.0, 300.0));
        assert_eq!(seconds(0, 1.0), 1.0);
    }
}
