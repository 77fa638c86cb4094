//! The rules, one function each. They take a fresh cache, or two nodes of a fresh bus, and panic when a rule is broken.

mod bodies;
mod buses;
mod leases;
mod many;

pub use bodies::*;
pub use buses::*;
pub use leases::*;
pub use many::*;
