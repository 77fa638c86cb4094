//! The reader of [`super`]: replica, then primary, then database, then perhaps a fill.

use super::{B, CoreModel, Dataset, Mutant, State, Violation};
use crate::{CartKey, Tick, TokenId, Version, reader_token};

/// A replica's answer to one request for the heartbeat and the cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// What the replica held.
    pub dataset: Dataset,
    /// When the connection it came over was opened, if the replica has restarted since the start.
    pub connected: Option<Tick>,
}

/// Where a read stands. `floor` is the newest version acknowledged when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Not reading.
    Idle,
    /// It has begun.
    Started { floor: Version },
    /// Only in a mutant: the heartbeat was fresh, the cart is asked for next.
    FoundFresh { floor: Version },
    /// The replica has answered, and has yet to be believed.
    Answered { floor: Version, answer: Answer },
    /// The replica was no help.
    AtPrimary { floor: Version },
    /// The key holds this token: the read's own, or one that was found there.
    TokenPlaced { floor: Version, token: TokenId },
    /// It holds the cart's lock shared as well.
    SharedLocked { floor: Version, token: TokenId },
    /// It has returned; the fill is on its way.
    Filling { token: TokenId, version: Version },
}

/// A reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    phase: Phase,
    reads_left: u8,
}

impl Reader {
    pub(super) const fn new(reads_left: u8) -> Self {
        Self { phase: Phase::Idle, reads_left }
    }

    /// Whether it is about to serve what a replica answered.
    pub(super) fn is_believing(&self, model: &CoreModel, now: Tick) -> bool {
        matches!(self.phase, Phase::Answered { answer, .. } if model.believed(answer, now).is_some())
    }
}

/// A step of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderStep {
    /// A read begins.
    Start,
    /// `MGET` of heartbeat and cart on the replica.
    AskReplica,
    /// Only in a mutant: the heartbeat alone.
    AskHeartbeat,
    /// Look at the clock: serve the replica's answer, or go on to the primary.
    Judge,
    /// `SET … NX GET` on the primary: serve a document, or leave a token, or take the one that is there.
    AskPrimary,
    /// Try the cart's lock, shared; a writer at work means reading the database without filling.
    TrySharedLock,
    /// Read the database in a second statement, and commit.
    ReadDatabase,
    /// Compare-and-set the key from the token to what it read.
    Fill,
    /// The fill never arrives.
    LoseFill,
}

impl CoreModel {
    /// The version of an answer from a replica that is fresh enough, and is a document.
    fn believed(&self, answer: Answer, now: Tick) -> Option<Version> {
        let CartKey::Document(version) = answer.dataset.cart else { return None };
        self.is_fresh(answer, now).then_some(version)
    }

    fn is_fresh(&self, answer: Answer, now: Tick) -> bool {
        let Some(sent) = answer.dataset.heartbeat else { return false };
        // A replica that restarted from a dump may show a heartbeat that is young and yet from
        // before something it acknowledged. One sent over after the connection was opened proves that
        // this run of the replica has caught up.
        let since_connected = answer.connected.is_none_or(|connected| sent > connected);
        now < sent + B && (since_connected || self.is(Mutant::HeartbeatOlderThanConnection))
    }

    pub(super) fn reader_steps(&self, state: &State, me: usize, mut can: impl FnMut(ReaderStep)) {
        let reader = &state.readers[me];
        match reader.phase {
            Phase::Idle if reader.reads_left > 0 => can(ReaderStep::Start),
            Phase::Idle => {}
            Phase::Started { .. } => {
                if self.is(Mutant::FreshnessInSeparateRequest) {
                    can(ReaderStep::AskHeartbeat);
                } else {
                    can(ReaderStep::AskReplica);
                }
                can(ReaderStep::AskPrimary);
            }
            Phase::FoundFresh { .. } => can(ReaderStep::AskReplica),
            Phase::Answered { .. } => can(ReaderStep::Judge),
            Phase::AtPrimary { .. } => can(ReaderStep::AskPrimary),
            Phase::TokenPlaced { .. } => can(ReaderStep::TrySharedLock),
            Phase::SharedLocked { .. } => can(ReaderStep::ReadDatabase),
            Phase::Filling { .. } => {
                if !state.primary_restarted {
                    can(ReaderStep::Fill);
                }
                can(ReaderStep::LoseFill);
            }
        }
    }

    pub(super) fn reader_step(&self, state: &mut State, me: usize, step: ReaderStep) {
        let answer = Answer { dataset: state.replica, connected: state.replica_restarted };
        match (step, state.readers[me].phase) {
            (ReaderStep::Start, _) => {
                state.readers[me].phase = Phase::Started { floor: state.database_version };
            }
            (ReaderStep::AskHeartbeat, Phase::Started { floor }) => {
                state.readers[me].phase = if self.is_fresh(answer, state.now) {
                    Phase::FoundFresh { floor }
                } else {
                    Phase::AtPrimary { floor }
                };
            }
            (ReaderStep::AskReplica, Phase::FoundFresh { floor }) => match answer.dataset.cart {
                CartKey::Document(version) => serve(state, me, floor, version),
                _ => state.readers[me].phase = Phase::AtPrimary { floor },
            },
            (ReaderStep::AskReplica, Phase::Started { floor }) => {
                state.readers[me].phase = Phase::Answered { floor, answer };
            }
            (ReaderStep::Judge, Phase::Answered { floor, answer }) => {
                match self.believed(answer, state.now) {
                    Some(version) => serve(state, me, floor, version),
                    None => state.readers[me].phase = Phase::AtPrimary { floor },
                }
            }
            (ReaderStep::AskPrimary, Phase::Started { floor } | Phase::AtPrimary { floor }) => {
                self.ask_primary(state, me, floor);
            }
            (ReaderStep::TrySharedLock, Phase::TokenPlaced { floor, token }) => {
                if self.is(Mutant::FillWithoutSharedLock) {
                    read_to_fill(state, me, floor, token);
                } else if state.exclusive_lock.is_none() {
                    state.shared_locks[me] = true;
                    state.readers[me].phase = Phase::SharedLocked { floor, token };
                } else {
                    serve(state, me, floor, state.database_version);
                }
            }
            (ReaderStep::ReadDatabase, Phase::SharedLocked { floor, token }) => {
                state.shared_locks[me] = false;
                read_to_fill(state, me, floor, token);
            }
            (ReaderStep::Fill, Phase::Filling { token, version }) => {
                let mut cart = state.primary.cart;
                if cart.replace_token(token, version) || self.is(Mutant::UnconditionalFill) {
                    state.set_cart(CartKey::Document(version));
                }
                state.readers[me].phase = Phase::Idle;
            }
            _ => state.readers[me].phase = Phase::Idle,
        }
    }

    fn ask_primary(&self, state: &mut State, me: usize, floor: Version) {
        match state.primary.cart {
            // The connection is bound to the run id: a restarted primary is not asked.
            _ if state.primary_restarted => serve(state, me, floor, state.database_version),
            CartKey::Document(version) => serve(state, me, floor, version),
            // Somebody's token is as good as one's own: under the shared lock, its writer is done.
            CartKey::Token(token) => state.readers[me].phase = Phase::TokenPlaced { floor, token },
            CartKey::Absent => {
                let token = reader_token(me, state.readers[me].reads_left);
                state.set_cart(CartKey::Token(token));
                state.readers[me].phase = Phase::TokenPlaced { floor, token };
            }
        }
    }
}

/// Reads the database, returns that, and goes on to fill.
fn read_to_fill(state: &mut State, me: usize, floor: Version, token: TokenId) {
    let version = state.database_version;
    serve(state, me, floor, version);
    state.readers[me].phase = Phase::Filling { token, version };
}

/// The read returns.
fn serve(state: &mut State, me: usize, floor: Version, version: Version) {
    if version < floor {
        state.violation = Some(Violation::StaleRead);
    }
    let reader = &mut state.readers[me];
    reader.reads_left -= 1;
    reader.phase = Phase::Idle;
}
