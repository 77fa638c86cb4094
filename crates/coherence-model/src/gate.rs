//! Epochs: closing the gate, writing without Redis, opening under a new namespace.
//!
//! One cart. Every epoch has a namespace of its own, so what an epoch's key holds is an element of
//! [`State::namespaces`]; that two epochs may live on one Redis process or on two makes no difference,
//! which is the point. Readers and writers are nodes of their own and read the primary only.
//!
//! A writer measures D from when *it* first saw the gate closed. That is never earlier than the
//! closing, so no lease handed out before outlives the wait. The clock belongs to one closing: a node
//! that missed an opening in between must start anew, which is why a closed gate still names the
//! epoch it ended.

mod reader;
mod state;
mod writer;

pub use self::reader::{Reader, ReaderPhase};
pub use self::state::{Action, State};
pub use self::writer::{Writer, WriterPhase};

use crate::{CartKey, Tick};
use stateright::{Model, Property};

/// How long a node may believe the row it polled, counted from when it asked.
pub const D: Tick = 1;

/// Numbered from zero; also the index of the epoch's namespace.
pub type Epoch = usize;

const EPOCHS: usize = 3;

/// The gate's row in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Carts are cached under this epoch.
    Open(Epoch),
    /// Carts are not cached since this epoch ended.
    Closed(Epoch),
}

/// A rule left out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A writer loads the gate before it has the cart's lock.
    GateBeforeLock,
    /// A writer that finds the gate closed commits at once.
    NoWaitOnClose,
    /// A writer counts D from the first time it ever saw the gate closed, whichever closing it was.
    WaitOfAnEarlierClosing,
    /// The next epoch uses the old namespace, on a primary which holds the cart as it once was.
    NoNamespace,
    /// A reader believes the row it polled for ever.
    NoLease,
    /// The gate goes from one epoch to the next without being closed.
    DirectSwitch,
    /// A node reconnects to whatever process answers under the primary's address.
    ConnectionNotBoundToRun,
}

/// The sizes of the space to explore, and what is wrong in it.
#[derive(Clone, Copy, Debug)]
pub struct GateModel {
    /// How many writers, at most two; each commits once.
    pub writers: usize,
    /// How many readers, at most two.
    pub readers: usize,
    /// How often each reader reads.
    pub reads: u8,
    /// How often the gate may be closed, at most twice.
    pub closings: usize,
    /// Whether the first epoch's primary may restart from an old dump.
    pub primary_restarts: bool,
    /// The rule left out, if any.
    pub mutant: Option<Mutant>,
}

impl GateModel {
    /// The protocol as it is meant, each reader reading once, the gate closing once.
    pub const fn new(writers: usize, readers: usize) -> Self {
        Self { writers, readers, reads: 1, closings: 1, primary_restarts: false, mutant: None }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The clock stops here: every closing takes D, and a write in it takes D again.
    const fn last_tick(&self) -> Tick {
        1 + self.closings as Tick
    }

    /// Whether a connection of this epoch still reaches the process it was opened to.
    fn reaches(&self, state: &State, epoch: Epoch) -> bool {
        epoch != 0 || !state.primary_restarted || self.is(Mutant::ConnectionNotBoundToRun)
    }
}

impl GateModel {
    fn gate_actions(&self, state: &State, actions: &mut Vec<Action>) {
        match state.gate {
            Gate::Open(epoch) if epoch < self.closings => actions.push(Action::Close),
            Gate::Open(_) => {}
            Gate::Closed(_) if state.now >= state.closed_at + D => actions.push(Action::Open),
            Gate::Closed(_) => {}
        }
        if self.primary_restarts && !state.primary_restarted {
            actions.push(Action::RestartPrimary);
        }
        for (epoch, cart) in state.namespaces.iter().enumerate() {
            if *cart != CartKey::Absent {
                actions.push(Action::Expire(epoch));
            }
        }
    }
}

impl Model for GateModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let old = CartKey::Document(0);
        let next = if self.is(Mutant::NoNamespace) { old } else { CartKey::Absent };
        vec![State {
            now: 0,
            database_version: 0,
            exclusive_lock: None,
            shared_locks: [false; 2],
            gate: Gate::Open(0),
            closed_at: 0,
            namespaces: [old, next, CartKey::Absent],
            primary_restarted: false,
            writers: std::array::from_fn(|writer| Writer {
                phase: if writer < self.writers { WriterPhase::Idle } else { WriterPhase::Done },
                first_saw_closed: None,
            }),
            readers: std::array::from_fn(|reader| Reader {
                phase: ReaderPhase::Idle,
                reads_left: if reader < self.readers { self.reads } else { 0 },
                view: Gate::Open(0),
                leased_at: 0,
                poll_in_flight: None,
            }),
            stale_read: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.stale_read {
            return;
        }
        if state.now < self.last_tick() {
            actions.push(Action::Tick);
        }
        self.gate_actions(state, actions);
        for writer in 0..self.writers {
            self.writer_actions(state, writer, actions);
        }
        for reader in 0..self.readers {
            self.reader_actions(state, reader, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match (action, state.gate) {
            (Action::Tick, _) => state.now += 1,
            (Action::Close, Gate::Open(epoch)) if self.is(Mutant::DirectSwitch) => state.open(epoch),
            (Action::Close, Gate::Open(epoch)) => {
                state.gate = Gate::Closed(epoch);
                state.closed_at = state.now;
            }
            (Action::Open, Gate::Closed(epoch)) => state.open(epoch),
            (Action::Close | Action::Open, _) => return None,
            (Action::Expire(epoch), _) => state.namespaces[epoch] = CartKey::Absent,
            (Action::RestartPrimary, _) => {
                state.namespaces[0] = CartKey::Document(0);
                state.primary_restarted = true;
            }
            (
                Action::Lock(me)
                | Action::LoadGate(me)
                | Action::Invalidate(me)
                | Action::Commit(me)
                | Action::Finish(me)
                | Action::Retry(me)
                | Action::Crash(me),
                _,
            ) => self.writer_step(&mut state, me, action),
            (
                Action::SendPoll(me)
                | Action::ReceivePoll(me)
                | Action::Start(me)
                | Action::AskRedis(me)
                | Action::Judge(me)
                | Action::AskDatabase(me)
                | Action::TrySharedLock(me)
                | Action::ReadDatabase(me)
                | Action::Fill(me),
                _,
            ) => self.reader_step(&mut state, me, action),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "a read never returns a version older than the newest one acknowledged before it started",
                |_, state: &State| !state.stale_read,
            ),
            Property::sometimes("Redis is believed in the second epoch", |model: &Self, state: &State| {
                (0..model.readers).any(|me| match state.readers[me].phase {
                    ReaderPhase::Answered { epoch: 1, cart: CartKey::Document(_), .. } => {
                        model.has_lease(state, me, 1)
                    }
                    _ => false,
                })
            }),
            Property::sometimes("a write needs no Redis while the gate is closed", |_, state: &State| {
                state.writers.iter().any(|writer| writer.phase == WriterPhase::DoneWhileClosed)
            }),
            Property::sometimes("an old value is left behind in the first epoch", |_, state: &State| {
                state.namespaces[0] == CartKey::Document(0) && state.database_version > 0
            }),
            Property::sometimes("a write spans the closing", |_, state: &State| {
                state.gate != Gate::Open(0)
                    && (state.writers.iter())
                        .any(|writer| matches!(writer.phase, WriterPhase::Finishing(0, _)))
            }),
        ]
    }
}
