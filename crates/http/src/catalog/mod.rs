//! Products, and what one asks of a catalogue.

pub(crate) mod cached;
pub(crate) mod classic;
mod edge;
pub(crate) mod import;
pub(crate) mod lists;
pub(crate) mod products;
pub(crate) mod rankings;
pub(crate) mod search;
pub(crate) mod stats;
pub(crate) mod wire;
