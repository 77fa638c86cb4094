//! The reader of [`super`], and the view of the gate that its node polls.

use super::{Action, D, Epoch, Gate, GateModel, Mutant, State};
use crate::{CartKey, Tick, TokenId, Version, reader_token};

/// Where a read stands. `floor` is the newest version acknowledged when it started.
#[expect(missing_docs, reason = "the fields are named as in the protocol")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReaderPhase {
    /// It has yet to begin, or has ended.
    Idle,
    /// It has begun.
    Started { floor: Version },
    /// The epoch's key held this, and the lease has yet to be looked at.
    Answered { floor: Version, epoch: Epoch, cart: CartKey },
    /// The key was absent and now holds this read's token.
    TokenPlaced { floor: Version, epoch: Epoch, token: TokenId },
    /// It holds the cart's lock shared as well.
    SharedLocked { floor: Version, epoch: Epoch, token: TokenId },
    /// It has returned; the fill is on its way.
    Filling { epoch: Epoch, token: TokenId, version: Version },
}

/// A reader and its node's view of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    /// Where its read stands.
    pub phase: ReaderPhase,
    /// How many reads it has yet to end.
    pub reads_left: u8,
    /// The row as polled.
    pub view: Gate,
    /// When that poll was sent: the lease ends D later.
    pub leased_at: Tick,
    /// A poll on its way, by its send time.
    pub poll_in_flight: Option<Tick>,
}

impl State {
    fn serve(&mut self, me: usize, floor: Version, version: Version) {
        self.stale_read |= version < floor;
        self.readers[me].reads_left -= 1;
        self.readers[me].phase = ReaderPhase::Idle;
    }

    fn serve_database(&mut self, me: usize, floor: Version) {
        self.serve(me, floor, self.database_version);
    }
}

impl GateModel {
    pub(super) fn reader_actions(&self, state: &State, me: usize, actions: &mut Vec<Action>) {
        let reader = &state.readers[me];
        // A poll that could bring nothing new, neither a view nor a longer lease, is left out.
        let worth_polling = reader.view != state.gate || reader.leased_at < state.now;
        match reader.poll_in_flight {
            Some(_) => actions.push(Action::ReceivePoll(me)),
            None if worth_polling && reader.reads_left > 0 => actions.push(Action::SendPoll(me)),
            None => {}
        }
        match reader.phase {
            ReaderPhase::Idle if reader.reads_left > 0 => actions.push(Action::Start(me)),
            ReaderPhase::Idle => {}
            ReaderPhase::Started { .. } => {
                if matches!(reader.view, Gate::Open(epoch) if self.reaches(state, epoch)) {
                    actions.push(Action::AskRedis(me));
                }
                actions.push(Action::AskDatabase(me));
            }
            ReaderPhase::Answered { .. } => actions.push(Action::Judge(me)),
            ReaderPhase::TokenPlaced { .. } => actions.push(Action::TrySharedLock(me)),
            ReaderPhase::SharedLocked { .. } => actions.push(Action::ReadDatabase(me)),
            ReaderPhase::Filling { epoch, .. } if self.reaches(state, epoch) => {
                actions.push(Action::Fill(me));
            }
            ReaderPhase::Filling { .. } => {}
        }
    }

    pub(super) fn has_lease(&self, state: &State, me: usize, epoch: Epoch) -> bool {
        let reader = &state.readers[me];
        let leased = reader.view == Gate::Open(epoch) && state.now < reader.leased_at + D;
        leased || self.is(Mutant::NoLease)
    }

    pub(super) fn reader_step(&self, state: &mut State, me: usize, action: Action) {
        match (action, state.readers[me].phase) {
            (Action::SendPoll(_), _) => state.readers[me].poll_in_flight = Some(state.now),
            (Action::ReceivePoll(_), _) => {
                let reader = &mut state.readers[me];
                if let Some(sent) = reader.poll_in_flight.take() {
                    reader.view = state.gate;
                    reader.leased_at = sent;
                }
            }
            (Action::Start(_), _) => {
                state.readers[me].phase = ReaderPhase::Started { floor: state.database_version };
            }
            (Action::AskRedis(_), ReaderPhase::Started { floor }) => {
                let Gate::Open(epoch) = state.readers[me].view else { return };
                let cart = state.namespaces[epoch];
                state.readers[me].phase = if cart == CartKey::Absent {
                    let token = reader_token(me, state.readers[me].reads_left);
                    state.namespaces[epoch] = CartKey::Token(token);
                    ReaderPhase::TokenPlaced { floor, epoch, token }
                } else {
                    ReaderPhase::Answered { floor, epoch, cart }
                };
            }
            (Action::Judge(_), ReaderPhase::Answered { floor, epoch, cart }) => match cart {
                CartKey::Document(version) if self.has_lease(state, me, epoch) => {
                    state.serve(me, floor, version);
                }
                _ => state.serve_database(me, floor),
            },
            (Action::AskDatabase(_), ReaderPhase::Started { floor }) => state.serve_database(me, floor),
            (Action::TrySharedLock(_), ReaderPhase::TokenPlaced { floor, epoch, token }) => {
                if state.exclusive_lock.is_none() {
                    state.shared_locks[me] = true;
                    state.readers[me].phase = ReaderPhase::SharedLocked { floor, epoch, token };
                } else {
                    state.serve_database(me, floor);
                }
            }
            (Action::ReadDatabase(_), ReaderPhase::SharedLocked { floor, epoch, token }) => {
                let version = state.database_version;
                state.shared_locks[me] = false;
                state.serve_database(me, floor);
                state.readers[me].phase = ReaderPhase::Filling { epoch, token, version };
            }
            (Action::Fill(_), ReaderPhase::Filling { epoch, token, version }) => {
                state.namespaces[epoch].replace_token(token, version);
                state.readers[me].phase = ReaderPhase::Idle;
            }
            _ => {}
        }
    }
}
