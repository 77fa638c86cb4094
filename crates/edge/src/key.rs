//! What an object at the edge depends on, as a text that is safe wherever it has to stand.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};
use smol_str::{SmolStr, SmolStrBuilder};

/// Longer keys than this are cut, with a hash of the whole in place of the rest.
const LONGEST: usize = 128;
/// What is left of a long key, so that a person can still tell what it is about.
const PREFIX: usize = LONGEST - MARK.len() - 32;
/// Comes before the hash. Escapes are a `%` and two digits, so nobody's text has this.
const MARK: &str = "%%";

/// Names something that answers at the edge depend on: `product:17`, `category:Books`, `search`.
///
/// Two different texts are two different keys. The text of a key consists of letters, digits and `_-:%`, and has at most
/// 128 bytes: it can stand in a header, in a list separated by blanks or commas, and in a regular expression, where it
/// means itself.
///
/// ```
/// use cartwright_edge::SurrogateKey;
///
/// assert_eq!(SurrogateKey::of("product", "17").as_str(), "product:17");
/// assert_eq!(SurrogateKey::of("category", "Käse & Wein").as_str(), "category:K%C3%A4se%20%26%20Wein");
/// assert_eq!(SurrogateKey::new("search").as_str(), "search");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SurrogateKey(SmolStr);

impl SurrogateKey {
    /// The key of any text. What is not safe is percent-encoded; what is then too long ends with a hash.
    pub fn new(text: impl AsRef<str>) -> Self {
        let mut encoded = SmolStrBuilder::new();
        encode(text.as_ref(), &mut encoded);
        Self::bounded(encoded.finish())
    }

    /// The key of a thing among those of its kind, written `kind:id`.
    pub fn of(kind: &str, id: &str) -> Self {
        let mut encoded = SmolStrBuilder::new();
        encode(kind, &mut encoded);
        encoded.push(':');
        encode(id, &mut encoded);
        Self::bounded(encoded.finish())
    }

    fn bounded(encoded: SmolStr) -> Self {
        if encoded.is_empty() {
            // A list of keys has no room for an empty one, and no text is encoded as this.
            return Self(SmolStr::new_static("%"));
        }
        if encoded.len() <= LONGEST {
            return Self(encoded);
        }
        let mut cut = SmolStrBuilder::new();
        cut.push_str(encoded.get(..PREFIX).unwrap_or_default());
        cut.push_str(MARK);
        for byte in Sha256::digest(encoded.as_bytes()).iter().take(16) {
            push_hex(*byte, &mut cut);
        }
        Self(cut.finish())
    }

    /// The safe text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is safe stays, all else becomes `%` and two hexadecimal digits a byte.
fn encode(text: &str, to: &mut SmolStrBuilder) {
    let stays = |byte| byte != b'%' && is_safe(byte);
    if text.bytes().all(stays) {
        return to.push_str(text);
    }
    for byte in text.bytes() {
        if stays(byte) {
            to.push(char::from(byte));
        } else {
            to.push('%');
            push_hex(byte, to);
        }
    }
}

fn push_hex(byte: u8, to: &mut SmolStrBuilder) {
    for digit in [byte >> 4, byte & 0xf] {
        to.push(char::from_digit(u32::from(digit), 16).unwrap_or_default().to_ascii_uppercase());
    }
}

fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'%')
}

impl fmt::Display for SurrogateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SurrogateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not the text of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a surrogate key is 1 to {LONGEST} letters, digits and any of `_-:%`")]
pub struct BadKey;

/// Reads the text of a key, as it stands in a header, without encoding it again.
impl FromStr for SurrogateKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_safe);
        if fits { Ok(Self(text.into())) } else { Err(BadKey) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, SurrogateKey};

    #[test]
    fn hostile_texts_are_only_texts() {
        for (text, key) in [
            ("a b", "a%20b"),
            ("a\r\nX-Evil: 1", "a%0D%0AX-Evil:%201"),
            (".*", "%2E%2A"),
            ("\" || obj.status == 200", "%22%20%7C%7C%20obj%2Estatus%20%3D%3D%20200"),
            ("100%", "100%25"),
            ("%20", "%2520"),
            ("é", "%C3%A9"),
            ("", "%"),
            ("*", "%2A"),
        ] {
            assert_eq!(SurrogateKey::new(text).as_str(), key);
        }
    }

    #[test]
    fn long_texts_keep_their_beginning_and_their_difference() {
        let long = "x".repeat(500);
        let one = SurrogateKey::of("category", &format!("{long}1"));
        let other = SurrogateKey::of("category", &format!("{long}2"));
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), LONGEST);
        assert!(one.as_str().starts_with("category:xxx"), "{one}");
        assert_eq!(SurrogateKey::new("y".repeat(LONGEST)).as_str().len(), LONGEST);
        assert!(!SurrogateKey::new("y".repeat(LONGEST)).as_str().contains('%'));
    }

    #[test]
    fn texts_of_keys_are_read_back_and_others_are_not() {
        for bad in ["", "a b", "a.b", "é", "a\n", &"x".repeat(LONGEST + 1)] {
            assert!(bad.parse::<SurrogateKey>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_has_a_safe_key_of_its_own(one in "\\PC{0,200}|[%A-F0-9]{0,200}", other in "\\PC{0,3}|[%A-F0-9]{0,4}") {
            let key = SurrogateKey::new(&one);
            prop_assert_eq!(key.as_str().parse::<SurrogateKey>(), Ok(key.clone()));
            prop_assert_eq!(one == other, key == SurrogateKey::new(&other));
        }
    }
}
