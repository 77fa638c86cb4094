use anyhow::ensure;
use cartwright_orders::Strategy;
use serde::Deserialize;

/// How orders get at stock.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Orders {
    /// `batched`: orders that wait together go as one transaction. `pessimistic`: a transaction for each, which locks its
    /// products. `optimistic`: a transaction for each, which takes stock on the condition that there is enough.
    pub(crate) strategy: Strategy,
    /// Orders in one transaction. Too high: it holds products' locks for long. Too low: more commits for the same work.
    pub(crate) batch: usize,
    /// Transactions at the same time; a second one begins when the first is slow. Too high: connections taken from others,
    /// and waiting for each other at popular products. Too low: one slow commit holds up everybody.
    pub(crate) transactions: usize,
    /// Orders that wait; more are answered 503. Too high: under overload everybody waits long. Too low: short peaks are
    /// refused.
    pub(crate) waiting: usize,
}

impl Default for Orders {
    fn default() -> Self {
        let service = cartwright_orders::Settings::default();
        Self {
            strategy: service.strategy,
            batch: service.batch,
            transactions: service.transactions,
            waiting: service.waiting,
        }
    }
}

impl Orders {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value, most) in [
            ("batch", self.batch, 1000),
            ("transactions", self.transactions, 64),
            ("waiting", self.waiting, 1_000_000),
        ] {
            ensure!((1..=most).contains(&value), "configuration key `orders.{key}`: it is from 1 to {most}");
        }
        Ok(())
    }

    pub(crate) fn settings(&self, allow_unlisted: bool) -> cartwright_orders::Settings {
        let Self { strategy, batch, transactions, waiting } = *self;
        cartwright_orders::Settings { strategy, batch, transactions, waiting, allow_unlisted }
    }
}
