use anyhow::ensure;
use cartwright_cart::StoreWritten;
use serde::Deserialize;

/// How carts behave, and how their work is batched.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Carts {
    /// Whether a product outside the catalogue may be added with the client's name and price. Not set: on SQLite yes,
    /// on PostgreSQL no. On a public shop clients would set their own prices.
    pub(crate) allow_unlisted_products: Option<bool>,
    /// Write transactions at the same time; a second one begins when the first is slow. Too high: connections taken from
    /// the reads. Too low: one slow commit holds up everybody.
    pub(crate) write_transactions: usize,
    /// Requests in one write transaction. Too high: one transaction holds many carts' locks for long. Too low: more
    /// commits for the same work.
    pub(crate) write_batch: usize,
    /// Cache reads at the same time: the threads are spread over so many lanes.
    pub(crate) read_lanes: usize,
    /// Carts in one cache read.
    pub(crate) read_batch: usize,
    /// Whether carts are stored in Redis as soon as they were written. `auto`: while this node reads at least once in four
    /// writes. `always`: the first read after a write is a hit. `never`: readers store them.
    pub(crate) store_written: StoreWritten,
    /// Requests that wait for a batch to begin; more are answered 503. Too high: under overload everybody waits long.
    /// Too low: short peaks are refused.
    pub(crate) waiting: usize,
}

impl Default for Carts {
    fn default() -> Self {
        let service = cartwright_cart::Settings::default();
        Self {
            allow_unlisted_products: None,
            write_transactions: service.write_transactions,
            write_batch: service.write_batch,
            read_lanes: service.read_lanes,
            read_batch: service.read_batch,
            store_written: service.store_written,
            waiting: service.waiting,
        }
    }
}

impl Carts {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value, most) in [
            ("write_transactions", self.write_transactions, 64),
            ("write_batch", self.write_batch, 1000),
            ("read_lanes", self.read_lanes, 64),
            ("read_batch", self.read_batch, 1000),
            ("waiting", self.waiting, 1_000_000),
        ] {
            ensure!((1..=most).contains(&value), "configuration key `carts.{key}`: it is from 1 to {most}");
        }
        Ok(())
    }
}
