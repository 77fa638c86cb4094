//! Lock, invalidate, commit, fill: one cart within one epoch, read from a primary and a replica.
//!
//! A read must never return a version older than the database held when it started, and two commits
//! must never make the same version. [`Restarts`] adds the restarts of Redis from a dump, which is
//! where a replica that acknowledged can later show less than it acknowledged.

mod reader;
mod state;
mod writer;

pub use self::reader::{Answer, Reader, ReaderStep};
pub use self::state::{Action, Dataset, Replicated, State, Violation};
pub use self::writer::{Invalidation, Writer, WriterPhase, WriterStep};

use crate::{CartKey, Tick};
use stateright::{Model, Property};

/// The bound B: how stale a believed replica may be, and how long an unacknowledged writer waits.
pub const B: Tick = 1;

/// The clock stops here. Three ticks leave room for a heartbeat, a wait of B and a read after it.
const LAST_TICK: Tick = 2;

/// A rule left out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A reader fills what it read without holding the shared lock.
    FillWithoutSharedLock,
    /// A writer invalidates, and even waits, before it takes the lock.
    InvalidateBeforeLock,
    /// A reader's fill is a plain `SET`.
    UnconditionalFill,
    /// A writer's document is a plain `SET`.
    UnconditionalFinish,
    /// A writer commits without acknowledgement and without waiting B.
    CommitWithoutWaiting,
    /// A writer that removes the key writes nothing else: `WAIT` then has nothing to wait for when the key was absent
    /// already, whatever the replica still holds.
    RemoveWithoutMark,
    /// A writer loads the cart before it has the lock.
    LoadBeforeLock,
    /// The heartbeat is asked for in a request of its own, before the cart. Harmless while replicas
    /// only move forward, wrong as soon as one restarts between the two requests.
    FreshnessInSeparateRequest,
    /// A heartbeat sent before the connection to the replica was opened is believed.
    HeartbeatOlderThanConnection,
    /// Heartbeats go on under the same key after the primary has restarted from a dump.
    HeartbeatWithoutNamespace,
}

/// Which part of Redis may restart, once, and from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// Nothing restarts.
    None,
    /// The replica restarts from a dump it took at any moment, then synchronises anew.
    Replica,
    /// The primary restarts from a dump which is at least B old; the replica follows it. Nobody
    /// talks to the restarted primary, whose run id belongs to no epoch.
    PrimaryFromOldDump,
    /// The primary restarts from a dump younger than B. **Not** covered by the protocol: see
    /// the test, and run a cache's Redis without persistence.
    PrimaryFromYoungDump,
}

/// The sizes of the space to explore, and what is wrong in it.
#[derive(Clone, Copy, Debug)]
pub struct CoreModel {
    /// How many writers, at most two; each writes once.
    pub writers: usize,
    /// How many of them, the first ones, remove the key instead of putting a token there, and store nothing afterwards.
    pub removers: usize,
    /// How many readers, at most two.
    pub readers: usize,
    /// How often each reader reads.
    pub reads: u8,
    /// What may restart.
    pub restarts: Restarts,
    /// The rule left out, if any.
    pub mutant: Option<Mutant>,
}

impl CoreModel {
    /// The protocol as it is meant, each reader reading once.
    pub const fn new(writers: usize, readers: usize) -> Self {
        Self { writers, removers: 0, readers, reads: 1, restarts: Restarts::None, mutant: None }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

impl Model for CoreModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let dataset = Dataset { cart: CartKey::Document(0), heartbeat: None };
        vec![State {
            now: 0,
            database_version: 0,
            exclusive_lock: None,
            shared_locks: [false; 2],
            primary: dataset,
            replication_log: Vec::new(),
            replica: dataset,
            heartbeat_in_flight: None,
            last_heartbeat: None,
            writers: std::array::from_fn(|writer| Writer::new(writer < self.writers)),
            readers: std::array::from_fn(|reader| {
                Reader::new(if reader < self.readers { self.reads } else { 0 })
            }),
            dump: (dataset, None),
            primary_restarted: false,
            replica_restarted: None,
            violation: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.violation.is_some() {
            return;
        }
        if state.now < LAST_TICK {
            actions.push(Action::Tick);
        }
        // A node's connection is bound to the primary's run id, so heartbeats end with the run.
        let heartbeats = !state.primary_restarted || self.is(Mutant::HeartbeatWithoutNamespace);
        if heartbeats && state.heartbeat_in_flight.is_some() {
            actions.push(Action::ExecuteHeartbeat);
        } else if heartbeats && state.last_heartbeat < Some(state.now) {
            actions.push(Action::SendHeartbeat);
        }
        if !state.replication_log.is_empty() {
            actions.push(Action::Replicate);
        }
        if state.primary.cart != CartKey::Absent {
            actions.push(Action::Expire);
        }
        let restarted = state.primary_restarted || state.replica_restarted.is_some();
        if self.restarts != Restarts::None && !restarted {
            if state.dump.1.is_none() {
                actions.push(Action::SaveDump);
            }
            let old = state.dump.1.is_none_or(|saved| state.now >= saved + B);
            if old || self.restarts != Restarts::PrimaryFromOldDump {
                actions.push(Action::Restart);
            }
        }
        for writer in 0..self.writers {
            self.writer_steps(state, writer, |step| actions.push(Action::Writer(writer, step)));
        }
        for reader in 0..self.readers {
            self.reader_steps(state, reader, |step| actions.push(Action::Reader(reader, step)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.now += 1,
            Action::SendHeartbeat => {
                state.heartbeat_in_flight = Some(state.now);
                state.last_heartbeat = Some(state.now);
            }
            Action::ExecuteHeartbeat => {
                if let Some(sent) = state.heartbeat_in_flight.take() {
                    state.primary.heartbeat = Some(sent);
                    state.replication_log.push(Replicated::Heartbeat(sent));
                }
            }
            Action::Replicate => state.replicate(),
            Action::Expire => state.set_cart(CartKey::Absent),
            Action::SaveDump => {
                let of_replica = self.restarts == Restarts::Replica;
                let dataset = if of_replica { state.replica } else { state.primary };
                state.dump = (dataset, Some(state.now));
            }
            Action::Restart => {
                if self.restarts == Restarts::Replica {
                    state.replica = state.dump.0;
                    state.replica_restarted = Some(state.now);
                } else {
                    state.primary = state.dump.0;
                    state.primary_restarted = true;
                }
                // Either way the replica will be given everything the primary has now.
                state.replication_log = vec![Replicated::Snapshot(state.primary)];
            }
            Action::Writer(writer, step) => self.writer_step(&mut state, writer, step),
            Action::Reader(reader, step) => self.reader_step(&mut state, reader, step),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "a read never returns a version older than the newest one acknowledged before it started",
                |_, state: &State| state.violation != Some(Violation::StaleRead),
            ),
            Property::always("every commit makes a new version", |_, state: &State| {
                state.violation != Some(Violation::LostUpdate)
            }),
            Property::sometimes("a replica is believed", |model: &Self, state: &State| {
                state.readers.iter().any(|reader| reader.is_believing(model, state.now))
            }),
            Property::sometimes("a fill succeeds", |_, state: &State| {
                state.replication_log.windows(2).any(|pair| {
                    matches!(pair, [Replicated::Cart(CartKey::Token(token)), Replicated::Cart(CartKey::Document(_))] if *token >= 10)
                })
            }),
            Property::sometimes("a commit is acknowledged by the replica", |_, state: &State| {
                state.writers.iter().any(|writer| writer.has_committed(true))
            }),
            Property::sometimes("a commit waits B instead", |_, state: &State| {
                state.writers.iter().any(|writer| writer.has_committed(false))
            }),
        ]
    }
}
