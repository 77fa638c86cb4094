//! What there is in [`super`], and what can happen.

use super::ReplicaSet;
use crate::{CartKey, Tick, Version};

/// An entry of the replication stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replicated {
    /// The cart's key changed.
    Cart(CartKey),
    /// The heartbeat, by its send time.
    Heartbeat(Tick),
}

/// A replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    /// What it has yet to apply, oldest first.
    pub replication_log: Vec<Replicated>,
    /// The cart's key.
    pub cart: CartKey,
    /// The heartbeat it shows.
    pub heartbeat: Option<Tick>,
}

/// Where the writer stands.
#[expect(missing_docs, reason = "the fields are named as in the protocol")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writer {
    /// It holds the lock; the row comes next.
    Locked,
    /// It has loaded this set; if that was the changed one, it first saw it then.
    Loaded { required: ReplicaSet, first_seen: Option<Tick> },
    /// Its token is on the primary since this moment.
    Invalidated { required: ReplicaSet, first_seen: Option<Tick>, at: Tick },
    /// It has committed, thanks to acknowledgements or to waiting.
    Committed { acknowledged: bool },
}

/// Where the read stands.
#[expect(missing_docs, reason = "the fields are named as in the protocol")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reader {
    /// It has yet to begin.
    Idle,
    /// It has begun when this version was the newest acknowledged one.
    Started { floor: Version },
    /// A replica has answered with a document, and has yet to be believed.
    Answered { floor: Version, version: Version, replica: usize, heartbeat: Option<Tick> },
    /// It has returned.
    Done,
}

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The clock.
    pub now: Tick,
    /// The committed version, which is also the newest acknowledged one.
    pub database_version: Version,
    /// The set in the gate's row.
    pub required: ReplicaSet,
    /// Whether it has changed.
    pub changed: bool,
    /// The replicas.
    pub replicas: [Replica; 2],
    /// A heartbeat on its way to the primary, by its send time.
    pub heartbeat_in_flight: Option<Tick>,
    /// When the last heartbeat was sent.
    pub last_heartbeat: Option<Tick>,
    /// The writer.
    pub writer: Writer,
    /// The reader.
    pub reader: Reader,
    /// The set in the reader's view.
    pub view: ReplicaSet,
    /// When the poll for it was sent.
    pub leased_at: Tick,
    /// A poll on its way, by its send time.
    pub poll_in_flight: Option<Tick>,
    /// Whether the read returned less than was acknowledged before it started.
    pub stale_read: bool,
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
    /// A replica applies its next entry.
    Replicate(usize),
    /// The set in the gate's row changes.
    ChangeSet,
    /// The writer loads the row.
    Load,
    /// The writer puts its token into the key.
    Invalidate,
    /// The writer commits; `true` if for acknowledgements.
    Commit(bool),
    /// The reader's node asks for the row.
    SendPoll,
    /// The database answers it.
    ReceivePoll,
    /// The read begins.
    Start,
    /// It asks a replica of the set in view for heartbeat and cart.
    AskReplica(usize),
    /// It serves that if the lease runs and the heartbeat is fresh, else it reads the database.
    Judge,
}
