//! Orders: bought, looked at, cancelled, listed.

pub(crate) mod buy;
pub(crate) mod look;
pub(crate) mod wire;
