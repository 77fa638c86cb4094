//! What there is in [`super`], and what can happen.

use super::{EPOCHS, Epoch, Gate, Reader, Writer};
use crate::{CartKey, Tick, Version};

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The clock.
    pub now: Tick,
    /// The committed version, which is also the newest acknowledged one.
    pub database_version: Version,
    /// The writer that holds the cart's lock.
    pub exclusive_lock: Option<usize>,
    /// The readers that hold the cart's lock shared.
    pub shared_locks: [bool; 2],
    /// The gate's row.
    pub gate: Gate,
    /// When it was last closed.
    pub closed_at: Tick,
    /// The cart's key in the namespace of every epoch.
    pub namespaces: [CartKey; EPOCHS],
    /// Whether the first epoch's primary has restarted.
    pub primary_restarted: bool,
    /// The writers.
    pub writers: [Writer; 2],
    /// The readers.
    pub readers: [Reader; 2],
    /// Whether a read returned less than was acknowledged before it started.
    pub stale_read: bool,
}

/// One step of somebody. The number is the writer's or the reader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Time passes.
    Tick,
    /// Anybody closes the gate, for any reason or none.
    Close,
    /// Somebody opens it, D after it was closed.
    Open,
    /// An epoch's key expires.
    Expire(Epoch),
    /// The first epoch's primary restarts, holding the cart as it was at first.
    RestartPrimary,
    /// A writer takes the lock.
    Lock(usize),
    /// A writer loads the gate.
    LoadGate(usize),
    /// A writer puts its token into the epoch's key.
    Invalidate(usize),
    /// A writer commits.
    Commit(usize),
    /// A writer puts its document in place of its token.
    Finish(usize),
    /// A writer rolls back and answers 503; it may try again.
    Retry(usize),
    /// A writer crashes after its token is out.
    Crash(usize),
    /// A reader's node asks for the gate.
    SendPoll(usize),
    /// The database answers it.
    ReceivePoll(usize),
    /// A read begins.
    Start(usize),
    /// `SET … NX GET` on the primary of the epoch in view.
    AskRedis(usize),
    /// Serve what Redis answered if the lease still runs, else read the database.
    Judge(usize),
    /// Read the database alone, as anybody may at any time.
    AskDatabase(usize),
    /// Try the shared lock; a writer at work means reading without filling.
    TrySharedLock(usize),
    /// Read the database under the shared lock.
    ReadDatabase(usize),
    /// Put what was read in place of the read's token, in the epoch it was read under.
    Fill(usize),
}

impl State {
    /// Opens the next epoch: whatever its namespace holds was put there by a bug or a mutant.
    pub(super) fn open(&mut self, ended: Epoch) {
        self.gate = Gate::Open(ended + 1);
    }
}
