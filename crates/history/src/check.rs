//! Whether a history is linearizable, cart by cart.

mod order;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use self::order::{Completed, Started, Writers};
use crate::{CartKey, Content, History, Kind, Operation};

#[cfg(test)]
mod tests;

/// What a history broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A read showed less than what was known to somebody before it started.
    StaleRead,
    /// A write was not put on top of what was known to somebody before it started: one of the two is lost.
    LostWrite,
    /// A version was shown before the write that made it, or one below it, had started.
    FromTheFuture,
    /// More versions than writes that can have made them: a write took effect twice, or nobody made it.
    Phantom,
    /// Two writes were acknowledged with the same version.
    DuplicateVersion,
    /// The same version with other lines.
    ChangedContent,
    /// The units of the cart are not what its version and its total say.
    WrongUnits,
}

/// Operations that no order explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What was broken.
    pub rule: Rule,
    /// The operation that showed it.
    pub operation: Operation,
    /// The operation it contradicts, where it is one.
    pub contradicts: Option<Operation>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.operation)?;
        match &self.contradicts {
            Some(other) => write!(f, "\n  against {other}"),
            None => Ok(()),
        }
    }
}

/// Every violation of a history, cart by cart in the order of starts; empty when it is linearizable.
///
/// An operation precedes another when it ended before that one started. The order of the versions then explains the
/// history exactly when, for each cart:
///
/// - whoever read shows at least, and whoever wrote makes more than, the greatest version of any operation that
///   precedes;
/// - no acknowledged write of a version up to the one shown is preceded by the operation that shows it;
/// - the versions up to the one shown that no acknowledged write made are no more than the writes without an answer
///   that had started by then (Hall's condition: the sets of possible makers are nested, so counting is enough).
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut carts: BTreeMap<CartKey, Vec<Operation>> = BTreeMap::new();
    for operation in history.operations() {
        carts.entry(operation.cart).or_default().push(*operation);
    }
    carts.into_values().flat_map(check_cart).collect()
}

fn check_cart(mut operations: Vec<Operation>) -> Vec<Violation> {
    operations.sort_unstable_by_key(|operation| (operation.start, operation.end));
    let mut violations = Vec::new();
    let writers = Writers::of(&operations, &mut violations);
    let unanswered = Started::of(&operations);
    let mut completed = Completed::of(&operations);
    let mut shown: HashMap<u64, Operation> = HashMap::new();
    for operation in &operations {
        let Some(content) = operation.kind.content() else { continue };
        let mut report = |rule, contradicts| {
            violations.push(Violation { rule, operation: *operation, contradicts });
        };
        if let Some((greatest, by)) = completed.before(operation.start) {
            match operation.kind {
                Kind::Read(_) if content.version < greatest => report(Rule::StaleRead, Some(by)),
                Kind::Write(_) if content.version <= greatest => report(Rule::LostWrite, Some(by)),
                _ => {}
            }
        }
        if let Some(writer) = writers.latest_start_up_to(content.version)
            && writer.start > operation.end
        {
            report(Rule::FromTheFuture, Some(writer));
        }
        let made_by_others = content.version.saturating_sub(writers.count_up_to(content.version));
        if made_by_others > unanswered.by(operation.end) {
            report(Rule::Phantom, None);
        }
        if !consistent(content) {
            report(Rule::WrongUnits, None);
        }
        let first = shown.entry(content.version).or_insert(*operation);
        if first.kind.content().is_some_and(|first| first.digest != content.digest) {
            report(Rule::ChangedContent, Some(*first));
        }
    }
    violations
}

/// Each write adds one unit, so the version counts the units.
fn consistent(content: &Content) -> bool {
    content.units == content.version && content.claimed_units == content.version
}
