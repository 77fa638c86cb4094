//! What clients did and saw.

use std::fmt;

/// Nanoseconds since the start of the run, on the one monotonic clock of the recording process.
pub type Nanos = u64;

/// Which cart of the run.
pub type CartKey = u32;

/// Which node answered.
pub type NodeKey = u8;

/// A cart as a client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    /// The version it claims.
    pub version: u64,
    /// The sum of the quantities of its lines.
    pub units: u64,
    /// The `total_quantity` it claims.
    pub claimed_units: u64,
    /// A digest of its lines, as they came.
    pub digest: u64,
}

/// What an operation was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A read that was answered. One that was not says nothing and is not recorded.
    Read(Content),
    /// A write that was acknowledged, with the cart after it.
    Write(Content),
    /// A write that was sent, and whose answer does not say that it did not happen. It may take effect at any time
    /// after its start, also after its end, or never.
    MaybeWrite,
}

impl Kind {
    /// The cart that was seen.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::Read(content) | Self::Write(content) => Some(content),
            Self::MaybeWrite => None,
        }
    }
}

/// One request of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operation {
    /// Of which cart.
    pub cart: CartKey,
    /// Asked of which node.
    pub node: NodeKey,
    /// Before the first byte was sent.
    pub start: Nanos,
    /// After the last byte was received.
    pub end: Nanos,
    /// What it was, and what it showed.
    pub kind: Kind,
    /// Who answered, as the node said.
    pub source: Source,
}

/// The layer that answered a read, after the header `X-Cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Source {
    /// A Redis replica.
    Replica,
    /// The Redis primary.
    Primary,
    /// The memory of the node.
    Memory,
    /// The database.
    Database,
    /// The node did not say; it does not for writes.
    #[default]
    Unsaid,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Replica, Self::Primary, Self::Memory, Self::Database, Self::Unsaid];

    /// The value of the header; empty for [`Unsaid`](Self::Unsaid).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Primary => "primary",
            Self::Memory => "memory",
            Self::Database => "database",
            Self::Unsaid => "",
        }
    }

    /// After the value of the header.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|source| source.name() == name).unwrap_or_default()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = |nanos: Nanos| nanos / 1_000;
        write!(
            f,
            "[{} µs – {} µs] cart {} on node {}: ",
            micros(self.start),
            micros(self.end),
            self.cart,
            self.node
        )?;
        match &self.kind {
            Kind::Read(seen) => write!(f, "read {seen}")?,
            Kind::Write(seen) => write!(f, "wrote {seen}")?,
            Kind::MaybeWrite => write!(f, "write without an answer")?,
        }
        match self.source {
            Source::Unsaid => Ok(()),
            source => write!(f, " from {}", source.name()),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, units, claimed_units, digest } = self;
        write!(f, "version {version} with {units} units ({claimed_units} claimed), lines {digest:016x}")
    }
}

/// All operations of a run, in any order.
#[derive(Debug, Clone, Default)]
pub struct History {
    operations: Vec<Operation>,
}

impl History {
    /// A history of these operations.
    #[must_use]
    pub fn new(operations: Vec<Operation>) -> Self {
        Self { operations }
    }

    /// The operations.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The longest time without a write being acknowledged, between the first and the last that were.
    #[must_use]
    pub fn longest_gap_of_writes(&self) -> Nanos {
        let acknowledged =
            self.operations.iter().filter(|operation| matches!(operation.kind, Kind::Write(_)));
        let mut ends: Vec<Nanos> = acknowledged.map(|operation| operation.end).collect();
        ends.sort_unstable();
        ends.windows(2).filter_map(|pair| Some(pair.last()? - pair.first()?)).max().unwrap_or(0)
    }
}

impl FromIterator<Operation> for History {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self::new(operations.into_iter().collect())
    }
}
