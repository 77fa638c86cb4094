//! What this node knows of the gate, and for how long it may believe it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use cartwright_domain::{Gate, OpenGate};

/// How long an answer of the database about the gate may be believed, from when it was asked for.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// Clocks of two machines need not run at quite the same speed.
pub(crate) const MARGIN: Duration = Duration::from_millis(100);

/// The gate as last seen.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) epoch: i64,
    pub(crate) open: Option<Opening>,
    lease_until: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) gate: OpenGate,
    pub(crate) namespace: Arc<str>,
}

impl View {
    /// The opening, while it may be believed.
    pub(crate) fn usable(&self) -> Option<&Opening> {
        let until = self.lease_until?;
        self.open.as_ref().filter(|_| Instant::now() < until)
    }
}

#[derive(Debug)]
pub(crate) struct Views {
    current: ArcSwap<View>,
    /// The closing that was seen last, by its epoch, and when it was first seen.
    closed: Mutex<Option<(i64, Instant)>>,
}

impl Views {
    pub(crate) fn new() -> Self {
        Self {
            current: ArcSwap::from_pointee(View { epoch: -1, open: None, lease_until: None }),
            closed: Mutex::new(None),
        }
    }

    pub(crate) fn current(&self) -> Arc<View> {
        self.current.load_full()
    }

    /// Whether what was read under `view` may be served now: same opening, and the lease still runs.
    pub(crate) fn still(&self, view: &View) -> bool {
        let now = self.current.load();
        now.epoch == view.epoch && now.usable().is_some()
    }

    pub(crate) fn observe(&self, gate: &Gate, asked: Instant) {
        let current = self.current.load();
        if gate.epoch < current.epoch {
            return; // an answer that was overtaken
        }
        if gate.open().is_none() {
            self.closed_since(gate.epoch);
        }
        let open = gate
            .open()
            .map(|open| Opening { gate: open.clone(), namespace: Arc::from(open.namespace.as_str()) });
        self.current.store(Arc::new(View { epoch: gate.epoch, open, lease_until: Some(asked + LEASE) }));
    }

    /// How much longer somebody may believe in the opening before this closing.
    pub(crate) fn closed_wait(&self, epoch: i64) -> Duration {
        (LEASE + MARGIN).saturating_sub(self.closed_since(epoch).elapsed())
    }

    /// Measured on this node's own clock, from when it first saw this very closing.
    fn closed_since(&self, epoch: i64) -> Instant {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        match *closed {
            Some((seen, since)) if seen == epoch => since,
            Some((seen, since)) if seen > epoch => since, // asked about an older closing: later is safe
            _ => {
                let now = Instant::now();
                *closed = Some((epoch, now));
                now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{GateState, ReadSet};

    use super::*;

    fn open(epoch: i64) -> Gate {
        let gate = OpenGate {
            namespace: format!("n{epoch}"),
            primary: "p".to_owned(),
            replicas: ReadSet::default(),
            previous: None,
        };
        Gate { epoch, state: GateState::Open(gate) }
    }

    #[test]
    fn a_lease_counts_from_the_question() {
        let views = Views::new();
        assert!(views.current().usable().is_none());
        views.observe(&open(1), Instant::now());
        let first = views.current();
        assert!(views.still(&first));
        views.observe(&open(3), Instant::now());
        assert!(!views.still(&first), "another opening");
        views.observe(&open(1), Instant::now());
        assert_eq!(views.current().epoch, 3, "an answer that was overtaken changes nothing");
        views.observe(&open(3), Instant::now().checked_sub(LEASE).unwrap());
        assert!(views.current().usable().is_none(), "the answer took too long");
    }

    #[test]
    fn each_closing_is_waited_for_from_when_it_was_first_seen() {
        let views = Views::new();
        views.observe(&Gate { epoch: 2, state: GateState::Closed { may_open: true } }, Instant::now());
        let wait = views.closed_wait(2);
        assert!(wait > LEASE && wait <= LEASE + MARGIN);
        assert!(views.closed_wait(4) > LEASE, "a later closing starts anew");
    }
}
