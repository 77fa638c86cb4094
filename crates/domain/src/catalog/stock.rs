use serde::{Deserialize, Serialize};

/// How many of a product there are to sell: 0 to 1,000,000,000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Stock(u32);

/// A number that is no stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stock is a whole number from 0 to 1000000000, not {0}")]
pub struct StockError(pub i64);

impl Stock {
    /// None left.
    pub const NONE: Self = Self(0);
    /// The most that can be counted: it fits a signed 32-bit column, with room for what is returned.
    pub const MAX: u32 = 1_000_000_000;

    /// Checks the range.
    ///
    /// # Errors
    /// [`StockError`] when `n` is negative or above [`Stock::MAX`].
    pub fn new(n: i64) -> Result<Self, StockError> {
        match u32::try_from(n) {
            Ok(units) if units <= Self::MAX => Ok(Self(units)),
            _ => Err(StockError(n)),
        }
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Stock {
    type Error = StockError;
    fn try_from(n: i64) -> Result<Self, StockError> {
        Self::new(n)
    }
}

impl From<Stock> for i64 {
    fn from(stock: Stock) -> Self {
        stock.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_checked() {
        assert_eq!(Stock::new(0), Ok(Stock::NONE));
        assert_eq!(Stock::new(1_000_000_000).map(Stock::get), Ok(Stock::MAX));
        for wrong in [-1, 1_000_000_001, i64::MIN, i64::MAX, i64::from(u32::MAX) + 1] {
            assert_eq!(Stock::new(wrong), Err(StockError(wrong)));
        }
    }
}
