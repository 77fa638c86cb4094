use serde::{Deserialize, Serialize};

/// The switch, kept in the database, that says whether carts may be served from the shared cache, and from where.
///
/// Closing it is always safe. See the coherence decision record for why each field is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Grows by one at every opening and closing. Never reused.
    pub epoch: i64,
    /// Open or closed.
    pub state: GateState,
}

/// Whether the cache may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// Nobody reads carts from the cache; writers need not invalidate once every lease has run out.
    Closed {
        /// Whether it may be opened again by now: closings in quick succession are punished with longer pauses.
        may_open: bool,
    },
    /// The cache is in use.
    Open(OpenGate),
}

/// What everybody must agree on while the gate is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenGate {
    /// Prefix of every cart key of this opening. Unique: keys of an earlier opening are never looked at again.
    pub namespace: String,
    /// Identity of the one cache server process that takes writes. A connection to any other is not used.
    pub primary: String,
    /// Replicas that are read from.
    pub replicas: ReadSet,
    /// Replicas that were read from before the last change of `replicas`; some node may still read from them.
    pub previous: Option<ReadSet>,
}

/// The replicas that nodes read from, and what the primary must report about them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadSet {
    /// Identities of their processes: a replica that was restarted is another one. Sorted.
    pub endpoints: Vec<String>,
    /// What the primary lists as attached when exactly these, and no others, are attached. Sorted.
    pub attached: Vec<String>,
}

impl Gate {
    /// The gate as it stands in a new database: closed, never opened.
    pub fn initial() -> Self {
        Self { epoch: 0, state: GateState::Closed { may_open: true } }
    }

    /// What was agreed, when open.
    pub fn open(&self) -> Option<&OpenGate> {
        match &self.state {
            GateState::Open(open) => Some(open),
            GateState::Closed { .. } => None,
        }
    }
}
