//! A replica leaves the required set while the gate stays open.

use crate::{assert_caught, assert_safe};
use cartwright_coherence_model::replica_set::{Mutant, ReplicaSetModel};

fn assert_needed(mutant: Mutant) {
    assert_caught(
        &format!("replica set without its rule, {mutant:?}"),
        ReplicaSetModel { mutant: Some(mutant) },
    );
}

#[test]
fn the_set_shrinks() {
    assert_safe("replica set, shrinking", ReplicaSetModel::default());
}

#[test]
fn a_shrunk_set_waits_for_the_leases() {
    assert_needed(Mutant::ShrunkSetUsedAtOnce);
}

#[test]
fn the_acknowledgement_is_the_sets_own() {
    assert_needed(Mutant::AnyReplicaAcknowledges);
}

#[test]
fn a_set_grows_with_a_new_epoch_only() {
    assert_needed(Mutant::GrownWithoutNewEpoch);
}
