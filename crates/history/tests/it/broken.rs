//! The checker against nodes that are broken on purpose: a test that never fails proves nothing.

use cartwright_history::{Rule, check};

use crate::cluster::Shape;
use crate::hold;
use crate::redis_faults::SLOW;
use crate::run::{explain, record};

/// A fence that does not wait for the replicas lets a write be acknowledged that a replica does not know of.
#[tokio::test]
async fn nodes_that_do_not_wait_for_replicas_are_caught() {
    let shape =
        Shape { replication_delay: Some(SLOW), fault: Some("no-wait-for-replicas"), ..Shape::default() };
    let history = record("broken: no wait for replicas", shape, async |_, _| hold(500..1_000).await).await;
    let violations = check(&history);
    let stale = violations.iter().filter(|violation| violation.rule == Rule::StaleRead).count();
    println!("broken: no wait for replicas: {stale} stale reads found");
    assert!(stale > 0, "{}", explain(&history, &violations));
}
