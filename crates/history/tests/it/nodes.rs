//! Faults of nodes and of the database, and none.

use cartwright_testkit::Mode;

use crate::cluster::{NODES, Shape};
use crate::hold;
use crate::run::faultless;

#[tokio::test]
async fn without_a_fault() {
    faultless("control", Shape::default(), async |_, _| hold(500..1_000).await).await;
}

/// At random moments, so that it is in the middle of some write or fill, with its locks, tokens and leases.
#[tokio::test]
async fn a_node_is_paused() {
    faultless("node paused", Shape::default(), async |cluster, cycle| {
        let node = &cluster.nodes[cycle % NODES];
        hold(0..300).await;
        node.process.pause();
        // Longer than the lease on the gate, and than a token lives that was set for a read.
        hold(2_900..3_500).await;
        node.process.resume();
    })
    .await;
}

/// At random moments: also between a commit and the fill that belongs to it.
#[tokio::test]
async fn a_node_is_killed() {
    faultless("node killed", Shape::default(), async |cluster, cycle| {
        let node = &cluster.nodes[cycle % NODES];
        hold(0..300).await;
        node.process.kill();
        hold(0..1_000).await;
        node.process.restart();
        node.wait_ready();
    })
    .await;
}

#[tokio::test]
async fn postgres_is_restarted_at_once() {
    let shape = Shape { durable: true, ..Shape::default() };
    faultless("Postgres restarted with -m immediate", shape, async |cluster, _| {
        hold(0..300).await;
        cluster.postgres.stop_immediate();
        hold(0..500).await;
        cluster.postgres.restart();
        for node in &cluster.nodes {
            node.wait_ready();
        }
    })
    .await;
}

/// Redis answers nothing to one node, or hears it without the node hearing the answers.
#[tokio::test]
async fn one_node_loses_redis() {
    let shape = Shape { proxied: true, ..Shape::default() };
    faultless("one node without Redis", shape, async |cluster, cycle| {
        let mode = [Mode::BlackHole, Mode::OneWay, Mode::Stall, Mode::Cut][cycle % 4];
        for proxy in &cluster.to_redis {
            proxy.set(mode);
        }
        hold(2_000..4_000).await;
        for proxy in &cluster.to_redis {
            proxy.set(Mode::Pass);
        }
    })
    .await;
}

/// Both at the same time is worse than either: the other node must not believe what the dead one left behind.
#[tokio::test]
async fn a_node_is_killed_while_the_other_is_paused() {
    faultless("one node killed, the other paused", Shape::default(), async |cluster, cycle| {
        let (one, other) = (&cluster.nodes[cycle % NODES], &cluster.nodes[(cycle + 1) % NODES]);
        one.process.pause();
        hold(0..200).await;
        other.process.kill();
        other.process.restart();
        hold(1_500..2_500).await;
        one.process.resume();
        other.wait_ready();
    })
    .await;
}
