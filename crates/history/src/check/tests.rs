use proptest::prelude::*;
use proptest::sample::Index;

use super::{Rule, check};
use crate::{Content, History, Kind, Nanos, Operation, Source};

fn content(version: u64) -> Content {
    Content { version, units: version, claimed_units: version, digest: version.wrapping_mul(0x9e37_79b9) }
}

fn operation(start: Nanos, end: Nanos, kind: Kind) -> Operation {
    Operation { cart: 1, node: 0, start, end, kind, source: Source::Unsaid }
}

fn read(start: Nanos, end: Nanos, version: u64) -> Operation {
    operation(start, end, Kind::Read(content(version)))
}

fn wrote(start: Nanos, end: Nanos, version: u64) -> Operation {
    operation(start, end, Kind::Write(content(version)))
}

fn unanswered(start: Nanos, end: Nanos) -> Operation {
    operation(start, end, Kind::MaybeWrite)
}

fn rules(operations: &[Operation]) -> Vec<Rule> {
    let history: History = operations.iter().copied().collect();
    check(&history).into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn what_happened_in_order_passes() {
    assert_eq!(rules(&[]), []);
    assert_eq!(rules(&[read(0, 1, 0), wrote(2, 3, 1), read(4, 5, 1), wrote(6, 7, 2), read(8, 9, 2)]), []);
}

#[test]
fn while_a_write_is_under_way_both_versions_may_be_read() {
    let under_way = wrote(10, 50, 1);
    assert_eq!(rules(&[under_way, read(20, 30, 0), read(20, 30, 1)]), []);
    assert_eq!(rules(&[under_way, read(0, 10, 1)]), [], "it started at the moment the read ended");
    assert_eq!(rules(&[under_way, read(50, 60, 0)]), [], "it ended at the moment the read started");
}

#[test]
fn a_read_after_an_acknowledged_write_shows_it() {
    assert_eq!(rules(&[wrote(0, 10, 1), read(11, 20, 0)]), [Rule::StaleRead]);
}

#[test]
fn what_one_reader_saw_the_next_one_sees() {
    // The write is still under way, but its effect was seen.
    assert_eq!(rules(&[wrote(0, 100, 1), read(10, 20, 1), read(21, 30, 0)]), [Rule::StaleRead]);
}

#[test]
fn two_concurrent_writes_may_be_in_either_order() {
    assert_eq!(rules(&[wrote(0, 10, 2), wrote(5, 15, 1), read(16, 17, 2)]), []);
}

#[test]
fn a_write_goes_on_top_of_what_was_there() {
    assert_eq!(
        rules(&[wrote(0, 10, 1), unanswered(0, 5), wrote(11, 20, 1)]),
        [Rule::DuplicateVersion, Rule::LostWrite]
    );
    let found = rules(&[wrote(0, 10, 2), wrote(11, 20, 1)]);
    assert!(found.contains(&Rule::LostWrite) && found.contains(&Rule::FromTheFuture), "{found:?}");
}

#[test]
fn nothing_is_seen_before_it_was_asked_for() {
    assert_eq!(rules(&[read(0, 10, 1), wrote(11, 20, 1)]), [Rule::FromTheFuture, Rule::LostWrite]);
}

#[test]
fn a_write_without_an_answer_may_have_happened_at_any_time_after_its_start() {
    let lost = unanswered(0, 10);
    assert_eq!(rules(&[lost, read(11, 12, 0)]), []);
    assert_eq!(rules(&[lost, read(11, 12, 0), read(1_000, 1_001, 1)]), []);
    assert_eq!(rules(&[lost, wrote(20, 30, 2)]), []);
    assert_eq!(rules(&[lost, read(11, 12, 1), read(13, 14, 0)]), [Rule::StaleRead]);
}

#[test]
fn a_write_takes_effect_once() {
    assert_eq!(rules(&[unanswered(0, 10), read(11, 12, 2)]), [Rule::Phantom]);
    assert_eq!(rules(&[read(0, 1, 1), unanswered(2, 3)]), [Rule::Phantom]);
    assert_eq!(rules(&[wrote(0, 10, 2), read(11, 12, 2)]), [Rule::Phantom, Rule::Phantom]);
}

#[test]
fn the_same_version_shows_the_same_lines() {
    let mut other = content(1);
    other.digest += 1;
    let torn = operation(11, 12, Kind::Read(other));
    assert_eq!(rules(&[wrote(0, 10, 1), torn]), [Rule::ChangedContent]);
}

#[test]
fn the_units_are_what_the_version_says() {
    let sums = [Content { units: 0, ..content(1) }, Content { claimed_units: 2, ..content(1) }];
    for sum in sums {
        assert_eq!(rules(&[wrote(0, 10, 1), operation(11, 12, Kind::Read(sum))])[0], Rule::WrongUnits);
    }
}

#[test]
fn carts_do_not_explain_each_other() {
    let elsewhere = Operation { cart: 2, ..read(11, 12, 1) };
    assert_eq!(rules(&[wrote(0, 10, 1), elsewhere]), [Rule::Phantom]);
    assert_eq!(rules(&[wrote(0, 10, 1), Operation { cart: 2, ..read(11, 12, 0) }]), []);
}

#[test]
fn a_violation_names_both_operations() {
    let history: History = [wrote(0, 10_000, 1), read(11_000, 12_000, 0)].into_iter().collect();
    let text = check(&history)[0].to_string();
    assert!(text.contains("[11 µs – 12 µs]") && text.contains("[0 µs – 10 µs]"), "{text}");
}

/// One step of a run in which everything takes effect at one moment.
#[derive(Debug, Clone)]
struct Step {
    what: What,
    cart: u32,
    /// From the start to the effect, and from the effect to the end.
    before: Nanos,
    after: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Read,
    Write,
    LostAnswer,
    LostRequest,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        6 => Just(What::Read), 3 => Just(What::Write), 1 => Just(What::LostAnswer), 1 => Just(What::LostRequest)
    ];
    let step = (what, 0..3_u32, 0..40_u64, 0..40_u64).prop_map(|(what, cart, before, after)| Step {
        what,
        cart,
        before,
        after,
    });
    proptest::collection::vec(step, 1..200)
}

/// The history of such a run: the n-th step takes effect at moment `100 + 4 n`.
fn simulate(steps: &[Step]) -> Vec<Operation> {
    let mut versions = [0_u64; 3];
    let mut moment = 100;
    let mut operations = Vec::new();
    for step in steps {
        moment += 4;
        let version = &mut versions[step.cart as usize];
        if matches!(step.what, What::Write | What::LostAnswer) {
            *version += 1;
        }
        let kind = match step.what {
            What::Read => Kind::Read(content(*version)),
            What::Write => Kind::Write(content(*version)),
            What::LostAnswer | What::LostRequest => Kind::MaybeWrite,
        };
        let (start, end) = (moment - step.before, moment + step.after);
        operations.push(Operation { cart: step.cart, ..operation(start, end, kind) });
    }
    operations
}

/// What is known for certain of a cart at a moment, found the slow way.
fn known(operations: &[Operation], cart: u32, moment: Nanos) -> u64 {
    let mine = operations.iter().filter(|other| other.cart == cart && other.end < moment);
    mine.filter_map(|other| other.kind.content()).map(|content| content.version).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn linearizable_histories_pass(steps in steps(), order in any::<u64>()) {
        let mut operations = simulate(&steps);
        let count = operations.len();
        operations.rotate_left(order as usize % count);
        let violations = check(&History::new(operations));
        prop_assert!(violations.is_empty(), "{violations:?}");
    }

    #[test]
    fn one_stale_read_is_caught(steps in steps(), victim in any::<Index>(), depth in any::<Index>()) {
        let mut operations = simulate(&steps);
        let stale: Vec<(usize, u64)> = (0..operations.len())
            .filter(|at| matches!(operations[*at].kind, Kind::Read(_)))
            .map(|at| (at, known(&operations, operations[at].cart, operations[at].start)))
            .filter(|(_, known)| *known > 0)
            .collect();
        prop_assume!(!stale.is_empty());
        let (at, known) = *victim.get(&stale);
        // Consistent in itself: only its age gives it away.
        operations[at].kind = Kind::Read(content(depth.index(known as usize) as u64));
        let victim = operations[at];
        let found = check(&History::new(operations));
        prop_assert!(found.iter().any(|v| v.rule == Rule::StaleRead && v.operation == victim), "{found:?}");
    }

    #[test]
    fn a_write_that_took_effect_twice_is_caught(mut steps in steps(), victim in any::<Index>()) {
        let at = victim.index(steps.len());
        let cart = steps[at].cart;
        // Writes without an answer could explain it, so this cart has none.
        for step in steps.iter_mut().filter(|step| step.cart == cart && step.what != What::Write) {
            step.what = What::Read;
        }
        steps[at].what = What::Write;
        let operations = simulate(&steps);
        let doubled: Vec<Operation> = operations.iter().enumerate().map(|(index, operation)| {
            let mut operation = *operation;
            if index >= at && operation.cart == cart {
                operation.kind = match operation.kind {
                    Kind::Read(seen) => Kind::Read(content(seen.version + 1)),
                    Kind::Write(seen) => Kind::Write(content(seen.version + 1)),
                    Kind::MaybeWrite => Kind::MaybeWrite,
                };
            }
            operation
        }).collect();
        let found = check(&History::new(doubled));
        prop_assert!(found.iter().any(|violation| violation.rule == Rule::Phantom), "{found:?}");
    }
}
