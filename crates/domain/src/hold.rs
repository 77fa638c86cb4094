//! Holds: units that are kept for somebody for a while, at the prices of the moment in which they were asked for.

use std::{fmt, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{Currency, OrderError, OrderId, OrderLine, OwnerId, time_id::time_id};

time_id! {
    /// Which hold: a UUID of version 7, so that ids grow with time.
    HoldId,
    /// A text that is no id of a hold.
    HoldIdError,
    "the id of a hold is a UUID, as 01890a5d-ac96-774b-bcce-b302099a8057"
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldStatus {
    /// Its units are kept.
    Active,
    /// It became an order.
    Claimed,
    /// Whoever had it gave it back.
    Released,
    /// Its time was over. It may be renewed, if the units are still there.
    Expired,
}

/// A text that is no status of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the status of a hold is one of active, claimed, released and expired")]
pub struct UnknownHoldStatus;

impl HoldStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Active, Self::Claimed, Self::Released, Self::Expired];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Claimed => "claimed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for HoldStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HoldStatus {
    type Err = UnknownHoldStatus;
    fn from_str(name: &str) -> Result<Self, UnknownHoldStatus> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(UnknownHoldStatus)
    }
}

/// Units that are kept for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which hold.
    pub id: HoldId,
    /// For whom.
    pub owner: OwnerId,
    /// What became of it. One that has expired may still be said to be active: see [`Hold::at`].
    pub status: HoldStatus,
    /// The currency of its lines.
    pub currency: Currency,
    /// What is kept, in the order in which it was asked for, with names and prices as they were then. Not empty.
    pub lines: Vec<OrderLine>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From this moment on its units are anybody's.
    pub expires_at: DateTime<Utc>,
    /// No renewal goes beyond this moment.
    pub until: DateTime<Utc>,
    /// The order that it became. `None`: none, so far.
    pub order: Option<OrderId>,
}

impl Hold {
    /// Whether its units are kept at this moment. At the very moment of its expiry they are not any more.
    pub fn is_kept(&self, now: DateTime<Utc>) -> bool {
        self.status == HoldStatus::Active && now < self.expires_at
    }

    /// The hold as it is at this moment: one whose time is over has expired, whether somebody cleaned up or not.
    #[must_use]
    pub fn at(mut self, now: DateTime<Utc>) -> Self {
        if self.status == HoldStatus::Active && !self.is_kept(now) {
            self.status = HoldStatus::Expired;
        }
        self
    }

    /// When it would expire if it was renewed now, for so long. It never comes nearer, and never goes beyond
    /// [`until`](Self::until).
    pub fn renewed_until(&self, now: DateTime<Utc>, lasts: TimeDelta) -> DateTime<Utc> {
        let wanted = now.checked_add_signed(lasts).unwrap_or(self.until).min(self.until);
        wanted.max(self.expires_at)
    }

    /// The sum of its lines in minor units. Fits, as that of an order does.
    pub fn total_minor(&self) -> i64 {
        self.lines.iter().map(OrderLine::subtotal_minor).sum()
    }
}

/// Why nothing is held, or not for longer. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// It could not be bought either.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// More products than one hold may have.
    #[error("a hold has at most {max} lines")]
    TooManyLines {
        /// How many it may have.
        max: u32,
    },
    /// More units than one hold may have.
    #[error("a hold has at most {max} units, and {requested} were asked for")]
    TooManyUnits {
        /// How many it may have.
        max: u32,
        /// How many were asked for.
        requested: u32,
    },
    /// More holds than somebody may have at the same time.
    #[error("nobody has more than {max} holds at the same time")]
    TooManyHolds {
        /// How many he may have.
        max: u32,
    },
    /// Longer than a hold may last.
    #[error("a hold lasts for 1 to {} seconds", .max.num_seconds())]
    TooLong {
        /// How long it may.
        max: TimeDelta,
    },
    /// Nothing can be done with it any more.
    #[error("the hold is {0}")]
    Ended(HoldStatus),
    /// It was renewed for as long as a hold may last.
    #[error("the hold cannot be renewed beyond {}", .until.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))]
    AtItsEnd {
        /// How long it could.
        until: DateTime<Utc>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Money, ProductId, Quantity};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn hold() -> Hold {
        let price = Money::from_minor(250, Currency::EUR).unwrap();
        let line = OrderLine {
            product_id: ProductId::new("tea").unwrap(),
            name: "Tea".to_owned(),
            price,
            quantity: Quantity::new(2).unwrap(),
        };
        Hold {
            id: HoldId::new(at(0), [1; 10]),
            owner: OwnerId::new("ana").unwrap(),
            status: HoldStatus::Active,
            currency: Currency::EUR,
            lines: vec![line],
            created_at: at(0),
            expires_at: at(10),
            until: at(30),
            order: None,
        }
    }

    #[test]
    fn a_hold_ends_at_its_very_moment() {
        let last = at(10) - TimeDelta::microseconds(1);
        assert!(hold().is_kept(last));
        assert_eq!(hold().at(last).status, HoldStatus::Active);
        assert!(!hold().is_kept(at(10)));
        assert_eq!(hold().at(at(10)).status, HoldStatus::Expired);
        let released = Hold { status: HoldStatus::Released, ..hold() };
        assert_eq!(released.at(at(10)).status, HoldStatus::Released);
    }

    #[test]
    fn a_renewal_only_goes_forward_and_not_beyond_the_end() {
        assert_eq!(hold().renewed_until(at(5), TimeDelta::seconds(10)), at(15));
        assert_eq!(hold().renewed_until(at(5), TimeDelta::seconds(1)), at(10));
        assert_eq!(hold().renewed_until(at(25), TimeDelta::seconds(10)), at(30));
        assert_eq!(hold().renewed_until(at(25), TimeDelta::MAX), at(30));
    }

    #[test]
    fn statuses_are_read_as_they_are_named() {
        for status in HoldStatus::ALL {
            assert_eq!(status.name().parse(), Ok(status));
        }
        assert_eq!("kept".parse::<HoldStatus>(), Err(UnknownHoldStatus));
        assert_eq!("x".parse::<HoldId>(), Err(HoldIdError));
    }
}
