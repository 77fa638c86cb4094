use std::time::Duration;

use anyhow::ensure;
use cartwright_orders::{HoldSettings, Strategy};
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
    /// Transactions at the same time; a second one begins when as many orders wait as the first has, or when it is slow. Too
    /// high: connections taken from others, and waiting for each other at popular products. Too low: one slow commit holds up
    /// everybody.
    pub(crate) transactions: usize,
    /// Orders that wait; more are answered 503. Too high: under overload everybody waits long. Too low: short peaks are
    /// refused.
    pub(crate) waiting: usize,
    /// Who takes orders on. `automatic`: jobs, which complete them; `manual`: an operator or a service of yours, by
    /// `POST /api/v1/orders/{id}/steps`.
    pub(crate) processing: Processing,
    /// Seconds after which an order is processed. Until it is completed it can be cancelled. Too high: buyers wait. Too low: who
    /// clicked too fast cannot change his mind.
    pub(crate) process_after_seconds: u64,
    /// Minutes after which an order that nobody has begun to process expires, and its stock is back; 0: never. With `manual`
    /// only. Too high: stock is kept for those who do not pay. Too low: orders expire that somebody was about to begin with.
    pub(crate) expire_after_minutes: u64,
}

/// Who takes orders from one status to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Processing {
    Automatic,
    Manual,
}

impl Default for Orders {
    fn default() -> Self {
        let service = cartwright_orders::Settings::default();
        Self {
            strategy: service.strategy,
            batch: service.batch,
            transactions: service.transactions,
            waiting: service.waiting,
            processing: Processing::Automatic,
            process_after_seconds: 3,
            expire_after_minutes: 1440,
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
        for (key, value, most) in [
            ("process_after_seconds", self.process_after_seconds, 2_592_000),
            ("expire_after_minutes", self.expire_after_minutes, 525_600),
        ] {
            ensure!(value <= most, "configuration key `orders.{key}`: it is {most} at most");
        }
        Ok(())
    }

    pub(crate) fn settings(&self, allow_unlisted: bool, holds: HoldSettings) -> cartwright_orders::Settings {
        let Self { strategy, batch, transactions, waiting, .. } = *self;
        let processing = self.processing();
        cartwright_orders::Settings {
            strategy,
            batch,
            transactions,
            waiting,
            allow_unlisted,
            processing,
            holds,
        }
    }

    fn processing(&self) -> cartwright_orders::Processing {
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        match self.processing {
            Processing::Automatic => cartwright_orders::Processing::Automatic {
                after: Duration::from_secs(self.process_after_seconds),
            },
            Processing::Manual => cartwright_orders::Processing::Manual {
                expire_after: Some(self.expire_after_minutes).filter(|after| *after > 0).map(minutes),
            },
        }
    }
}
