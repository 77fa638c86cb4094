//! Reads of the second and third layer that wait together go together: one round trip for many.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::{CacheKey, fetch::Job};

/// Keys in one read at most.
const TOGETHER: usize = 128;

/// A thread always uses the same lane, and a lane has one read under way at a time: what is asked for meanwhile waits, and
/// goes as the next one. A lone key goes at once.
pub(crate) struct Lanes<K: CacheKey>(Box<[Lane<K>]>);

struct Lane<K: CacheKey>(Mutex<State<K>>);

struct State<K: CacheKey> {
    waiting: Vec<Job<K>>,
    /// Whether somebody is reading, and will come back for those who wait.
    busy: bool,
}

impl<K: CacheKey> Lanes<K> {
    pub(crate) fn new() -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(64);
        let lane = || Lane(Mutex::new(State { waiting: Vec::new(), busy: false }));
        Self(std::iter::repeat_with(lane).take(count).collect())
    }

    /// Puts jobs into the lane of this thread. Returns its number, if somebody is needed to read.
    pub(crate) fn board(&self, jobs: Vec<Job<K>>) -> Option<usize> {
        let number = seat() % self.0.len();
        let mut state = self.0.get(number)?.lock();
        state.waiting.extend(jobs);
        (!std::mem::replace(&mut state.busy, true)).then_some(number)
    }

    /// Takes those who wait. `None`: nobody does, and whoever comes next begins anew.
    pub(crate) fn take(&self, number: usize) -> Option<Vec<Job<K>>> {
        let mut state = self.0.get(number)?.lock();
        if state.waiting.is_empty() {
            state.busy = false;
            return None;
        }
        let rest = state.waiting.len().min(TOGETHER);
        let rest = state.waiting.split_off(rest);
        Some(std::mem::replace(&mut state.waiting, rest))
    }

    /// Whoever read is gone without having come back: those who wait are told so, by being dropped.
    pub(crate) fn abandon(&self, number: usize) {
        if let Some(lane) = self.0.get(number) {
            let mut state = lane.lock();
            state.busy = false;
            let lost = std::mem::take(&mut state.waiting);
            drop(state);
            drop(lost);
        }
    }
}

impl<K: CacheKey> Lane<K> {
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of this thread: they count up from 0.
fn seat() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static SEAT: usize = NEXT.fetch_add(1, Relaxed); }
    SEAT.with(|seat| *seat)
}
