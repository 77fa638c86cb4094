use std::{fmt, str::FromStr};

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// An ISO 4217 currency that has minor units.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

/// Why something is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not an ISO 4217 code, or one without minor units (gold, say).
    #[error("{0:?} is not an ISO 4217 currency code such as EUR or USD")]
    Currency(String),
    /// Not a decimal number at all.
    #[error("{0:?} is not a decimal number such as 12.99")]
    NotANumber(String),
    /// Below zero.
    #[error("an amount is not negative")]
    Negative,
    /// More decimals than the currency has.
    #[error("{currency} has {digits} decimals, {text:?} has more")]
    TooPrecise {
        /// What was given.
        text: String,
        /// In which currency.
        currency: Currency,
        /// How many decimals that one has.
        digits: u32,
    },
    /// More than fits.
    #[error("the amount is too large")]
    Overflow,
}

impl MoneyError {
    /// Stable name of what is wrong, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Currency(_) => "unknown_currency",
            Self::NotANumber(_) => "not_a_number",
            Self::Negative => "negative",
            Self::TooPrecise { .. } => "too_precise",
            Self::Overflow => "too_large",
        }
    }
}

/// The longest text that is tried as an amount.
const MAX_TEXT: usize = 40;
/// The largest amount, in minor units: every sum of a full cart still fits an `i64`,
/// and its text is an exact JSON number for clients that read doubles.
const MAX_MINOR: i64 = 1_000_000_000_000;

impl Currency {
    /// Parses a three-letter code, upper case.
    ///
    /// # Errors
    /// [`MoneyError::Currency`].
    pub fn new(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code)
            .filter(|c| c.exponent().is_some())
            .map(Self)
            .ok_or_else(|| MoneyError::Currency(code.chars().take(12).collect()))
    }

    /// US dollar.
    pub const USD: Self = Self(iso_currency::Currency::USD);
    /// Euro.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);
    /// Yen: a currency without decimals.
    pub const JPY: Self = Self(iso_currency::Currency::JPY);

    /// The three letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals its amounts have.
    pub fn exponent(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(0))
    }

    /// Writes an amount of it as exact decimal text.
    ///
    /// # Errors
    /// Only those of the writer.
    pub fn write_amount(self, out: &mut impl fmt::Write, minor: i64) -> fmt::Result {
        write_minor(out, minor, self.exponent())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::new(code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::new(&code).map_err(D::Error::custom)
    }
}

/// An amount in whole minor units of a currency: never a float, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Money")]
        struct Parts {
            minor: i64,
            currency: Currency,
        }
        let Parts { minor, currency } = Parts::deserialize(deserializer)?;
        Self::from_minor(minor, currency).map_err(D::Error::custom)
    }
}

impl Money {
    /// An amount of `minor` units: `(1299, EUR)` is 12.99 €.
    ///
    /// # Errors
    /// [`MoneyError::Negative`], or [`MoneyError::Overflow`] above 10¹² minor units.
    pub fn from_minor(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        match minor {
            i64::MIN..0 => Err(MoneyError::Negative),
            0..=MAX_MINOR => Ok(Self { minor, currency }),
            _ => Err(MoneyError::Overflow),
        }
    }

    /// Reads decimal text: `1299.99`, `1e3`. Trailing zeros beyond the currency's decimals are no error.
    ///
    /// # Errors
    /// Every kind of [`MoneyError`] but [`MoneyError::Currency`].
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let not_a_number = || MoneyError::NotANumber(text.chars().take(MAX_TEXT).collect());
        if text.len() > MAX_TEXT || !text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c)) {
            return Err(not_a_number());
        }
        let decimal = if text.contains(['e', 'E']) {
            Decimal::from_scientific(text)
        } else {
            Decimal::from_str_exact(text)
        }
        .map_err(|error| match error {
            rust_decimal::Error::ExceedsMaximumPossibleValue
            | rust_decimal::Error::ScaleExceedsMaximumPrecision(_) => MoneyError::Overflow,
            _ => not_a_number(),
        })?;
        if decimal.is_sign_negative() && !decimal.is_zero() {
            return Err(MoneyError::Negative);
        }
        let digits = currency.exponent();
        let minor = decimal.checked_mul(Decimal::from(10_i64.pow(digits))).ok_or(MoneyError::Overflow)?;
        if !minor.fract().is_zero() {
            return Err(MoneyError::TooPrecise { text: text.to_owned(), currency, digits });
        }
        Self::from_minor(minor.to_i64().ok_or(MoneyError::Overflow)?, currency)
    }

    /// Whole minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// In which currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// So many times the amount, in minor units. Cannot overflow: an amount is at most 10¹².
    pub fn times(self, n: u16) -> i64 {
        self.minor * i64::from(n)
    }
}

/// The exact decimal text: `12.99`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_minor(f, self.minor, self.currency.exponent())
    }
}

/// Writes minor units as decimal text: `(1299, 2)` is `12.99`.
pub(crate) fn write_minor(f: &mut impl fmt::Write, minor: i64, digits: u32) -> fmt::Result {
    if digits == 0 {
        return write!(f, "{minor}");
    }
    let unit = 10_i64.pow(digits);
    write!(f, "{}.{:0width$}", minor / unit, minor % unit, width = digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_exactly() {
        let eur = |t: &str| Money::parse(t, Currency::EUR).map(Money::minor);
        assert_eq!(eur("1299.99"), Ok(129_999));
        assert_eq!(eur("0.1"), Ok(10));
        assert_eq!(eur("7"), Ok(700));
        assert_eq!(eur("1.500"), Ok(150));
        assert_eq!(eur("1e2"), Ok(10_000));
        assert_eq!(eur("-0"), Ok(0));
        assert!(matches!(eur("1.999"), Err(MoneyError::TooPrecise { .. })));
        assert_eq!(eur("-1"), Err(MoneyError::Negative));
        for junk in ["", "NaN", "inf", "1,5", "0x10", "١٢", " 1", "1e", "e5", "--1", "."] {
            assert!(matches!(eur(junk), Err(MoneyError::NotANumber(_))), "{junk:?}: {:?}", eur(junk));
        }
        for huge in ["1e30", "99999999999999999999", "1e400", "10000000000.01"] {
            assert!(eur(huge).is_err(), "{huge}");
        }
        assert!(matches!(Money::parse("1.5", Currency::JPY), Err(MoneyError::TooPrecise { .. })));
        assert_eq!(Money::parse("1500", Currency::JPY).map(|m| m.to_string()), Ok("1500".to_owned()));
    }

    proptest! {
        #[test]
        fn text_and_back(minor in 0..=MAX_MINOR) {
            let money = Money::from_minor(minor, Currency::USD).unwrap();
            prop_assert_eq!(Money::parse(&money.to_string(), Currency::USD), Ok(money));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = Money::parse(&text, Currency::EUR);
            let _ = Currency::new(&text);
        }

        #[test]
        fn no_number_like_text_panics(text in "[-+]?[0-9.eE+-]{0,45}") {
            let _ = Money::parse(&text, Currency::EUR);
        }
    }
}
