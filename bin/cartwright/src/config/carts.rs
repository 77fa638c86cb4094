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
    /// Hours after which a cart with something in it, that nobody has touched, is told of as abandoned; up to one more. 0: none
    /// is. Too high: whoever wants to remind shoppers comes too late. Too low: carts are told of whose owners are at lunch.
    pub(crate) abandoned_hours: u32,
    /// Days after which a cart that nobody has touched is emptied. 0: none is. Too high: space in the database. Too low:
    /// shoppers who come back find nothing.
    pub(crate) expire_days: u32,
    /// The same for guests. 0: as all others.
    pub(crate) expire_guests_days: u32,
    /// How the ids of guests begin. Empty: there are none.
    pub(crate) guest_prefix: String,
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
            abandoned_hours: 24,
            expire_days: 90,
            expire_guests_days: 30,
            guest_prefix: "guest-".to_owned(),
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
        for (key, value) in [
            ("abandoned_hours", self.abandoned_hours),
            ("expire_days", self.expire_days),
            ("expire_guests_days", self.expire_guests_days),
        ] {
            ensure!(value <= 100_000, "configuration key `carts.{key}`: it is from 0 to 100000");
        }
        Ok(())
    }
}
