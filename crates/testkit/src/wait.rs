//! Waiting for a condition, with a deadline, instead of sleeping for a guess.

use std::panic::Location;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` holds.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
///
/// let mut looks = 0;
/// cartwright_testkit::eventually(Duration::from_secs(5), || {
///     looks += 1;
///     let done = looks > 2;
///     async move { done }
/// })
/// .await;
/// # });
/// ```
///
/// The deadline is measured in real time, also when tokio's clock is paused.
///
/// # Panics
///
/// At the deadline, with the place of the call.
#[track_caller]
pub fn eventually<F, C>(deadline: Duration, mut condition: F) -> impl Future<Output = ()>
where
    F: FnMut() -> C,
    C: Future<Output = bool>,
{
    let caller = Location::caller();
    async move {
        let start = Instant::now();
        while !condition().await {
            assert!(start.elapsed() < deadline, "{caller}: the condition did not hold within {deadline:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Waits until `look` finds something, and returns it.
///
/// # Panics
///
/// At the deadline, with the place of the call.
#[track_caller]
pub fn eventually_some<F, C, T>(deadline: Duration, mut look: F) -> impl Future<Output = T>
where
    F: FnMut() -> C,
    C: Future<Output = Option<T>>,
{
    let caller = Location::caller();
    async move {
        let start = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(start.elapsed() < deadline, "{caller}: nothing was found within {deadline:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Blocks the thread until `condition` holds; false at the deadline.
///
/// Servers are started and stopped by blocking calls, so that they work from any runtime, from none,
/// and from `Drop`.
pub(crate) fn poll_until(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= deadline {
            return false;
        }
        nap();
    }
}

/// A short pause between two looks.
#[expect(clippy::disallowed_methods, reason = "between two looks of poll_until, which has a deadline")]
fn nap() {
    std::thread::sleep(PAUSE);
}

/// Runs a future to its end on a thread and a runtime of its own, whatever runtime the caller is on.
pub(crate) fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be built")
                    .block_on(future)
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
