use std::time::Duration;

/// For how long a kind of data is kept, and how it is renewed. Only the time to live has to be said.
///
/// ```
/// use std::time::Duration;
/// use cartwright_layered::Policy;
///
/// const PRODUCTS: Policy = Policy::ttl(Duration::from_secs(24 * 3600))
///     .memory_ttl(Duration::from_secs(300))
///     .stale_on_error(Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    pub(crate) ttl: Duration,
    pub(crate) memory_ttl: Duration,
    pub(crate) negative_ttl: Duration,
    pub(crate) jitter: f64,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_on_error: Duration,
    pub(crate) early_refresh: f64,
    pub(crate) load_timeout: Duration,
    pub(crate) lease_wait: Duration,
}

impl Policy {
    /// Values are fresh for this long after they were loaded. The rest is set to what suits most data.
    pub const fn ttl(ttl: Duration) -> Self {
        Self {
            ttl,
            memory_ttl: ttl,
            negative_ttl: Duration::from_secs(5),
            jitter: 0.1,
            stale_while_revalidate: Duration::from_secs(10),
            stale_on_error: Duration::from_secs(600),
            early_refresh: 1.0,
            load_timeout: Duration::from_secs(3),
            lease_wait: Duration::from_millis(250),
        }
    }

    /// How long a node keeps a value in memory before it asks the shared layer again. Default: as long as it is fresh.
    #[must_use]
    pub const fn memory_ttl(mut self, ttl: Duration) -> Self {
        self.memory_ttl = ttl;
        self
    }

    /// How long it is remembered that there is nothing under a key. Default 5 s; zero does not remember it.
    #[must_use]
    pub const fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = ttl;
        self
    }

    /// By which share times to live are shortened, at random, so that what was loaded together does not run out
    /// together. Default 0.1.
    #[must_use]
    pub const fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// For how long after its time a value is still served at once, while it is loaded anew. Default 10 s.
    #[must_use]
    pub const fn stale_while_revalidate(mut self, bound: Duration) -> Self {
        self.stale_while_revalidate = bound;
        self
    }

    /// For how long after its time a value is served when it cannot be loaded anew. Default 10 min.
    #[must_use]
    pub const fn stale_on_error(mut self, bound: Duration) -> Self {
        self.stale_on_error = bound;
        self
    }

    /// How eagerly a value that is asked for often is loaded anew before its time is up: the β of "Optimal Probabilistic
    /// Cache Stampede Prevention" (Vattani, Chierichetti, Lowenstein; VLDB 2015). Default 1; 0 waits until it is up.
    #[must_use]
    pub const fn early_refresh(mut self, beta: f64) -> Self {
        self.early_refresh = beta;
        self
    }

    /// How long a load may take. After that it has failed. Default 3 s.
    #[must_use]
    pub const fn load_timeout(mut self, bound: Duration) -> Self {
        self.load_timeout = bound;
        self
    }

    /// How long to wait for another node that is loading the same value, before loading it here as well. Default 250 ms.
    #[must_use]
    pub const fn lease_wait(mut self, bound: Duration) -> Self {
        self.lease_wait = bound;
        self
    }

    /// How long the shared layer keeps a value: as long as anybody may serve it.
    pub(crate) fn kept(&self, fresh: Duration) -> Duration {
        fresh + self.stale_while_revalidate.max(self.stale_on_error)
    }

    pub(crate) fn fresh(&self, absent: bool) -> Duration {
        let ttl = if absent { self.negative_ttl } else { self.ttl };
        ttl.mul_f64(1.0 - self.jitter.clamp(0.0, 0.9) * rand::random::<f64>())
    }
}
