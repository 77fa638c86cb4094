//! Load, a fault again and again, and the verdict.

use std::time::{Duration, Instant};

use cartwright_history::{History, Operation, Violation, check};

use crate::cluster::{Cluster, Shape, tail};
use crate::hold;

/// How often a fault happens at least.
const CYCLES: usize = 3;

/// How long a run may take.
const LONGEST: Duration = Duration::from_secs(1_200);

/// How many operations a run makes at least.
fn wanted() -> u64 {
    let name = "HISTORY_OPERATIONS";
    match std::env::var(name) {
        Ok(text) => {
            text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}"))
        }
        Err(_) => 20_000,
    }
}

/// Runs such a cluster under load. `fault` breaks something, mends it again, and is called until there are enough
/// operations; each time, the cache must serve again after it.
pub(crate) async fn record(name: &str, shape: Shape, mut fault: impl AsyncFnMut(&Cluster, usize)) -> History {
    let cluster = Cluster::start(&shape).await;
    let load = cluster.load();
    let began = Instant::now();
    cluster.hits_resume(&load).await;
    let mut cycle = 0;
    let mut slowest = Duration::ZERO;
    while cycle < CYCLES || load.figures().total().operations() < wanted() {
        assert!(began.elapsed() < LONGEST, "{name}: only {} after {LONGEST:?}", load.figures());
        fault(&cluster, cycle).await;
        slowest = slowest.max(cluster.hits_resume(&load).await);
        // Long enough for the cache to be what the next fault meets.
        hold(1_000..2_000).await;
        cycle += 1;
    }
    let took = began.elapsed();
    let figures = load.figures();
    let history = load.stop();
    println!(
        "{name}: {cycle} cycles in {:.0} s; {figures}; longest gap without a write {} ms; \
         hits after at most {:.1} s",
        took.as_secs_f64(),
        history.longest_gap_of_writes() / 1_000_000,
        slowest.as_secs_f64()
    );
    if !figures.failures.is_empty() {
        println!("{name}: failures {:?}", figures.failures);
    }
    let sum = figures.total();
    let logs =
        || cluster.nodes.iter().map(|node| tail(&node.process.log())).collect::<Vec<_>>().join("\n---\n");
    assert_eq!(sum.refused, 0, "{name}: {:?}\n{}", figures.failures, logs());
    assert!(sum.writes >= wanted() / 10, "{name}: too few writes: {figures}");
    // Most of such a run may be a fault, during which the cache is closed on purpose.
    assert!(sum.hits() >= 100 * (cycle as u64 + 1), "{name}: too few hits: {figures}");
    assert!(figures.nodes.iter().all(|node| node.hits() > 0 && node.writes > 0), "{name}: {figures}");
    history
}

/// The same, and nothing may be wrong with what clients saw.
pub(crate) async fn faultless(name: &str, shape: Shape, fault: impl AsyncFnMut(&Cluster, usize)) {
    let history = record(name, shape, fault).await;
    let violations = check(&history);
    assert!(violations.is_empty(), "{name}: {}", explain(&history, &violations));
}

/// The first violations, and what happened around the first one.
pub(crate) fn explain(history: &History, violations: &[Violation]) -> String {
    let Some(first) = violations.first() else { return "no violation".to_owned() };
    let mut text = format!("{} violations\n", violations.len());
    for violation in violations.iter().take(5) {
        text += &format!("{violation}\n");
    }
    text += "around the first:\n";
    let at = first.operation;
    let near = |operation: &&Operation| {
        operation.cart == at.cart
            && operation.end + 100_000_000 > at.start
            && operation.start < at.end + 20_000_000
    };
    let mut around: Vec<&Operation> = history.operations().iter().filter(near).collect();
    around.sort_by_key(|operation| operation.start);
    let this = around.iter().position(|operation| **operation == at).unwrap_or_default();
    for operation in around.iter().skip(this.saturating_sub(30)).take(45) {
        text += &format!("{} {operation}\n", if **operation == at { ">" } else { " " });
    }
    text
}
