use cartwright_http::{Load, MostUnderWay};
use serde::Deserialize;

/// How many requests may be under way in this process, of whatever kind, before more of a kind are refused with 503.
/// Requests that wait for their client's body do not count. 0: never. `searches` is meant to be the lowest: it is what the shop
/// can do without.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Overload {
    /// Of searches, lists and rankings. Too high: carts wait behind searches. Too low: they are refused in a rush that could
    /// have been borne.
    pub(crate) searches: usize,
    /// Of other reads and changes. Likewise.
    pub(crate) others: usize,
    /// Of carts, orders and holds. Too high: all wait, and many for nothing. Too low: shoppers are refused who could have been
    /// served.
    pub(crate) shopping: usize,
}

impl Default for Overload {
    fn default() -> Self {
        let MostUnderWay { searches, others, shopping } = MostUnderWay::default();
        Self { searches, others, shopping }
    }
}

impl Overload {
    /// What counts them.
    pub(crate) fn load(&self) -> Load {
        let Self { searches, others, shopping } = *self;
        Load::new(MostUnderWay { searches, others, shopping })
    }
}
