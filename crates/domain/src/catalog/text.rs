use crate::checked::checked_text;

/// Why a text cannot be a product's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing that one could see.
    #[error("{what} has at least one visible character")]
    Empty {
        /// Of what it is the text: `a name`.
        what: &'static str,
    },
    /// More characters than there may be.
    #[error("{what} has at most {max} characters, this one has {found}")]
    TooLong {
        /// Of what it is the text.
        what: &'static str,
        /// The most there may be.
        max: usize,
        /// How many there are.
        found: usize,
    },
    /// A character that is not printed, or that changes how others are.
    #[error("{what} has printable characters only; found {found:?}")]
    Unprintable {
        /// Of what it is the text.
        what: &'static str,
        /// The first such character.
        found: char,
    },
}

impl TextError {
    /// Stable name of what is wrong, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } | Self::TooLong { .. } => "length",
            Self::Unprintable { .. } => "forbidden_character",
        }
    }
}

/// What a kind of text may be.
struct Rule {
    what: &'static str,
    max: usize,
    /// Whether it may be empty, and may have more than one line.
    prose: bool,
}

impl Rule {
    /// The text without the white space around it.
    fn check<'a>(&self, text: &'a str) -> Result<&'a str, TextError> {
        let what = self.what;
        let text = text.trim();
        // Counting is linear: a text of a gigabyte is not worth it to say how long it is exactly.
        let found = text.chars().take(self.max * 10).count();
        if found > self.max {
            return Err(TextError::TooLong { what, max: self.max, found });
        }
        let refused = |c: &char| !(is_printable(*c) || self.prose && matches!(c, '\n' | '\r' | '\t'));
        if let Some(found) = text.chars().find(refused) {
            return Err(TextError::Unprintable { what, found });
        }
        if !self.prose && text.chars().all(is_invisible) {
            return Err(TextError::Empty { what });
        }
        Ok(text)
    }
}

/// Controls are not printed. Line separators, and what turns the direction of the text after it, would make one text
/// look like another, or spill over into what is shown beside it; marks and joiners that scripts need are fine.
fn is_printable(c: char) -> bool {
    !(c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}'))
}

fn is_invisible(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{ad}')
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $rule:expr) => {
        checked_text! {
            $(#[$doc])*
            ///
            /// White space around it is removed. A clone shares the text.
            $name, TextError, |text| $rule.check(text)
        }

        impl $name {
            /// A text as a store kept it: it was checked when it was written, perhaps by an older rule.
            pub fn kept(text: impl AsRef<str>) -> Self {
                Self(smol_str::SmolStr::new(text))
            }
        }
    };
}

text! {
    /// What a product is called: 1 to 200 printable characters.
    ProductName, Rule { what: "a name", max: 200, prose: false }
}
text! {
    /// What is said of a product: up to 10,000 characters, also none, on any number of lines.
    Description, Rule { what: "a description", max: 10_000, prose: true }
}
text! {
    /// Where a product belongs: 1 to 100 printable characters, such as `Home & Garden`. Told apart by case.
    Category, Rule { what: "a category", max: 100, prose: false }
}

impl Default for Description {
    fn default() -> Self {
        Self::kept("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_checked() {
        let name = |text: &str| ProductName::new(text).map(|name| name.to_string());
        assert_eq!(name(" Home & Garden\t"), Ok("Home & Garden".into()));
        assert_eq!(name(&"☕".repeat(200)), Ok("☕".repeat(200)));
        assert_eq!(name("מוצר עברי"), Ok("מוצר עברי".into()));
        for empty in ["", "  ", "\u{200b}\u{200d}", "\u{ad}", " \u{2060} "] {
            assert_eq!(name(empty), Err(TextError::Empty { what: "a name" }), "{empty:?}");
        }
        for bad in ['\0', '\n', '\u{7f}', '\u{202e}', '\u{2066}', '\u{2028}', '\u{feff}'] {
            let refused = Err(TextError::Unprintable { what: "a name", found: bad });
            assert_eq!(name(&format!("a{bad}b")), refused);
        }
        let long = Err(TextError::TooLong { what: "a name", max: 200, found: 201 });
        assert_eq!(name(&"x".repeat(201)), long);
        assert!(matches!(name(&"x".repeat(1 << 20)), Err(TextError::TooLong { found: 2000, .. })));
    }

    #[test]
    fn descriptions_are_prose() {
        assert_eq!(Description::new(""), Ok(Description::default()));
        assert!(Description::new("Two\r\nlines,\tand a tab").is_ok());
        assert!(Description::new("a\0b").is_err());
        assert!(Description::new(&"é".repeat(10_000)).is_ok());
        assert!(Description::new(&"é".repeat(10_001)).is_err());
        assert!(Category::new(&"é".repeat(101)).is_err());
    }
}
