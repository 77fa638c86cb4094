use std::time::Duration;

use anyhow::ensure;
use cartwright_orders::HoldSettings;
use serde::Deserialize;

/// Stock that is kept for somebody for a while.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Holds {
    /// How long a hold lasts when the client does not say. Too high: goods lie in carts of people who have gone. Too low: they
    /// are gone while somebody pays.
    pub(crate) seconds: u32,
    /// How long a hold lasts with all its renewals, and its prices with it. Too high: somebody keeps goods, and old prices, from
    /// others. Too low: who pays slowly loses what he was promised.
    pub(crate) maximum_seconds: u32,
    /// Lines of a hold. Too high: one request locks many products. Too low: large carts cannot be held.
    pub(crate) lines: u32,
    /// Units of a hold, of all products together. Too high: one person holds all there is. Too low: large orders cannot be
    /// held.
    pub(crate) units: u32,
    /// Holds of one person at the same time. Too high: one person holds all there is, in portions. Too low: who has several
    /// devices or forgets to release is refused.
    pub(crate) per_user: u32,
    /// How many days a hold that has ended can be looked at. Too high: a table grows. Too low: a client that asks late what
    /// became of it, or sends its claim again, is told that there is none.
    pub(crate) keep_days: u32,
}

impl Default for Holds {
    fn default() -> Self {
        let HoldSettings { lasts, at_most, lines, units, per_owner } = HoldSettings::default();
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        Self {
            seconds: seconds(lasts),
            maximum_seconds: seconds(at_most),
            lines,
            units,
            per_user: per_owner,
            keep_days: 30,
        }
    }
}

/// Thirty days.
const LONGEST: u32 = 30 * 24 * 3_600;

impl Holds {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value, most) in [
            ("seconds", self.seconds, LONGEST),
            ("maximum_seconds", self.maximum_seconds, LONGEST),
            ("lines", self.lines, 500),
            ("units", self.units, 500_000),
            ("per_user", self.per_user, 10_000),
            ("keep_days", self.keep_days, 3_650),
        ] {
            ensure!((1..=most).contains(&value), "configuration key `holds.{key}`: it is from 1 to {most}");
        }
        ensure!(
            self.seconds <= self.maximum_seconds,
            "configuration key `holds.seconds`: it is not more than `holds.maximum_seconds`"
        );
        Ok(())
    }

    pub(crate) fn settings(&self) -> HoldSettings {
        HoldSettings {
            lasts: Duration::from_secs(self.seconds.into()),
            at_most: Duration::from_secs(self.maximum_seconds.into()),
            lines: self.lines,
            units: self.units,
            per_owner: self.per_user,
        }
    }
}
