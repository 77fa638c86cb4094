use anyhow::ensure;
use cartwright_storage::SessionPolicy;
use chrono::TimeDelta;
use serde::Deserialize;

/// What a shop remembers of somebody from one request to the next.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sessions {
    /// Where they are kept.
    pub(crate) store: SessionPlace,
    /// Minutes after its last use after which a session ends. Too high: sessions of people who have gone, for whoever finds
    /// their device. Too low: people log in again and again.
    pub(crate) minutes: u32,
    /// Days after which it ends however much it is used. Too high: a stolen session is good for long. Too low: as above.
    pub(crate) days: u32,
    /// Sessions of one person; of one more, that ends which would end first. Too high: a list that nobody reads. Too low: who
    /// has several devices is logged out.
    pub(crate) per_user: u32,
    /// Replicas of Redis that must know that a session is ended before that is said: a failover to one of them does not bring
    /// it back. Too high: without so many replicas no session can be ended (503). 0: nobody is waited for.
    pub(crate) ends_on_replicas: usize,
}

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SessionPlace {
    /// On Redis where there is one, else in the database.
    Auto,
    /// In the database, where they survive whatever orders do.
    Database,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { store: SessionPlace::Auto, minutes: 30, days: 30, per_user: 100, ends_on_replicas: 0 }
    }
}

impl Sessions {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (key, value, most) in [
            ("minutes", self.minutes, 525_600),
            ("days", self.days, 3_650),
            ("per_user", self.per_user, 10_000),
        ] {
            ensure!(
                (1..=most).contains(&value),
                "configuration key `sessions.{key}`: it is from 1 to {most}"
            );
        }
        ensure!(
            u64::from(self.minutes) <= u64::from(self.days) * 24 * 60,
            "configuration key `sessions.minutes`: it is not longer than `sessions.days`"
        );
        Ok(())
    }

    pub(crate) fn policy(&self) -> SessionPolicy {
        SessionPolicy {
            lifetime: TimeDelta::minutes(self.minutes.into()),
            at_most: TimeDelta::days(self.days.into()),
            per_owner: self.per_user,
        }
    }
}
