//! What waits together goes together: one round trip for many.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// In one round trip at most.
const TOGETHER: usize = 128;

/// One round trip at a time: what comes meanwhile waits, and goes with the next one. What comes alone goes at once.
pub(crate) struct Lane<T> {
    state: Mutex<State<T>>,
    room: usize,
}

struct State<T> {
    waiting: Vec<T>,
    /// Whether somebody is under way, and will come back for what waits.
    busy: bool,
}

impl<T> Lane<T> {
    /// `room`: how much may wait.
    pub(crate) fn new(room: usize) -> Self {
        Self { state: Mutex::new(State { waiting: Vec::new(), busy: false }), room }
    }

    /// Puts these into the lane; what there is no room for is dropped. Whether somebody has to [`drive`](Self::drive).
    pub(crate) fn board(&self, items: Vec<T>) -> bool {
        let mut state = self.lock();
        let room = self.room.saturating_sub(state.waiting.len());
        state.waiting.extend(items.into_iter().take(room));
        !std::mem::replace(&mut state.busy, true)
    }

    /// For whoever was told to: what waits, again and again.
    pub(crate) fn drive(&self) -> Drive<'_, T> {
        Drive { lane: self, arrived: false }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped before nothing waits any more, by a panic or with its runtime, it leaves nobody behind in the lane: those who
/// wait are told so, by being dropped.
pub(crate) struct Drive<'a, T> {
    lane: &'a Lane<T>,
    arrived: bool,
}

impl<T> Drive<'_, T> {
    /// Takes what waits. `None`: nothing does, and what comes next begins anew.
    pub(crate) fn next(&mut self) -> Option<Vec<T>> {
        let mut state = self.lane.lock();
        if state.waiting.is_empty() {
            state.busy = false;
            self.arrived = true;
            return None;
        }
        let rest = state.waiting.len().min(TOGETHER);
        let rest = state.waiting.split_off(rest);
        Some(std::mem::replace(&mut state.waiting, rest))
    }

    /// The same, with what comes within this time.
    pub(crate) async fn next_after(&mut self, pause: Duration) -> Option<Vec<T>> {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        self.next()
    }
}

impl<T> Drop for Drive<'_, T> {
    fn drop(&mut self) {
        if !self.arrived {
            let mut state = self.lane.lock();
            state.busy = false;
            let lost = std::mem::take(&mut state.waiting);
            drop(state);
            drop(lost);
        }
    }
}

/// Lanes for what somebody waits for. A thread always uses the same one.
pub(crate) struct Lanes<T>(Box<[Lane<T>]>);

impl<T> Lanes<T> {
    pub(crate) fn new() -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(64);
        Self(std::iter::repeat_with(|| Lane::new(usize::MAX)).take(count).collect())
    }

    /// Puts these into the lane of this thread. Returns its number, if somebody has to drive.
    pub(crate) fn board(&self, items: Vec<T>) -> Option<usize> {
        let number = seat() % self.0.len();
        self.0.get(number)?.board(items).then_some(number)
    }

    pub(crate) fn lane(&self, number: usize) -> Option<&Lane<T>> {
        self.0.get(number)
    }
}

/// The number of this thread: they count up from 0.
fn seat() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static SEAT: usize = NEXT.fetch_add(1, Relaxed); }
    SEAT.with(|seat| *seat)
}
