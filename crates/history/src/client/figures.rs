//! Counts of a run, which can be read while it goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{NodeKey, Source};

/// How many different failures are kept.
const MOST_FAILURES: usize = 20;

/// What happened on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeFigures {
    /// Answered reads, in the order of [`Source::ALL`].
    pub reads: [u64; Source::ALL.len()],
    /// Acknowledged writes.
    pub writes: u64,
    /// Writes without a clear answer.
    pub maybe_writes: u64,
    /// Reads without an answer, or with a status of the 500s.
    pub failed_reads: u64,
    /// Requests with a status of the 400s: a mistake in the set-up.
    pub refused: u64,
    /// Attempts to connect that failed.
    pub not_connected: u64,
}

impl NodeFigures {
    /// Answered reads from this source.
    #[must_use]
    pub fn from(&self, source: Source) -> u64 {
        Source::ALL.iter().zip(self.reads).filter(|(one, _)| **one == source).map(|(_, count)| count).sum()
    }

    /// Reads that a cache answered.
    #[must_use]
    pub fn hits(&self) -> u64 {
        [Source::Replica, Source::Primary, Source::Memory].into_iter().map(|source| self.from(source)).sum()
    }

    /// Answered reads and acknowledged writes.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.reads.iter().sum::<u64>() + self.writes
    }
}

/// What happened so far.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// By node.
    pub nodes: Vec<NodeFigures>,
    /// How often what went wrong; only some when there are many different texts.
    pub failures: BTreeMap<String, u64>,
}

impl Figures {
    /// The sum over all nodes.
    #[must_use]
    pub fn total(&self) -> NodeFigures {
        self.nodes.iter().fold(NodeFigures::default(), |mut sum, node| {
            for (sum, count) in sum.reads.iter_mut().zip(node.reads) {
                *sum += count;
            }
            sum.writes += node.writes;
            sum.maybe_writes += node.maybe_writes;
            sum.failed_reads += node.failed_reads;
            sum.refused += node.refused;
            sum.not_connected += node.not_connected;
            sum
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = self.total();
        let reads = sum.reads.iter().sum::<u64>();
        write!(f, "{} operations: {reads} reads (", sum.operations())?;
        for (source, count) in Source::ALL.into_iter().zip(sum.reads).filter(|(_, count)| *count > 0) {
            let name = if source == Source::Unsaid { "unsaid" } else { source.name() };
            write!(f, "{name} {count}, ")?;
        }
        write!(f, "hit ratio {:.2}), {} writes; ", sum.hits() as f64 / reads.max(1) as f64, sum.writes)?;
        write!(
            f,
            "failed: {} writes, {} reads, {} refused, {} connects",
            sum.maybe_writes, sum.failed_reads, sum.refused, sum.not_connected
        )
    }
}

#[derive(Debug, Default)]
struct Node {
    reads: [AtomicU64; Source::ALL.len()],
    writes: AtomicU64,
    maybe_writes: AtomicU64,
    failed_reads: AtomicU64,
    refused: AtomicU64,
    not_connected: AtomicU64,
}

/// Where the clients count.
#[derive(Debug)]
pub(super) struct Counters {
    nodes: Vec<Node>,
    failures: Mutex<BTreeMap<String, u64>>,
}

impl Counters {
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes: (0..nodes).map(|_| Node::default()).collect(), failures: Mutex::default() }
    }

    pub(super) fn read_from(&self, node: NodeKey, from: Source) {
        self.count(node, |node| {
            let mut places = Source::ALL.iter().zip(&node.reads);
            places.find(|(source, _)| **source == from).map_or(&node.failed_reads, |(_, place)| place)
        });
    }

    pub(super) fn write(&self, node: NodeKey) {
        self.count(node, |node| &node.writes);
    }

    pub(super) fn failed(&self, node: NodeKey, write: bool, why: &str) {
        self.count(node, |node| if write { &node.maybe_writes } else { &node.failed_reads });
        self.remember(why);
    }

    pub(super) fn refused(&self, node: NodeKey, why: &str) {
        self.count(node, |node| &node.refused);
        self.remember(why);
    }

    pub(super) fn not_connected(&self, node: NodeKey) {
        self.count(node, |node| &node.not_connected);
    }

    pub(super) fn read(&self) -> Figures {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let nodes = self.nodes.iter().map(|node| NodeFigures {
            reads: node.reads.each_ref().map(value),
            writes: value(&node.writes),
            maybe_writes: value(&node.maybe_writes),
            failed_reads: value(&node.failed_reads),
            refused: value(&node.refused),
            not_connected: value(&node.not_connected),
        });
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        Figures { nodes: nodes.collect(), failures: failures.clone() }
    }

    fn count<'a>(&'a self, node: NodeKey, which: impl FnOnce(&'a Node) -> &'a AtomicU64) {
        if let Some(node) = self.nodes.get(usize::from(node)) {
            which(node).fetch_add(1, Ordering::Relaxed);
        }
    }

    fn remember(&self, why: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = failures.get_mut(why) {
            *count += 1;
        } else if failures.len() < MOST_FAILURES {
            failures.insert(why.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_where_it_belongs() {
        let counters = Counters::new(2);
        counters.read_from(0, Source::Replica);
        counters.read_from(1, Source::Database);
        counters.write(1);
        counters.failed(1, true, "reset");
        counters.failed(0, false, "reset");
        counters.refused(0, "422");
        counters.not_connected(0);
        let figures = counters.read();
        let sum = figures.total();
        assert_eq!((sum.operations(), sum.hits(), sum.from(Source::Database)), (3, 1, 1));
        assert_eq!((sum.maybe_writes, sum.failed_reads, sum.refused, sum.not_connected), (1, 1, 1, 1));
        assert_eq!((figures.nodes[0].hits(), figures.nodes[1].writes), (1, 1));
        assert_eq!(figures.failures.get("reset"), Some(&2));
        let text = figures.to_string();
        assert!(text.starts_with("3 operations: 2 reads (replica 1, database 1, hit ratio 0.50)"), "{text}");
    }
}
