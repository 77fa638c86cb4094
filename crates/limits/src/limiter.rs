use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{LimitKey, Quota};

/// What a request is to be counted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Whose requests are counted.
    pub key: LimitKey,
    /// How many may be admitted.
    pub quota: Quota,
}

/// What came of an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether this key admits the request. It is admitted when all do ([`admits`](Self::admits)).
    pub allowed: bool,
    /// How many requests the quota has.
    pub limit: u32,
    /// How many more requests the key would admit now, after this one if it was counted. `None`: the key was not looked
    /// at, as it is known that another one refuses the request.
    pub remaining: Option<u32>,
    /// After how long more remains than now, if nobody uses the key meanwhile. Zero: nothing is used up, or the key was
    /// not looked at.
    pub reset_after: Duration,
    /// After how long the key admits a request, if nobody else uses it meanwhile; not earlier. `None`: it admits this
    /// one.
    pub retry_after: Option<Duration>,
}

impl Decision {
    /// Whether the request of these decisions is admitted, and was counted for all of its keys. If not, it was counted
    /// for none.
    pub fn admits(decisions: &[Self]) -> bool {
        decisions.iter().all(|decision| decision.allowed)
    }

    /// Of a key that was not looked at.
    pub fn unasked(quota: &Quota) -> Self {
        Self {
            allowed: true,
            limit: quota.amount(),
            remaining: None,
            reset_after: Duration::ZERO,
            retry_after: None,
        }
    }

    /// Of a key that refuses for so much longer.
    pub fn refused(quota: &Quota, retry_after: Duration) -> Self {
        Self {
            allowed: false,
            limit: quota.amount(),
            remaining: Some(0),
            reset_after: retry_after,
            retry_after: Some(retry_after),
        }
    }
}

/// Counts requests, and says which are too many.
#[async_trait]
pub trait RateLimiter: fmt::Debug + Send + Sync {
    /// Counts one request for all of these keys if each of them admits it, else for none. Answers for each, in their
    /// order. A key that is named twice is counted twice.
    ///
    /// Never fails: a limiter whose shared counters are out of reach goes on with counters of its own. One that is
    /// dropped while it is under way has counted the request or has not.
    async fn check(&self, asks: &[Ask]) -> Vec<Decision>;
}
