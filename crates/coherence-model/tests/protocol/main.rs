//! The protocol holds in every interleaving, and each of its rules is needed.

#![expect(clippy::print_stdout, reason = "the sizes of the spaces and the counterexamples are worth seeing")]

mod core;
mod gate;
mod replica_set;

use stateright::{Checker, Expectation, HasDiscoveries, Model};
use std::fmt::Debug;
use std::hash::Hash;

/// Visits the whole space; every promise holds and everything worth checking does happen.
fn assert_safe<M>(name: &str, model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join();
    println!("{name}: {} states", checker.unique_state_count());
    assert!(checker.is_done());
    checker.assert_properties();
}

/// Finds the shortest way to break a promise, and returns what it broke.
fn assert_caught<M>(name: &str, model: M) -> &'static str
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    let promises: Vec<&'static str> = (model.properties().into_iter())
        .filter(|property| property.expectation == Expectation::Always)
        .map(|property| property.name)
        .collect();
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let broken = checker.discoveries().into_iter().find(|(name, _)| promises.contains(name));
    let Some((promise, path)) = broken else { panic!("{name} was not caught") };
    println!("{name}: broken within {} states\n  {:?}", checker.unique_state_count(), path.into_actions());
    promise
}
