//! Faults of Redis servers.

use std::time::Duration;

use cartwright_testkit::Mode;

use crate::cluster::Shape;
use crate::hold;
use crate::run::faultless;

#[tokio::test]
async fn a_replica_is_paused() {
    faultless("replica paused", Shape::default(), async |cluster, cycle| {
        let replica = &cluster.redis.replicas[cycle % 2];
        replica.pause();
        // Sometimes shorter than it takes to notice, sometimes longer than every lease.
        hold(if cycle % 3 == 0 { 20..200 } else { 1_000..4_000 }).await;
        replica.resume();
    })
    .await;
}

#[tokio::test]
async fn a_replica_is_killed() {
    faultless("replica killed", Shape::default(), async |cluster, cycle| {
        let replica = &cluster.redis.replicas[cycle % 2];
        replica.kill();
        hold(0..2_000).await;
        replica.restart();
        cluster.replicates().await;
    })
    .await;
}

/// It comes back empty, and its replicas become empty, too.
#[tokio::test]
async fn the_primary_is_killed() {
    faultless("primary killed", Shape::default(), async |cluster, cycle| {
        cluster.redis.primary.kill();
        if cycle % 2 == 1 {
            hold(0..3_000).await;
        }
        cluster.redis.primary.restart();
        cluster.replicates().await;
    })
    .await;
}

/// The old primary goes on for a while: there are two, and nodes may write to either.
#[tokio::test]
async fn a_replica_is_promoted() {
    faultless("replica promoted", Shape::default(), async |cluster, cycle| {
        let servers = cluster.servers();
        let old = cluster.primary.get();
        let new = (old + 1) % servers.len();
        if cycle % 2 == 1 {
            // A laggard: what it missed is lost.
            servers[new].pause();
            hold(100..500).await;
            servers[new].resume();
        }
        servers[new].promote();
        cluster.primary.set(new);
        hold(0..1_000).await;
        for (at, server) in servers.iter().enumerate() {
            if at != new {
                server.replica_of("127.0.0.1", servers[new].port());
                hold(0..500).await;
            }
        }
        cluster.replicates().await;
    })
    .await;
}

/// Carts as they were seconds ago are in Redis again.
#[tokio::test]
async fn redis_is_restored_from_an_old_dump() {
    faultless("old dump restored", Shape::default(), async |cluster, _| {
        cluster.redis.primary.save_dump();
        hold(1_000..2_000).await;
        cluster.redis.primary.restore_dump();
        let restored: u64 = cluster.redis.primary.query(&["DBSIZE"]).await;
        assert!(restored > 0, "there was nothing to restore");
        cluster.replicates().await;
    })
    .await;
}

/// What the primary sends, and what its replicas confirm, is late, or stops for a while.
#[tokio::test]
async fn replication_is_slow() {
    let shape = Shape { replication_delay: Some(SLOW), ..Shape::default() };
    faultless("slow replication", shape, async |cluster, cycle| {
        let replication = cluster.replication.as_ref().unwrap();
        let modes = [Mode::Latency(SLOW / 2), Mode::Stall, Mode::Latency(SLOW), Mode::Pass];
        replication.set(modes[cycle % modes.len()]);
        hold(100..1_500).await;
        replication.set(Mode::Latency(SLOW));
        hold(100..500).await;
    })
    .await;
}

/// So late that the confirmation comes after a writer stopped waiting for it, and so early that the replicas are
/// believed: they are older than this, and younger than the 50 ms of the protocol.
pub(crate) const SLOW: Duration = Duration::from_millis(30);
