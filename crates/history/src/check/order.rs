//! What the operations of one cart say about the order of its versions.

use super::{Rule, Violation};
use crate::{Kind, Nanos, Operation};

/// The greatest version that any operation showed which ended before a moment.
#[derive(Debug)]
pub(super) struct Completed {
    /// By end, the latest first, so that the next one is popped.
    rest: Vec<Operation>,
    greatest: Option<(u64, Operation)>,
}

impl Completed {
    pub(super) fn of(operations: &[Operation]) -> Self {
        let mut rest: Vec<_> =
            operations.iter().filter(|operation| operation.kind.content().is_some()).copied().collect();
        rest.sort_unstable_by_key(|operation| std::cmp::Reverse(operation.end));
        Self { rest, greatest: None }
    }

    /// For moments that do not go back.
    pub(super) fn before(&mut self, moment: Nanos) -> Option<(u64, Operation)> {
        while let Some(operation) = self.rest.pop_if(|operation| operation.end < moment) {
            let version = operation.kind.content().map_or(0, |content| content.version);
            if self.greatest.is_none_or(|(greatest, _)| version > greatest) {
                self.greatest = Some((version, operation));
            }
        }
        self.greatest
    }
}

/// The acknowledged writes by version.
#[derive(Debug)]
pub(super) struct Writers {
    versions: Vec<u64>,
    /// Of the writes up to the same place in `versions`, the one that started last.
    latest: Vec<Operation>,
}

impl Writers {
    /// Reports those that claim the same version.
    pub(super) fn of(operations: &[Operation], violations: &mut Vec<Violation>) -> Self {
        let mut writes: Vec<(u64, Operation)> = operations
            .iter()
            .filter_map(|operation| match operation.kind {
                Kind::Write(content) => Some((content.version, *operation)),
                Kind::Read(_) | Kind::MaybeWrite => None,
            })
            .collect();
        writes.sort_by_key(|(version, _)| *version);
        let mut writers = Self { versions: Vec::new(), latest: Vec::<Operation>::new() };
        let mut previous: Option<Operation> = None;
        for (version, write) in writes {
            if writers.versions.last() == Some(&version) {
                violations.push(Violation {
                    rule: Rule::DuplicateVersion,
                    operation: write,
                    contradicts: previous,
                });
                continue;
            }
            previous = Some(write);
            let latest = writers.latest.last().copied().filter(|latest| latest.start >= write.start);
            writers.versions.push(version);
            writers.latest.push(latest.unwrap_or(write));
        }
        writers
    }

    /// Of the acknowledged writes up to a version, the one that started last.
    pub(super) fn latest_start_up_to(&self, version: u64) -> Option<Operation> {
        let count = self.versions.partition_point(|made| *made <= version);
        self.latest.get(count.checked_sub(1)?).copied()
    }

    /// How many of the versions up to this one were made by acknowledged writes.
    pub(super) fn count_up_to(&self, version: u64) -> u64 {
        self.versions.partition_point(|made| *made <= version) as u64
    }
}

/// When the writes without an answer started.
#[derive(Debug)]
pub(super) struct Started(Vec<Nanos>);

impl Started {
    /// Of operations in the order of their starts.
    pub(super) fn of(operations: &[Operation]) -> Self {
        let unanswered = operations.iter().filter(|operation| operation.kind == Kind::MaybeWrite);
        Self(unanswered.map(|operation| operation.start).collect())
    }

    /// How many had started by then.
    pub(super) fn by(&self, moment: Nanos) -> u64 {
        self.0.partition_point(|start| *start <= moment) as u64
    }
}
