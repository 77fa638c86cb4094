use crate::checked::checked_text;

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

fn check(text: &str) -> Result<&str, IdError> {
    if text.is_empty() || text.len() > MAX_ID {
        return Err(IdError::Length(text.chars().count()));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'@' | b'-');
    if text.bytes().all(fits) {
        return Ok(text);
    }
    let wrong = text.chars().find(|c| u8::try_from(*c).map_or(true, |byte| !fits(byte)));
    Err(IdError::Character(wrong.unwrap_or_default()))
}

checked_text! {
    /// Whose cart it is: a user, or a guest.
    ///
    /// 1 to 100 characters of `[A-Za-z0-9._:@-]`. A clone shares the text.
    OwnerId, IdError, check
}
checked_text! {
    /// Which product.
    ///
    /// 1 to 100 characters of `[A-Za-z0-9._:@-]`. A clone shares the text.
    ProductId, IdError, check
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
