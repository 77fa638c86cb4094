use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use cartwright_limits::{Ask, Decision, LimitKey, Quota, RateLimiter};

/// Longer than any test: nothing is over while one runs.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Two nodes that share their counters.
#[derive(Debug, Clone)]
pub struct Limiters {
    /// One of them.
    pub one: Arc<dyn RateLimiter>,
    /// Another node, or the same.
    pub other: Arc<dyn RateLimiter>,
}

impl Limiters {
    /// The nodes in turn.
    pub(crate) fn turn(&self, turn: usize) -> &dyn RateLimiter {
        if turn.is_multiple_of(2) { &*self.one } else { &*self.other }
    }
}

/// Whether a request for these keys is admitted.
pub(crate) async fn admits(limiter: &dyn RateLimiter, asks: &[Ask]) -> bool {
    Decision::admits(&check(limiter, asks).await)
}

/// What comes of one request for one key.
pub(crate) async fn one(limiter: &dyn RateLimiter, ask: &Ask) -> Decision {
    check(limiter, std::slice::from_ref(ask)).await.remove(0)
}

/// What comes of one request, if it makes sense at all.
pub(crate) async fn check(limiter: &dyn RateLimiter, asks: &[Ask]) -> Vec<Decision> {
    let decisions = limiter.check(asks).await;
    assert_eq!(decisions.len(), asks.len(), "one decision for each key");
    for (ask, decision) in asks.iter().zip(&decisions) {
        let most = ask.quota.per() * 2;
        assert_eq!(decision.limit, ask.quota.amount());
        assert_eq!(decision.allowed, decision.retry_after.is_none(), "{decision:?}");
        assert!(decision.remaining.is_none_or(|remaining| remaining <= decision.limit), "{decision:?}");
        assert!(decision.reset_after <= most, "{decision:?}");
        if let Some(retry_after) = decision.retry_after {
            assert_eq!((decision.remaining, decision.reset_after), (Some(0), retry_after));
            assert!(!retry_after.is_zero());
        }
    }
    decisions
}

/// So many requests in so long.
pub fn quota(amount: u32, per: Duration) -> Quota {
    Quota::new(amount.try_into().unwrap(), per).unwrap()
}

/// A user nobody else has, of the group `tests`.
pub fn user(name: &str, quota: Quota) -> Ask {
    Ask { key: LimitKey::user("tests", &format!("{name}-{}", next())), quota }
}

/// An address nobody else has.
pub fn address(quota: Quota) -> Ask {
    Ask { key: LimitKey::address("tests", IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | next()))), quota }
}

/// Tests share servers.
fn next() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Relaxed)
}
