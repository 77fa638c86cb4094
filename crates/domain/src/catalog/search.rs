use std::{fmt, str::FromStr};

use super::{Category, Page};
use crate::{Currency, Money};

/// The words that somebody looks for.
///
/// Any text can be looked for: letters and digits make words, everything else is between them. What is too much is
/// left out, so that a text of megabytes costs no more than a long sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SearchText {
    words: Vec<String>,
    /// Whether the last word may go on: nothing came after it.
    open: bool,
}

/// How many words count.
const MAX_WORDS: usize = 12;
/// How many characters of a word count.
const MAX_WORD: usize = 40;
/// How much of a text is looked at.
const MAX_LOOKED_AT: usize = 1_000;

impl SearchText {
    /// Takes the words out of any text.
    pub fn new(text: &str) -> Self {
        let start: String = text.chars().take(MAX_LOOKED_AT).collect();
        let words: Vec<String> = start
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(MAX_WORDS)
            .map(lower)
            .collect();
        Self { words, open: start.ends_with(char::is_alphanumeric) }
    }

    /// The words, in lower case, letters and digits only. Empty when there are none.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether the last word is still being typed: `coff` looks for `coffee`, `coff ` does not.
    pub fn is_open(&self) -> bool {
        self.open
    }
}

fn lower(word: &str) -> String {
    // The lower case of some letters brings a mark along.
    word.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).take(MAX_WORD).collect()
}

/// The words, a space between them: the same for texts that find the same.
impl fmt::Display for SearchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))?;
        f.write_str(if self.open { "" } else { " " })
    }
}

/// From a price to a price, both included, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PriceRange {
    currency: Currency,
    min: Option<Money>,
    max: Option<Money>,
}

/// Two prices that are no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceRangeError {
    /// Two currencies.
    #[error("both prices are in one currency, not in {0} and {1}")]
    Currencies(Currency, Currency),
    /// The wrong way round.
    #[error("the lowest price, {0}, is above the highest, {1}")]
    Empty(Money, Money),
}

impl PriceRange {
    /// A range with at least one end. `None` when it has none.
    ///
    /// # Errors
    /// [`PriceRangeError`] says what is wrong with them.
    pub fn new(min: Option<Money>, max: Option<Money>) -> Result<Option<Self>, PriceRangeError> {
        if let (Some(min), Some(max)) = (min, max) {
            if min.currency() != max.currency() {
                return Err(PriceRangeError::Currencies(min.currency(), max.currency()));
            }
            if min.minor() > max.minor() {
                return Err(PriceRangeError::Empty(min, max));
            }
        }
        Ok(min.or(max).map(|money| Self { currency: money.currency(), min, max }))
    }

    /// Prices in other currencies are outside.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The lowest price. `None`: any.
    pub fn min(&self) -> Option<Money> {
        self.min
    }

    /// The highest price. `None`: any.
    pub fn max(&self) -> Option<Money> {
        self.max
    }
}

/// In which order matches are shown. Equal ones are in the order of their ids; backwards, where it goes down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SearchSort {
    /// The best match first, then by id; without words, the newest.
    #[default]
    Relevance,
    /// The cheapest first.
    PriceUp,
    /// The dearest first.
    PriceDown,
    /// The newest first.
    Newest,
}

/// What somebody looks for. Only products that can be bought are found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SearchQuery {
    /// Words that must all occur. `None`: whatever passes the filters. A text without words finds nothing. A single word
    /// that is in the names of many products need not be looked for in descriptions.
    pub text: Option<SearchText>,
    /// Of one category.
    pub category: Option<Category>,
    /// At a price in the range.
    pub price: Option<PriceRange>,
    /// Only what is in stock.
    pub in_stock: bool,
    /// In which order.
    pub sort: SearchSort,
    /// Which part.
    pub page: Page,
}

/// Over which time purchases are counted. Days are days of UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TopWindow {
    /// Today and the day before.
    Day,
    /// Today and the seven days before.
    #[default]
    Week,
    /// Today and the thirty days before.
    Month,
    /// Ever.
    All,
}

/// A text that names no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a window is one of day, week, month, all; not {0:?}")]
pub struct UnknownTopWindow(pub String);

impl TopWindow {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::All];

    /// How many days before today it begins. `None`: it has no beginning.
    pub fn days(self) -> Option<u16> {
        match self {
            Self::Day => Some(1),
            Self::Week => Some(7),
            Self::Month => Some(30),
            Self::All => None,
        }
    }

    /// `day`, `week`, `month`, `all`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::All => "all",
        }
    }
}

impl fmt::Display for TopWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TopWindow {
    type Err = UnknownTopWindow;
    fn from_str(text: &str) -> Result<Self, UnknownTopWindow> {
        let unknown = || UnknownTopWindow(text.chars().take(12).collect());
        Self::ALL.into_iter().find(|window| window.as_str() == text).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        SearchText::new(text).words().to_vec()
    }

    #[test]
    fn words_are_letters_and_digits() {
        assert_eq!(words("  USB-C Dock, 4k!"), ["usb", "c", "dock", "4k"]);
        assert_eq!(words("a\0b' | & ! :* (c) \"d\" NEAR/2"), ["a", "b", "c", "d", "near", "2"]);
        assert_eq!(words("☕ \u{202e}שלום 🎉"), ["שלום"]);
        assert_eq!(words("☕ !? \0"), [""; 0]);
        assert!(SearchText::new("coff").is_open() && !SearchText::new("coff ").is_open());
        assert_eq!(SearchText::new("A  b").to_string(), "a b");
    }

    #[test]
    fn huge_texts_are_cut() {
        assert_eq!(words(&"x".repeat(1 << 20)), ["x".repeat(40)]);
        assert_eq!(words(&"ab ".repeat(10_000)).len(), 12);
        // Lower case can be longer than upper case.
        assert_eq!(words(&"İ".repeat(100)).concat().chars().count(), 40);
    }

    #[test]
    fn ranges_have_one_currency_and_a_direction() {
        let eur = |minor| Money::from_minor(minor, Currency::EUR).unwrap();
        let usd = Money::from_minor(1, Currency::USD).unwrap();
        assert_eq!(PriceRange::new(None, None), Ok(None));
        let range = PriceRange::new(None, Some(eur(5))).unwrap().unwrap();
        assert_eq!((range.currency(), range.min(), range.max()), (Currency::EUR, None, Some(eur(5))));
        assert!(PriceRange::new(Some(eur(5)), Some(eur(5))).is_ok());
        assert_eq!(PriceRange::new(Some(eur(6)), Some(eur(5))), Err(PriceRangeError::Empty(eur(6), eur(5))));
        assert!(matches!(PriceRange::new(Some(eur(1)), Some(usd)), Err(PriceRangeError::Currencies(..))));
    }

    #[test]
    fn windows_have_names() {
        for window in TopWindow::ALL {
            assert_eq!(window.as_str().parse(), Ok(window));
        }
        assert!("Week".parse::<TopWindow>().is_err());
    }
}
