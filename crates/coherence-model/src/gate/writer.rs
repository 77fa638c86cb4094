//! The writer of [`super`]: lock, gate, then either Redis and the database or the database alone.

use super::{Action, D, Epoch, Gate, GateModel, Mutant, State};
use crate::{CartKey, Tick, Version, writer_token};

/// Where a writer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriterPhase {
    /// It has begun.
    Idle,
    /// Only in a mutant: it knows the gate and has no lock yet.
    KnowsGate(Gate),
    /// It holds the lock.
    Locked,
    /// It holds the lock and has loaded the gate, in a later statement.
    Decided(Gate),
    /// Its token is in the epoch's key.
    Invalidated(Epoch),
    /// It has committed and will put its document into the epoch's key.
    Finishing(Epoch, Version),
    /// It has finished or crashed.
    Done,
    /// It has committed without Redis.
    DoneWhileClosed,
}

/// A writer and what its node remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    /// Where it stands.
    pub phase: WriterPhase,
    /// Which closing it saw last, and when it saw that first.
    pub first_saw_closed: Option<(Epoch, Tick)>,
}

impl GateModel {
    pub(super) fn writer_actions(&self, state: &State, me: usize, actions: &mut Vec<Action>) {
        let lock_is_free = state.exclusive_lock.is_none() && !state.shared_locks.contains(&true);
        match state.writers[me].phase {
            WriterPhase::Idle if self.is(Mutant::GateBeforeLock) => actions.push(Action::LoadGate(me)),
            WriterPhase::Idle | WriterPhase::KnowsGate(_) => {
                if lock_is_free {
                    actions.push(Action::Lock(me));
                }
            }
            WriterPhase::Locked => actions.push(Action::LoadGate(me)),
            WriterPhase::Decided(Gate::Open(epoch)) => {
                if self.reaches(state, epoch) {
                    actions.push(Action::Invalidate(me));
                }
                actions.push(Action::Retry(me));
            }
            WriterPhase::Decided(Gate::Closed(_)) => {
                let waited = (state.writers[me].first_saw_closed).is_some_and(|(_, at)| state.now >= at + D);
                if waited || self.is(Mutant::NoWaitOnClose) {
                    actions.push(Action::Commit(me));
                }
                actions.push(Action::Retry(me));
            }
            WriterPhase::Invalidated(_) => actions.extend([Action::Commit(me), Action::Crash(me)]),
            WriterPhase::Finishing(epoch, _) if self.reaches(state, epoch) => {
                actions.push(Action::Finish(me));
            }
            WriterPhase::Finishing(..) | WriterPhase::Done | WriterPhase::DoneWhileClosed => {}
        }
    }

    pub(super) fn writer_step(&self, state: &mut State, me: usize, action: Action) {
        match (action, state.writers[me].phase) {
            (Action::Lock(_), phase) => {
                state.exclusive_lock = Some(me);
                state.writers[me].phase = match phase {
                    WriterPhase::KnowsGate(gate) => WriterPhase::Decided(gate),
                    _ => WriterPhase::Locked,
                };
            }
            (Action::LoadGate(_), _) => self.load_gate(state, me),
            (Action::Invalidate(_), WriterPhase::Decided(Gate::Open(epoch))) => {
                state.namespaces[epoch] = CartKey::Token(writer_token(me));
                state.writers[me].phase = WriterPhase::Invalidated(epoch);
            }
            (Action::Commit(_), _) => commit(state, me),
            (Action::Finish(_), WriterPhase::Finishing(epoch, version)) => {
                state.namespaces[epoch].replace_token(writer_token(me), version);
                state.writers[me].phase = WriterPhase::Done;
            }
            (Action::Retry(_), _) => {
                state.exclusive_lock = None;
                state.writers[me].phase = WriterPhase::Idle;
            }
            (Action::Crash(_), _) => {
                state.exclusive_lock = None;
                state.writers[me] = Writer { phase: WriterPhase::Done, first_saw_closed: None };
            }
            _ => {}
        }
    }

    fn load_gate(&self, state: &mut State, me: usize) {
        let (gate, now) = (state.gate, state.now);
        let writer = &mut state.writers[me];
        writer.phase = match writer.phase {
            WriterPhase::Locked => WriterPhase::Decided(gate),
            _ => WriterPhase::KnowsGate(gate),
        };
        if let Gate::Closed(epoch) = gate {
            let known = writer.first_saw_closed;
            let any_closing = self.is(Mutant::WaitOfAnEarlierClosing);
            if !known.is_some_and(|(closing, _)| closing == epoch || any_closing) {
                writer.first_saw_closed = Some((epoch, now));
            }
        }
    }
}

fn commit(state: &mut State, me: usize) {
    state.database_version += 1;
    state.exclusive_lock = None;
    let writer = &mut state.writers[me];
    writer.phase = match writer.phase {
        WriterPhase::Invalidated(epoch) => WriterPhase::Finishing(epoch, state.database_version),
        _ => WriterPhase::DoneWhileClosed,
    };
    writer.first_saw_closed = None;
}
