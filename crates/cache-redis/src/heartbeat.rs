//! A node's heartbeat on the primary, by which its replicas prove how fresh they are.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How old what a replica shows may be at most. A writer that is not sure of all replicas waits for as long.
pub(crate) const BOUND: Duration = Duration::from_millis(50);
/// What a writer waits more, because two clocks need not run at quite the same speed.
pub(crate) const BOUND_MARGIN: Duration = Duration::from_millis(5);
/// How often the heart beats.
pub(crate) const PERIOD: Duration = Duration::from_millis(15);
/// How many beats are remembered; what is older than all of them is not fresh anyway.
const REMEMBERED: usize = 64;

/// Remembers when each beat was sent.
#[derive(Debug)]
pub(crate) struct Beats {
    sent: Mutex<Sent>,
}

#[derive(Debug)]
struct Sent {
    next: u64,
    times: VecDeque<(u64, Instant)>,
}

impl Beats {
    pub(crate) fn new() -> Self {
        // A random start: a number of another process' life means nothing.
        let next = rand::random::<u64>() >> 2;
        Self { sent: Mutex::new(Sent { next, times: VecDeque::with_capacity(REMEMBERED + 1) }) }
    }

    /// The number of a beat that is sent after this call.
    pub(crate) fn next(&self) -> u64 {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let number = sent.next;
        sent.next += 1;
        sent.times.push_back((number, Instant::now()));
        if sent.times.len() > REMEMBERED {
            sent.times.pop_front();
        }
        number
    }

    /// When the beat was sent. `None`: not by this process, or too long ago.
    pub(crate) fn sent_at(&self, number: u64) -> Option<Instant> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.times.iter().rev().find(|(n, _)| *n == number).map(|(_, at)| *at)
    }
}

/// Whether a replica that shows a beat sent at `sent` is fresh enough, over a connection opened at `opened`.
///
/// A beat from before the connection proves nothing: the replica may have restarted from its own dump in between.
pub(crate) fn fresh(sent: Option<Instant>, opened: Instant) -> bool {
    sent.is_some_and(|sent| sent > opened && sent.elapsed() < BOUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_young_beats_that_came_after_the_connection_count() {
        let beats = Beats::new();
        let opened = Instant::now();
        let number = beats.next();
        let sent = beats.sent_at(number);
        assert!(fresh(sent, opened.checked_sub(Duration::from_millis(1)).unwrap()));
        assert!(!fresh(sent, Instant::now()), "older than the connection");
        assert!(!fresh(beats.sent_at(number + 1), opened), "never sent");
        assert!(!fresh(Instant::now().checked_sub(BOUND), opened.checked_sub(BOUND * 2).unwrap()), "too old");
    }
}
