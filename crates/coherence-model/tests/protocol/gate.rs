//! Epochs, leases, closing and opening.

use crate::{assert_caught, assert_safe};
use cartwright_coherence_model::gate::{GateModel, Mutant};

fn assert_needed(mutant: Mutant, model: GateModel) {
    assert_caught(&format!("gate without its rule, {mutant:?}"), GateModel { mutant: Some(mutant), ..model });
}

fn closing_twice() -> GateModel {
    GateModel { reads: 2, closings: 2, ..GateModel::new(1, 1) }
}

fn restarting() -> GateModel {
    GateModel { primary_restarts: true, ..GateModel::new(1, 1) }
}

#[test]
fn two_writers_and_a_reader() {
    assert_safe("gate, 2 writers × 1 reader", GateModel::new(2, 1));
}

#[test]
fn a_writer_and_two_readers() {
    assert_safe("gate, 1 writer × 2 readers", GateModel::new(1, 2));
}

#[test]
fn the_gate_closes_twice() {
    assert_safe("gate, closing twice", closing_twice());
}

#[test]
fn the_primary_restarts_from_an_old_dump() {
    assert_safe("gate, the primary restarts", restarting());
}

#[test]
fn the_lock_comes_before_the_gate() {
    assert_needed(Mutant::GateBeforeLock, GateModel { reads: 2, ..GateModel::new(1, 1) });
}

#[test]
fn a_writer_waits_for_the_leases() {
    assert_needed(Mutant::NoWaitOnClose, GateModel::new(1, 1));
}

#[test]
fn every_closing_has_its_own_wait() {
    assert_needed(Mutant::WaitOfAnEarlierClosing, closing_twice());
}

#[test]
fn every_epoch_has_its_own_namespace() {
    assert_needed(Mutant::NoNamespace, GateModel::new(1, 1));
}

#[test]
fn a_view_needs_a_lease() {
    assert_needed(Mutant::NoLease, GateModel::new(1, 1));
}

#[test]
fn the_gate_closes_between_epochs() {
    assert_needed(Mutant::DirectSwitch, GateModel::new(1, 1));
}

#[test]
fn a_connection_is_bound_to_a_run() {
    assert_needed(Mutant::ConnectionNotBoundToRun, restarting());
}
