use std::time::Duration;

use anyhow::ensure;
use cartwright_storage::Emission;
use serde::Deserialize;

/// What is told of, and for how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Events {
    /// Whether new versions of carts are events, too. They are most of what there is: a row more for each transaction that
    /// writes carts.
    pub(crate) carts: bool,
    /// A product of which less than so many are left has little stock, which is an event. 0: none. Too high: many events.
    /// Too low: it is sold out before anybody reads of it.
    pub(crate) stock_low: u32,
    /// Seconds before its end at which a hold is told of, if it is not claimed or renewed by then. 0: none is. Too high: holds
    /// are told of as soon as they are made. Too low: it is over before anybody can say so.
    pub(crate) hold_seconds: u32,
    /// Hours for which events are kept, to be listed and replayed. Too high: a hundred bytes or two for each. Too low: who was
    /// away for longer has to look at everything anew, and webhooks that are tried for a day have nothing to tell.
    pub(crate) keep_hours: u32,
    /// Milliseconds for which a process that has found nothing to tell does not look again. Too high: events come late. Too
    /// low: the database is asked for nothing.
    pub(crate) poll_ms: u64,
    /// How far back, in events of everybody, a stream of one user's events may go on from. Too high: one who comes back after
    /// hours makes the database read all of it. Too low: he has to look at everything anew.
    pub(crate) look_back: u64,
}

impl Default for Events {
    fn default() -> Self {
        let (emission, service) = (Emission::default(), cartwright_events::Settings::default());
        Self {
            carts: emission.carts,
            stock_low: emission.stock_low,
            hold_seconds: 60,
            keep_hours: 72,
            poll_ms: 50,
            look_back: service.look_back,
        }
    }
}

impl Events {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value, least, most) in [
            ("stock_low", self.stock_low.into(), 0, 1_000_000),
            ("hold_seconds", self.hold_seconds.into(), 0, 86_400),
            ("keep_hours", self.keep_hours.into(), 1, 100_000),
            ("poll_ms", self.poll_ms, 1, 60_000),
            ("look_back", self.look_back, 0, 1_000_000_000),
        ] {
            ensure!(
                (least..=most).contains(&value),
                "configuration key `events.{key}`: it is from {least} to {most}"
            );
        }
        Ok(())
    }

    /// What the store tells of.
    pub(crate) fn emission(&self) -> Emission {
        Emission { carts: self.carts, stock_low: self.stock_low }
    }

    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}
