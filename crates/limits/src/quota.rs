use std::{num::NonZeroU32, time::Duration};

/// So many requests in so much time.
///
/// An amount is at most 1,000,000, and the time is whole milliseconds, up to a day: products of both are exact in the
/// numbers that Redis computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    amount: NonZeroU32,
    per: NonZeroU32,
}

/// Why numbers are no quota.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// Too many requests.
    #[error("a limit is at most 1000000 requests, and 0 switches it off; this one is {0}")]
    Amount(u32),
    /// Too short or too long.
    #[error("the time of a limit is from one millisecond to one day, this one is {0:?}")]
    Per(Duration),
}

const MOST: u32 = 1_000_000;
const LONGEST: u32 = 24 * 60 * 60 * 1000;

impl Quota {
    /// `amount` requests in `per`. Fractions of a millisecond are left off.
    ///
    /// # Errors
    /// [`QuotaError`] says which of the two is out of bounds.
    pub fn new(amount: NonZeroU32, per: Duration) -> Result<Self, QuotaError> {
        if amount.get() > MOST {
            return Err(QuotaError::Amount(amount.get()));
        }
        let millis = u32::try_from(per.as_millis()).ok().filter(|millis| *millis <= LONGEST);
        let per = millis.and_then(NonZeroU32::new).ok_or(QuotaError::Per(per))?;
        Ok(Self { amount, per })
    }

    /// `amount` requests a minute, as configured. `None`: 0 switches the limit off, and nothing is to be asked.
    ///
    /// # Errors
    /// [`QuotaError::Amount`] above 1,000,000.
    pub fn per_minute(amount: u32) -> Result<Option<Self>, QuotaError> {
        NonZeroU32::new(amount).map(|amount| Self::new(amount, Duration::from_secs(60))).transpose()
    }

    /// How many requests.
    pub fn amount(&self) -> u32 {
        self.amount.get()
    }

    /// In how much time.
    pub fn per(&self) -> Duration {
        Duration::from_millis(self.per_millis())
    }

    /// The same, in milliseconds.
    pub fn per_millis(&self) -> u64 {
        u64::from(self.per.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(amount: u32, per: Duration) -> Result<Quota, QuotaError> {
        Quota::new(NonZeroU32::new(amount).unwrap(), per)
    }

    #[test]
    fn bounds_are_checked_and_nought_is_no_limit() {
        let day = Duration::from_secs(86_400);
        assert_eq!(quota(1_000_000, day).map(|quota| (quota.amount(), quota.per())), Ok((1_000_000, day)));
        assert_eq!(quota(1_000_001, day), Err(QuotaError::Amount(1_000_001)));
        let longer = day + Duration::from_millis(1);
        assert_eq!(quota(1, longer), Err(QuotaError::Per(longer)));
        let none = Duration::from_micros(999);
        assert_eq!(quota(1, none), Err(QuotaError::Per(none)));
        assert_eq!(quota(1, Duration::from_micros(1999)).map(|quota| quota.per_millis()), Ok(1));
        assert_eq!(Quota::per_minute(0), Ok(None));
        let minute = Quota::per_minute(100).unwrap().unwrap();
        assert_eq!((minute.amount(), minute.per_millis()), (100, 60_000));
        assert_eq!(Quota::per_minute(u32::MAX), Err(QuotaError::Amount(u32::MAX)));
    }
}
