//! What there is in [`super`], and what can happen.

use super::writer;
use super::{Reader, ReaderStep, Writer, WriterStep};
use crate::{CartKey, Tick, TokenId, Version};

/// What one Redis process holds: the cart's key, and when the heartbeat it shows was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dataset {
    /// The cart's key.
    pub cart: CartKey,
    /// The send time which the node remembers for the heartbeat's sequence number.
    pub heartbeat: Option<Tick>,
}

/// An entry of the replication stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replicated {
    /// The cart's key changed.
    Cart(CartKey),
    /// The heartbeat changed.
    Heartbeat(Tick),
    /// A key of no meaning changed, for this writer to wait for.
    Mark(TokenId),
    /// A full synchronisation.
    Snapshot(Dataset),
}

/// How the promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A read returned less than was acknowledged before it started.
    StaleRead,
    /// A commit did not make a new version.
    LostUpdate,
}

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
    /// The primary's data.
    pub primary: Dataset,
    /// What the replica has yet to apply, oldest first.
    pub replication_log: Vec<Replicated>,
    /// The replica's data.
    pub replica: Dataset,
    /// A heartbeat on its way to the primary, by its send time.
    pub heartbeat_in_flight: Option<Tick>,
    /// When the last heartbeat was sent; one per tick keeps the space finite.
    pub last_heartbeat: Option<Tick>,
    /// The writers.
    pub writers: [Writer; 2],
    /// The readers.
    pub readers: [Reader; 2],
    /// What a restart would load, and when it was saved (never: it is ancient).
    pub dump: (Dataset, Option<Tick>),
    /// Whether the primary has restarted.
    pub primary_restarted: bool,
    /// When the replica restarted, and thus the earliest anyone was connected to it again.
    pub replica_restarted: Option<Tick>,
    /// Set once the promise is broken; nothing happens after.
    pub violation: Option<Violation>,
}

impl State {
    pub(super) fn set_cart(&mut self, cart: CartKey) {
        self.primary.cart = cart;
        self.replication_log.push(Replicated::Cart(cart));
    }

    pub(super) fn lock_is_free(&self) -> bool {
        self.exclusive_lock.is_none() && !self.shared_locks.contains(&true)
    }

    pub(super) fn replicate(&mut self) {
        let entry = self.replication_log.remove(0);
        match entry {
            Replicated::Cart(cart) => self.replica.cart = cart,
            Replicated::Heartbeat(sent) => self.replica.heartbeat = Some(sent),
            Replicated::Mark(_) => {}
            Replicated::Snapshot(dataset) => self.replica = dataset,
        }
        if let Replicated::Cart(CartKey::Token(token)) | Replicated::Mark(token) = entry {
            writer::acknowledge(&mut self.writers, token);
        }
    }
}

/// One step of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Time passes.
    Tick,
    /// A node notes the time and sends a heartbeat.
    SendHeartbeat,
    /// The primary executes it.
    ExecuteHeartbeat,
    /// The replica applies the next entry.
    Replicate,
    /// The cart's key expires on the primary: any key, any time, as its lifetime is no guarantee.
    Expire,
    /// The process that may restart saves a dump.
    SaveDump,
    /// It restarts from its dump.
    Restart,
    /// A writer's step.
    Writer(usize, WriterStep),
    /// A reader's step.
    Reader(usize, ReaderStep),
}
