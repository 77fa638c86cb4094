//! The writer of [`super`]: lock, load, invalidate while writing rows, commit, finish.

use super::{B, CoreModel, Mutant, Replicated, State, Violation};
use crate::{CartKey, Tick, TokenId, Version, writer_token};

/// How far the invalidation of the cart's key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalidation {
    /// Not sent yet.
    NotSent,
    /// The primary holds the token, or holds nothing any more.
    Executed {
        /// When the primary answered. Counting B from when the request was *sent* would be too early.
        at: Tick,
        /// Whether the replica has applied it: `WAIT` returned enough.
        acknowledged: bool,
    },
}

/// Where a writer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriterPhase {
    /// Its transaction is open, or about to be.
    Working,
    /// It has committed this version and has yet to put it into Redis. Never getting there is a crash.
    Finishing(Version),
    /// It has finished, crashed, or never existed.
    Done,
}

/// A writer, which writes once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    /// Where it stands.
    pub phase: WriterPhase,
    /// The version it loaded and is going to count up.
    pub loaded: Option<Version>,
    /// Whether its rows are written, not yet committed.
    pub rows_written: bool,
    /// Its token in Redis.
    pub invalidation: Invalidation,
}

impl Writer {
    pub(super) const fn new(exists: bool) -> Self {
        Self {
            phase: if exists { WriterPhase::Working } else { WriterPhase::Done },
            loaded: None,
            rows_written: false,
            invalidation: Invalidation::NotSent,
        }
    }

    /// Whether it has just committed, with the acknowledgement of the replica or without.
    pub(super) fn has_committed(&self, with_acknowledgement: bool) -> bool {
        matches!(
            (self.phase, self.invalidation),
            (WriterPhase::Finishing(_), Invalidation::Executed { acknowledged, .. })
                if acknowledged == with_acknowledgement
        )
    }

    /// Whether no replica that still shows the old value would be believed.
    fn is_settled(&self, now: Tick) -> bool {
        match self.invalidation {
            Invalidation::NotSent => false,
            Invalidation::Executed { at, acknowledged } => acknowledged || now >= at + B,
        }
    }

    /// What matters no longer is forgotten, so that equal futures are one state.
    fn finished() -> Self {
        Self::new(false)
    }
}

/// The replica has applied a token.
pub(super) fn acknowledge(writers: &mut [Writer], applied: TokenId) {
    for (number, writer) in writers.iter_mut().enumerate() {
        if let Invalidation::Executed { acknowledged, .. } = &mut writer.invalidation
            && writer.phase == WriterPhase::Working
            && writer_token(number) == applied
        {
            *acknowledged = true;
        }
    }
}

/// A step of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterStep {
    /// Take the cart's lock, in a statement of its own.
    Lock,
    /// Load the cart, in a later statement.
    Load,
    /// `SET` the key to the writer's token; or `DEL` it, and `SET` a mark.
    Invalidate,
    /// Write the rows; nobody sees them before the commit.
    WriteRows,
    /// Commit, which frees the lock.
    Commit,
    /// Compare-and-set the key from the token to the new document.
    Finish,
    /// Crash, or give up: the database rolls back and frees the lock.
    Crash,
}

impl CoreModel {
    pub(super) fn writer_steps(&self, state: &State, me: usize, mut can: impl FnMut(WriterStep)) {
        let writer = &state.writers[me];
        match writer.phase {
            WriterPhase::Done => return,
            WriterPhase::Finishing(_) if state.primary_restarted => return,
            WriterPhase::Finishing(_) => return can(WriterStep::Finish),
            WriterPhase::Working => {}
        }
        let locked = state.exclusive_lock == Some(me);
        let settled = writer.is_settled(state.now);
        let invalidates_early = self.is(Mutant::InvalidateBeforeLock);
        let loads_early = self.is(Mutant::LoadBeforeLock);
        let may_lock = (!invalidates_early || settled) && (!loads_early || writer.loaded.is_some());
        if !locked && may_lock && state.lock_is_free() {
            can(WriterStep::Lock);
        }
        if writer.loaded.is_none() && (locked || loads_early) {
            can(WriterStep::Load);
        }
        let may_invalidate = if invalidates_early { !locked } else { locked && writer.loaded.is_some() };
        if may_invalidate && writer.invalidation == Invalidation::NotSent && !state.primary_restarted {
            can(WriterStep::Invalidate);
        }
        // Beside the invalidation, in either order: only the commit waits for both.
        if locked && writer.loaded.is_some() && !writer.rows_written {
            can(WriterStep::WriteRows);
        }
        let waits = !self.is(Mutant::CommitWithoutWaiting);
        let invalidated = writer.invalidation != Invalidation::NotSent;
        if locked && writer.rows_written && invalidated && (settled || !waits) {
            can(WriterStep::Commit);
        }
        if locked {
            can(WriterStep::Crash);
        }
    }

    /// `DEL` of a key that is not there is not replicated. Says whether there is nothing to wait for.
    fn remove(&self, state: &mut State, me: usize) -> bool {
        let absent = state.primary.cart == CartKey::Absent;
        if !absent {
            state.set_cart(CartKey::Absent);
        }
        if absent && self.is(Mutant::RemoveWithoutMark) {
            return true;
        }
        state.replication_log.push(Replicated::Mark(writer_token(me)));
        false
    }

    pub(super) fn writer_step(&self, state: &mut State, me: usize, step: WriterStep) {
        match step {
            WriterStep::Lock => state.exclusive_lock = Some(me),
            WriterStep::Load => state.writers[me].loaded = Some(state.database_version),
            WriterStep::Invalidate => {
                let acknowledged = me < self.removers && self.remove(state, me);
                if me >= self.removers {
                    state.set_cart(CartKey::Token(writer_token(me)));
                }
                state.writers[me].invalidation = Invalidation::Executed { at: state.now, acknowledged };
            }
            WriterStep::WriteRows => state.writers[me].rows_written = true,
            WriterStep::Commit => {
                let version = state.writers[me].loaded.map_or(0, |loaded| loaded + 1);
                if version <= state.database_version {
                    state.violation = Some(Violation::LostUpdate);
                }
                state.database_version = version;
                state.exclusive_lock = None;
                state.writers[me].phase = WriterPhase::Finishing(version);
            }
            WriterStep::Finish => {
                let WriterPhase::Finishing(version) = state.writers[me].phase else { return };
                let mut cart = state.primary.cart;
                if cart.replace_token(writer_token(me), version) || self.is(Mutant::UnconditionalFinish) {
                    state.set_cart(CartKey::Document(version));
                }
                state.writers[me] = Writer::finished();
            }
            WriterStep::Crash => {
                state.exclusive_lock = None;
                state.writers[me] = Writer::finished();
            }
        }
    }
}
