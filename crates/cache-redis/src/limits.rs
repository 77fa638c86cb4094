//! Rate limits that all nodes share, on the primary of the carts' opening.

use std::{
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cartwright_limits::{Ask, Decision, Figures, LimitKey, MemoryRateLimiter, RateLimiter, Standing};
use quick_cache::sync::Cache;
use recloser::{AsyncRecloser, Error, Recloser};
use redis::{RedisError, Script};

use crate::{
    RedisCartCache,
    carts::{Inner, lock},
    endpoint::Endpoint,
};

/// Counts a request for all keys if each admits it, in the sliding window that `cartwright_limits` describes. A key holds when
/// its window began, in milliseconds of this server's clock, and what was admitted in the window before and in this
/// one. Once both are over, so is the key.
///
/// ARGV: amount and milliseconds of each key's quota. Answers for each how long its window has been under way, and both
/// counts, as they were before: whoever asks decides by the same rule what that means.
///
/// If the clock was set back, a window would begin later than now, and the key would not expire until then: it begins
/// anew. What is not ours is written over. All numbers stay below 2^53, where Lua's are exact.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME') \
         local now = time[1] * 1000 + math.floor(time[2] / 1000) \
         local windows, out, admitted = {}, {}, true \
         for i, key in ipairs(KEYS) do \
           local amount, per = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i]) \
           local window = windows[key] \
           if not window then \
             window = { start = now, before = 0, count = 0, asked = 0 } \
             local found = redis.pcall('GET', key) \
             local start, before, count = string.match(type(found) == 'string' and found or '', '^(%d+) (%d+) (%d+)$') \
             if start then \
               start, before, count = tonumber(start), tonumber(before), tonumber(count) \
               window.moved = start > now \
               start = math.min(start, now) \
               if now - start < per then \
                 window.start, window.before, window.count = start, before, count \
               elseif now - start < 2 * per then \
                 window.start, window.before = start + per, count \
               end \
             end \
             windows[key] = window \
           end \
           local elapsed, count = now - window.start, window.count + window.asked \
           window.left = 2 * per - elapsed \
           out[3 * i - 2], out[3 * i - 1], out[3 * i] = elapsed, window.before, count \
           if count + math.floor(window.before * (per - elapsed) / per) >= amount then admitted = false end \
           window.asked = window.asked + 1 \
         end \
         for key, window in pairs(windows) do \
           if admitted or window.moved then \
             local count = window.count + (admitted and window.asked or 0) \
             local value = string.format('%.0f %.0f %.0f', window.start, window.before, count) \
             redis.call('SET', key, value, 'PX', window.left) \
           end \
         end \
         return out",
    )
});

/// Longer than Redis ever takes when it is well, shorter than anybody minds.
const PATIENCE: Duration = Duration::from_millis(50);
/// How many answers are looked at before Redis is left alone: when half of them fail.
const LOOKS_AT: usize = 10;
/// For how long it is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it must have answered before it is said to be back.
const SETTLED: Duration = Duration::from_secs(5);
/// Keys of which it is remembered how long they refuse.
const REMEMBERED: usize = 10_000;

/// Rate limits on Redis, under `limit:<group>:<kind>:<who>`, shared by all nodes that use the same primary.
///
/// One round trip for a request, whatever its number of keys; those of requests at the same time share a packet. A key
/// that refuses is remembered until it admits again, which nobody can bring about earlier: until then it is refused
/// without asking Redis, and of the other keys of the request nothing is said.
///
/// **When Redis does not answer** within 50 ms, is known not to, or the gate is closed, this node counts by itself, so that
/// each node grants the whole quota for as long. A breaker and what the carts' heartbeat knows keep a dead Redis from
/// costing a request anything. What was counted in between is not brought to Redis afterwards.
///
/// Keys do not carry the namespace of the gate's opening: nothing depends on counters being the latest, and an opening
/// should not give everybody a new quota. A failover to a replica that lagged forgets the last few requests.
pub struct RedisRateLimiter {
    inner: Arc<Inner>,
    /// Counts while Redis does not.
    alone: MemoryRateLimiter,
    /// Until when a key refuses.
    refused: Cache<LimitKey, Instant>,
    breaker: AsyncRecloser,
    patience: Duration,
    /// Whether Redis is said not to answer: looked at for each request, so without a lock.
    lost: AtomicBool,
    /// When it did not answer last.
    failed: Mutex<Option<Instant>>,
    figures: Figures,
}

/// Why this node counts by itself.
#[derive(Debug, thiserror::Error)]
enum Unshared {
    #[error("no primary is in use")]
    Unused,
    #[error("no answer within {0:?}")]
    Slow(Duration),
    #[error("too many calls have failed")]
    Pause,
    #[error("Redis answered with {0} numbers")]
    Answer(usize),
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl std::fmt::Debug for RedisRateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisRateLimiter").field("alone", &self.alone).finish_non_exhaustive()
    }
}

impl RedisRateLimiter {
    /// On the servers, over the connections and under the gate of this cache. `room`: for how many keys there is memory
    /// while this node counts by itself, about 100 bytes each.
    pub fn beside(carts: &RedisCartCache, room: usize) -> Self {
        let breaker =
            Recloser::custom().error_rate(0.5).closed_len(LOOKS_AT).half_open_len(1).open_wait(PAUSE).build();
        Self {
            inner: Arc::clone(&carts.inner),
            alone: MemoryRateLimiter::new(room),
            refused: Cache::new(REMEMBERED),
            breaker: AsyncRecloser::from(breaker),
            patience: PATIENCE,
            lost: AtomicBool::new(false),
            failed: Mutex::new(None),
            figures: Figures::default(),
        }
    }

    /// A request waits for Redis for so long before this node counts it by itself, in place of 50 ms.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    async fn decide(&self, asks: &[Ask]) -> Vec<Decision> {
        let asked = Instant::now();
        if let Some(decisions) = self.remembered(asks, asked) {
            return decisions;
        }
        match self.shared(asks).await {
            Ok(standings) => {
                self.found();
                let admitted = asks.iter().zip(&standings).all(|(ask, standing)| standing.admits(&ask.quota));
                let decide = |(ask, standing): (&Ask, &Standing)| standing.decide(&ask.quota, admitted);
                let decisions: Vec<Decision> = asks.iter().zip(&standings).map(decide).collect();
                self.remember(asks, &decisions, asked);
                decisions
            }
            Err(error) => {
                self.lost(&error);
                self.alone.decide(asks)
            }
        }
    }

    /// Told of once, until it has been well for a while: one that is too slow for some of the requests would fill the log.
    fn lost(&self, error: &Unshared) {
        self.figures.alone();
        *lock(&self.failed) = Some(Instant::now());
        if !self.lost.swap(true, Relaxed) {
            tracing::warn!(%error, "rate limits are counted by this node alone");
        }
    }

    fn found(&self) {
        if self.lost.load(Relaxed)
            && lock(&self.failed).is_none_or(|failed| failed.elapsed() > SETTLED)
            && self.lost.swap(false, Relaxed)
        {
            tracing::info!("rate limits are shared again");
        }
    }

    /// What is known without asking anybody: that the request is refused.
    fn remembered(&self, asks: &[Ask], now: Instant) -> Option<Vec<Decision>> {
        let left = |ask: &Ask| {
            let until = self.refused.get(&ask.key)?;
            Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
        };
        let left: Vec<Option<Duration>> = asks.iter().map(left).collect();
        let decide = |(ask, left): (&Ask, &Option<Duration>)| match left {
            Some(left) => Decision::refused(&ask.quota, *left),
            None => Decision::unasked(&ask.quota),
        };
        left.iter().any(Option::is_some).then(|| asks.iter().zip(&left).map(decide).collect())
    }

    /// From before Redis was asked: rather a little too short.
    fn remember(&self, asks: &[Ask], decisions: &[Decision], asked: Instant) {
        for (at, (ask, decision)) in asks.iter().zip(decisions).enumerate() {
            // A key that is named again may refuse two requests and admit one.
            let again = asks.iter().take(at).any(|earlier| earlier.key == ask.key);
            if let Some(retry_after) = decision.retry_after.filter(|_| !again) {
                self.refused.insert(ask.key.clone(), asked + retry_after);
            }
        }
    }

    /// As the keys stood when Redis was asked.
    async fn shared(&self, asks: &[Ask]) -> Result<Vec<Standing>, Unshared> {
        let view = self.inner.views.current();
        // Counters of an opening that may be over do no harm.
        let opening = view.open.as_ref().ok_or(Unshared::Unused)?;
        let primary = self.inner.primary(opening).filter(|endpoint| !endpoint.suspect());
        let asked = self.count(primary.ok_or(Unshared::Unused)?, &opening.gate.primary, asks);
        self.breaker.call(asked).await.map_err(|error| match error {
            Error::Inner(error) => error,
            Error::Rejected => Unshared::Pause,
        })
    }

    async fn count(&self, primary: &Endpoint, run_id: &str, asks: &[Ask]) -> Result<Vec<Standing>, Unshared> {
        let mut call = COUNT.prepare_invoke();
        for Ask { key, quota } in asks {
            call.key(format!("limit:{key}")).arg(quota.amount()).arg(quota.per_millis());
        }
        let asked = primary.near(run_id, async |link| call.invoke_async::<Vec<u64>>(link).await);
        let Ok(answer) = tokio::time::timeout(self.patience, asked).await else {
            self.connect();
            return Err(Unshared::Slow(self.patience));
        };
        let (numbers, _opened) = answer?.ok_or(Unshared::Unused)?;
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let (standings, rest) = numbers.as_chunks();
        if standings.len() != asks.len() || !rest.is_empty() {
            return Err(Unshared::Answer(numbers.len()));
        }
        let standing = |&[elapsed, before, now]: &[u64; 3]| Standing {
            elapsed,
            before: count(before),
            count: count(now),
        };
        Ok(standings.iter().map(standing).collect())
    }

    /// To open a connection may take longer than a request waits: then none would ever be there.
    fn connect(&self) {
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.send(async |link| redis::cmd("PING").exec_async(link).await).await });
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn check(&self, asks: &[Ask]) -> Vec<Decision> {
        if asks.is_empty() {
            return Vec::new();
        }
        let decisions = self.decide(asks).await;
        self.figures.decided(asks, &decisions);
        decisions
    }
}
