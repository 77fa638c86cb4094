//! What keeps a layer that does not answer from costing each request.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use recloser::{AsyncRecloser, Error, Recloser};

/// Looks at this many answers before it decides.
const LOOKS_AT: usize = 10;
/// How long it stays open.
const PAUSE: Duration = Duration::from_secs(1);

/// What a cache may take to answer: longer than it ever does when it is well, shorter than the patience of a caller.
pub(crate) const BRIEF: Duration = Duration::from_millis(75);

/// It did not answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
pub(crate) struct Slow(Duration);

/// Lets calls pass until half of them fail, then none for a second, then one to try.
pub(crate) struct Breaker {
    what: &'static str,
    breaker: AsyncRecloser,
    failing: AtomicBool,
    /// Whether the layer tells of its failures by itself.
    tells: bool,
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Breaker").field("what", &self.what).field("failing", &self.failing).finish()
    }
}

impl Breaker {
    pub(crate) fn new(what: &'static str) -> Self {
        let breaker =
            Recloser::custom().error_rate(0.5).closed_len(LOOKS_AT).half_open_len(1).open_wait(PAUSE).build();
        Self { what, breaker: AsyncRecloser::from(breaker), failing: AtomicBool::new(false), tells: false }
    }

    /// For a layer that tells of its failures by itself, if `tells`: one line in the log for one event.
    pub(crate) fn quiet(self, tells: bool) -> Self {
        Self { tells, ..self }
    }

    /// As [`call`](Self::call), for a layer that is only worth asking if it is quick.
    pub(crate) async fn call_briefly<T, E: std::fmt::Display + From<Slow>>(
        &self,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Option<Result<T, E>> {
        self.call_within(BRIEF, asked).await
    }

    /// As [`call`](Self::call), and gives up after so long.
    pub(crate) async fn call_within<T, E: std::fmt::Display + From<Slow>>(
        &self,
        limit: Duration,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Option<Result<T, E>> {
        let asked = tokio::time::timeout(limit, asked);
        self.call(async { asked.await.unwrap_or_else(|_| Err(Slow(limit).into())) }).await
    }

    /// `None`: it was not asked. Failures are logged once, until it answers again.
    pub(crate) async fn call<T, E: std::fmt::Display>(
        &self,
        asked: impl Future<Output = Result<T, E>>,
    ) -> Option<Result<T, E>> {
        match self.breaker.call(asked).await {
            Ok(answer) => {
                if self.failing.load(Relaxed) && self.failing.swap(false, Relaxed) && !self.tells {
                    tracing::info!("{} answers again", self.what);
                }
                Some(Ok(answer))
            }
            Err(Error::Inner(error)) => {
                if self.tells {
                    tracing::debug!(%error, "{} does not answer", self.what);
                } else if !self.failing.swap(true, Relaxed) {
                    tracing::warn!(%error, "{} does not answer", self.what);
                }
                Some(Err(error))
            }
            Err(Error::Rejected) => None,
        }
    }
}
