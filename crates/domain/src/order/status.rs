use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Accepted: the stock is taken, nothing else has happened.
    Pending,
    /// Being worked on.
    Processing,
    /// Done.
    Completed,
    /// It could not be done; the stock is back.
    Failed,
    /// Somebody changed his mind; the stock is back.
    Cancelled,
    /// Nobody went on with it in time; the stock is back.
    Expired,
}

/// A text that is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a status is one of pending, processing, completed, failed, cancelled and expired")]
pub struct UnknownStatus;

impl OrderStatus {
    /// All of them, in the order in which orders pass through them.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Cancelled, Self::Expired];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether an order may go from this one to that one.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => !matches!(next, Self::Pending | Self::Completed),
            Self::Processing => matches!(next, Self::Completed | Self::Failed | Self::Cancelled),
            Self::Completed | Self::Failed | Self::Cancelled | Self::Expired => false,
        }
    }

    /// Whether nothing comes after it.
    pub fn is_final(self) -> bool {
        Self::ALL.into_iter().all(|next| !self.may_become(next))
    }

    /// Whether what was bought is back in stock.
    pub fn returns_stock(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled | Self::Expired)
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OrderStatus {
    type Err = UnknownStatus;
    fn from_str(name: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(UnknownStatus)
    }
}

/// A step of an order from one status to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Where it was. `None`: it was made.
    pub from: Option<OrderStatus>,
    /// Where it went.
    pub to: OrderStatus,
    /// When.
    pub at: DateTime<Utc>,
    /// Why, for people. `None`: nobody said.
    pub reason: Option<String>,
}

impl Transition {
    /// That with which every order begins, at the time at which it was made.
    pub fn first(created_at: DateTime<Utc>) -> Self {
        Self { from: None, to: OrderStatus::Pending, at: created_at, reason: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_only_go_forward() {
        for status in OrderStatus::ALL {
            assert_eq!(status.name().parse(), Ok(status));
            assert!(!status.may_become(status), "{status} is no step");
            assert!(!status.may_become(OrderStatus::Pending), "nothing begins anew");
            assert!(!status.returns_stock() || status.is_final(), "{status}: stock comes back once");
        }
        let open = OrderStatus::ALL.into_iter().filter(|status| !status.is_final());
        assert_eq!(open.collect::<Vec<_>>(), [OrderStatus::Pending, OrderStatus::Processing]);
        assert!(!OrderStatus::Pending.may_become(OrderStatus::Completed), "not without being worked on");
        assert!(!OrderStatus::Processing.may_become(OrderStatus::Expired), "somebody is working on it");
        assert_eq!("Pending".parse::<OrderStatus>(), Err(UnknownStatus));
    }
}
