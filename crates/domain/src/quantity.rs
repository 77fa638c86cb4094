use serde::{Deserialize, Serialize};

/// How many of one product a line holds: 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(u16);

/// A number that is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 1 to 1000, not {0}")]
pub struct QuantityError(pub i64);

impl Quantity {
    /// The most of one product that a line can hold.
    pub const MAX: u16 = 1000;
    /// One.
    pub const ONE: Self = Self(1);

    /// Checks the range.
    ///
    /// # Errors
    /// [`QuantityError`] when `n` is not from 1 to 1,000.
    pub fn new(n: i64) -> Result<Self, QuantityError> {
        match u16::try_from(n) {
            Ok(small) if (1..=Self::MAX).contains(&small) => Ok(Self(small)),
            _ => Err(QuantityError(n)),
        }
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The sum, or `None` when a line cannot hold that many.
    pub fn plus(self, other: Self) -> Option<Self> {
        Self::new(i64::from(self.0) + i64::from(other.0)).ok()
    }
}

impl TryFrom<i64> for Quantity {
    type Error = QuantityError;
    fn try_from(n: i64) -> Result<Self, QuantityError> {
        Self::new(n)
    }
}

impl From<Quantity> for i64 {
    fn from(q: Quantity) -> i64 {
        i64::from(q.0)
    }
}
