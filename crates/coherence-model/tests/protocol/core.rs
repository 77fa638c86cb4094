//! Lock, invalidate, commit, fill.

use crate::{assert_caught, assert_safe};
use cartwright_coherence_model::core::{CoreModel, Mutant, Restarts};

const LOST_UPDATE: &str = "every commit makes a new version";

fn assert_needed(mutant: Mutant, model: CoreModel) -> &'static str {
    assert_caught(&format!("core without its rule, {mutant:?}"), CoreModel { mutant: Some(mutant), ..model })
}

fn restarting(restarts: Restarts) -> CoreModel {
    CoreModel { restarts, ..CoreModel::new(1, 1) }
}

#[test]
fn two_writers_and_a_reader() {
    assert_safe("core, 2 writers × 1 reader", CoreModel::new(2, 1));
}

#[test]
fn a_writer_and_two_readers() {
    assert_safe("core, 1 writer × 2 readers", CoreModel::new(1, 2));
}

#[test]
fn a_reader_that_reads_twice() {
    assert_safe("core, 1 writer × 1 reader reading twice", CoreModel { reads: 2, ..CoreModel::new(1, 1) });
}

/// A writer that is not going to store anything removes the key.
#[test]
fn writers_that_remove() {
    for removers in [1, 2] {
        let model = CoreModel { removers, ..CoreModel::new(2, 1) };
        assert_safe(&format!("core, 2 writers × 1 reader, {removers} removing"), model);
    }
    assert_safe("core, a removing writer × 2 readers", CoreModel { removers: 1, ..CoreModel::new(1, 2) });
    let model = CoreModel { removers: 1, reads: 2, ..CoreModel::new(1, 1) };
    assert_safe("core, a removing writer × 1 reader reading twice", model);
    for restarts in [Restarts::Replica, Restarts::PrimaryFromOldDump] {
        let model = CoreModel { removers: 1, ..restarting(restarts) };
        assert_safe(&format!("core, a removing writer, {restarts:?}"), model);
    }
}

#[test]
fn a_removal_needs_a_mark_to_wait_for() {
    assert_needed(Mutant::RemoveWithoutMark, CoreModel { removers: 2, ..CoreModel::new(2, 1) });
}

#[test]
fn the_replica_restarts_from_any_dump() {
    assert_safe("core, the replica restarts", restarting(Restarts::Replica));
}

#[test]
fn the_primary_restarts_from_a_dump_older_than_the_bound() {
    assert_safe("core, the primary restarts", restarting(Restarts::PrimaryFromOldDump));
}

/// A limit of the protocol rather than a mutant: an acknowledgement is worth nothing once the primary
/// forgets the token and makes the replicas forget it too, while the heartbeat in the same dump is
/// still young. Hence the Redis of a cache saves nothing, or takes longer than B to restart.
#[test]
fn a_dump_younger_than_the_bound_is_not_covered() {
    assert_caught("core, a young dump", restarting(Restarts::PrimaryFromYoungDump));
}

#[test]
fn a_fill_needs_the_shared_lock() {
    let model = CoreModel { reads: 2, ..CoreModel::new(1, 1) };
    assert_needed(Mutant::FillWithoutSharedLock, model);
}

#[test]
fn the_lock_comes_before_the_invalidation() {
    assert_needed(Mutant::InvalidateBeforeLock, CoreModel::new(1, 2));
}

#[test]
fn a_fill_needs_the_compare_and_set() {
    assert_needed(Mutant::UnconditionalFill, CoreModel { reads: 2, ..CoreModel::new(1, 1) });
}

#[test]
fn a_writers_document_needs_the_compare_and_set() {
    assert_needed(Mutant::UnconditionalFinish, CoreModel::new(2, 1));
}

#[test]
fn a_commit_without_acknowledgement_waits() {
    assert_needed(Mutant::CommitWithoutWaiting, CoreModel::new(1, 1));
}

#[test]
fn the_lock_comes_before_the_load() {
    assert_eq!(assert_needed(Mutant::LoadBeforeLock, CoreModel::new(2, 1)), LOST_UPDATE);
}

#[test]
fn the_heartbeat_comes_with_the_cart() {
    assert_needed(Mutant::FreshnessInSeparateRequest, restarting(Restarts::Replica));
}

#[test]
fn a_new_connection_waits_for_a_new_heartbeat() {
    assert_needed(Mutant::HeartbeatOlderThanConnection, restarting(Restarts::Replica));
}

#[test]
fn heartbeats_carry_the_namespace() {
    assert_needed(Mutant::HeartbeatWithoutNamespace, restarting(Restarts::PrimaryFromOldDump));
}
