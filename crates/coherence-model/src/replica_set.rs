//! Taking a replica out of the required set without closing the gate.
//!
//! The gate's row names the replicas whose acknowledgement a write needs. Readers read only from
//! replicas of the set in their leased view, so after a replica was taken out some reader may go on
//! reading from it for D. A writer that sees the smaller set therefore treats its write as not
//! acknowledged, and waits B, until D has passed since it first saw the change.
//!
//! Putting a replica **in** is another matter: a writer that loaded the smaller set may invalidate
//! and be acknowledged at any later time, so no wait by the reader helps. A set grows only with a new
//! epoch, whose namespace such a writer knows nothing of and nobody can fill while it holds the lock.
//!
//! The acknowledgements here are those of the set's own replicas. `WAIT` counts any; if more replicas
//! are attached than the set has, its count proves nothing.

mod state;

pub use self::state::{Action, Reader, Replica, Replicated, State, Writer};

use crate::{CartKey, Tick, Version, writer_token};
use stateright::{Model, Property};

/// The bound B of [`crate::core`].
pub const B: Tick = 1;

/// The lease D of [`crate::gate`]; really much longer than B.
pub const D: Tick = 1;

const LAST_TICK: Tick = 2;

/// Which of the two replicas belong to the set.
pub type ReplicaSet = [bool; 2];

const SMALL: ReplicaSet = [true, false];
const BOTH: ReplicaSet = [true, true];

/// A rule left out of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A writer takes the smaller set's acknowledgement at its word as soon as it sees that set.
    ShrunkSetUsedAtOnce,
    /// As many acknowledgements as the set has replicas will do, from whichever replica.
    AnyReplicaAcknowledges,
    /// A replica is put into the set without a new epoch.
    GrownWithoutNewEpoch,
}

/// The protocol, or a mutant of it: one writer, one reader, two replicas, one change of the set.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplicaSetModel {
    /// The rule left out, if any.
    pub mutant: Option<Mutant>,
}

impl ReplicaSetModel {
    fn is(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn is_acknowledged(self, state: &State, required: ReplicaSet, first_seen: Option<Tick>) -> bool {
        let token = Replicated::Cart(CartKey::Token(writer_token(0)));
        let applied = state.replicas.each_ref().map(|replica| !replica.replication_log.contains(&token));
        let count = |set: ReplicaSet| set.iter().filter(|member| **member).count();
        let enough = if self.is(Mutant::AnyReplicaAcknowledges) {
            count(applied) >= count(required)
        } else {
            required.iter().zip(applied).all(|(needed, applied)| !needed || applied)
        };
        let leases_ended = first_seen.is_none_or(|seen| state.now >= seen + D);
        enough && (leases_ended || self.is(Mutant::ShrunkSetUsedAtOnce))
    }

    fn serve(state: &mut State, floor: Version, version: Version) {
        state.stale_read = version < floor;
        state.reader = Reader::Done;
    }
}

fn is_believed(state: &State, replica: usize, heartbeat: Option<Tick>) -> bool {
    let leased = state.view[replica] && state.now < state.leased_at + D;
    leased && heartbeat.is_some_and(|sent| state.now < sent + B)
}

impl Model for ReplicaSetModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let required = if self.is(Mutant::GrownWithoutNewEpoch) { SMALL } else { BOTH };
        let replica = Replica { replication_log: Vec::new(), cart: CartKey::Document(0), heartbeat: None };
        vec![State {
            now: 0,
            database_version: 0,
            required,
            changed: false,
            replicas: [replica.clone(), replica],
            heartbeat_in_flight: None,
            last_heartbeat: None,
            writer: Writer::Locked,
            reader: Reader::Idle,
            view: required,
            leased_at: 0,
            poll_in_flight: None,
            stale_read: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // Once the read has returned nothing can go wrong any more.
        if state.reader == Reader::Done {
            return;
        }
        if state.now < LAST_TICK {
            actions.push(Action::Tick);
        }
        if state.heartbeat_in_flight.is_some() {
            actions.push(Action::ExecuteHeartbeat);
        } else if state.last_heartbeat < Some(state.now) {
            actions.push(Action::SendHeartbeat);
        }
        for (number, replica) in state.replicas.iter().enumerate() {
            if !replica.replication_log.is_empty() {
                actions.push(Action::Replicate(number));
            }
        }
        if !state.changed {
            actions.push(Action::ChangeSet);
        }
        match state.writer {
            Writer::Locked => actions.push(Action::Load),
            Writer::Loaded { .. } => actions.push(Action::Invalidate),
            Writer::Invalidated { required, first_seen, at } => {
                if self.is_acknowledged(state, required, first_seen) {
                    actions.push(Action::Commit(true));
                } else if state.now >= at + B {
                    actions.push(Action::Commit(false));
                }
            }
            Writer::Committed { .. } => {}
        }
        match state.poll_in_flight {
            Some(_) => actions.push(Action::ReceivePoll),
            None if state.view != state.required || state.leased_at < state.now => {
                actions.push(Action::SendPoll);
            }
            None => {}
        }
        match state.reader {
            Reader::Idle => actions.push(Action::Start),
            Reader::Started { .. } => {
                let readable = (0..state.view.len()).filter(|replica| state.view[*replica]);
                actions.extend(readable.map(Action::AskReplica));
            }
            Reader::Answered { .. } => actions.push(Action::Judge),
            Reader::Done => {}
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
                let heartbeat = Replicated::Heartbeat(state.heartbeat_in_flight.take()?);
                for replica in &mut state.replicas {
                    replica.replication_log.push(heartbeat);
                }
            }
            Action::Replicate(number) => {
                let replica = &mut state.replicas[number];
                match replica.replication_log.remove(0) {
                    Replicated::Cart(cart) => replica.cart = cart,
                    Replicated::Heartbeat(sent) => replica.heartbeat = Some(sent),
                }
            }
            Action::ChangeSet => {
                state.required = if state.required == BOTH { SMALL } else { BOTH };
                state.changed = true;
            }
            Action::Load => {
                let first_seen = state.changed.then_some(state.now);
                state.writer = Writer::Loaded { required: state.required, first_seen };
            }
            Action::Invalidate => {
                let Writer::Loaded { required, first_seen } = state.writer else { return None };
                let token = Replicated::Cart(CartKey::Token(writer_token(0)));
                for replica in &mut state.replicas {
                    replica.replication_log.push(token);
                }
                state.writer = Writer::Invalidated { required, first_seen, at: state.now };
            }
            Action::Commit(acknowledged) => {
                state.database_version += 1;
                state.writer = Writer::Committed { acknowledged };
            }
            Action::SendPoll => state.poll_in_flight = Some(state.now),
            Action::ReceivePoll => {
                state.leased_at = state.poll_in_flight.take()?;
                state.view = state.required;
            }
            Action::Start => state.reader = Reader::Started { floor: state.database_version },
            Action::AskReplica(replica) => {
                let Reader::Started { floor } = state.reader else { return None };
                let Replica { cart, heartbeat, .. } = state.replicas[replica];
                match cart {
                    CartKey::Document(version) => {
                        state.reader = Reader::Answered { floor, version, replica, heartbeat };
                    }
                    _ => Self::serve(&mut state, floor, last.database_version),
                }
            }
            Action::Judge => {
                let Reader::Answered { floor, version, replica, heartbeat } = state.reader else {
                    return None;
                };
                let believed = is_believed(&state, replica, heartbeat);
                let served = if believed { version } else { state.database_version };
                Self::serve(&mut state, floor, served);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "a read never returns a version older than the newest one acknowledged before it started",
                |_, state: &State| !state.stale_read,
            ),
            Property::sometimes("a replica no longer in the set is believed", |_, state: &State| match state
                .reader
            {
                Reader::Answered { replica, heartbeat, .. } => {
                    !state.required[replica] && is_believed(state, replica, heartbeat)
                }
                _ => false,
            }),
            Property::sometimes("the smaller set acknowledges alone", |_, state: &State| {
                let token = Replicated::Cart(CartKey::Token(writer_token(0)));
                state.writer == Writer::Committed { acknowledged: true }
                    && state.replicas[1].replication_log.contains(&token)
            }),
            Property::sometimes("a write waits B", |_, state: &State| {
                state.writer == Writer::Committed { acknowledged: false }
            }),
        ]
    }
}
