//! Records what clients see of real nodes, and checks that every cart was linearizable.
//!
//! [`client`] drives nodes over HTTP and makes a [`History`]; [`check()`] looks for an answer that no order of the
//! operations explains. The versions of a cart are totally ordered, so the check takes O(n log n), where the general
//! problem is NP-complete: histories of hundreds of thousands of operations are checked in well under a second.
//!
//! The tests of this crate do so while the servers are paused, killed, rolled back and cut off.
//!
//! **Invariant:** the checker assumes of the workload that every write adds exactly one unit of one product. So a
//! cart's version, its number of units and the number of its writes are the same number, and a lost write, a write
//! that was applied twice and a torn cart show as surely as a stale one.

mod check;
pub mod client;
mod operation;

pub use check::{Rule, Violation, check};
pub use operation::{CartKey, Content, History, Kind, Nanos, NodeKey, Operation, Source};
