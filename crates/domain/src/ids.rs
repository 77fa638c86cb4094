use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing, or more than 100 characters.
    #[error("an id has 1 to 100 characters, this one has {0}")]
    Length(usize),
    /// A character outside the alphabet of ids.
    #[error("an id has only letters, digits and any of . _ : @ - ; found {0:?}")]
    Character(char),
}

const MAX_ID: usize = 100;

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() || text.len() > MAX_ID {
        return Err(IdError::Length(text.chars().count()));
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._:@-".contains(*c))) {
        Some(wrong) => Err(IdError::Character(wrong)),
        None => Ok(()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 100 characters of `[A-Za-z0-9._:@-]`. A clone shares the text.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`IdError`] says what is wrong with it.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(D::Error::custom)
            }
        }
    };
}

id! {
    /// Whose cart it is: a user, or a guest.
    OwnerId
}
id! {
    /// Which product.
    ProductId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_and_the_length_are_checked() {
        assert!(ProductId::new("a.B_9:@-").is_ok());
        assert!(ProductId::new(&"x".repeat(100)).is_ok());
        assert_eq!(ProductId::new(""), Err(IdError::Length(0)));
        assert_eq!(ProductId::new(&"x".repeat(101)), Err(IdError::Length(101)));
        assert_eq!(ProductId::new("a b"), Err(IdError::Character(' ')));
        assert_eq!(ProductId::new("é"), Err(IdError::Character('é')));
        assert_eq!(ProductId::new("a\u{202e}b"), Err(IdError::Character('\u{202e}')));
    }
}
