//! Guests: a secret that has a cart.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cartwright_domain::OwnerId;
use ring::digest::{Context, SHA256};

/// What the ids of guests' carts begin with, and those of users never do.
pub(crate) const PREFIX: &str = "guest-";
/// So that the same bytes hashed for another purpose give something else.
const LABEL: &[u8] = b"cartwright guest cart v1\0";
const BYTES: usize = 32;
/// Of the hash, in the id: to find a token for one of a million million carts takes 2^120 attempts.
const OF_HASH: usize = 20;

/// What a guest shows to have his cart: 256 random bits, written in 43 characters of base64url.
///
/// The cart's id, [`owner`](Self::owner), is computed from the token: `guest-` and 40 hexadecimal digits of a SHA-256 over
/// a label and the token. So:
///
/// - who shows a token has proved which cart is his, without a table, a look-up or a key of the server;
/// - the id may stand in logs, addresses and events: it does not lead back to the token;
/// - no token can be made to fit the id of another's cart.
///
/// It does not expire by itself, as the cart does, and cannot be withdrawn; it opens one cart and nothing else. After the
/// cart was merged into a user's, it opens an empty one.
///
/// [`expose`](Self::expose) is the only way to the text: no `Debug`, no `Display`, no `==`.
#[derive(Clone)]
pub struct GuestToken([u8; BYTES]);

/// A text that is not a guest token. What it was is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a guest token is 43 characters of base64url, as it was given out")]
pub struct BadGuestToken;

impl GuestToken {
    /// A new one, from a cryptographic generator that the operating system seeds.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// The text, for the guest to keep: 43 characters of `[A-Za-z0-9_-]`.
    #[must_use]
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The id of his cart. The same token always has the same.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        let mut context = Context::new(&SHA256);
        context.update(LABEL);
        context.update(&self.0);
        let hash = context.finish();
        let mut text = String::with_capacity(PREFIX.len() + 2 * OF_HASH);
        text.push_str(PREFIX);
        for byte in hash.as_ref().iter().take(OF_HASH) {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        #[expect(clippy::expect_used, reason = "the prefix and 40 digits are an id")]
        OwnerId::new(&text).expect("the alphabet of ids")
    }
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or_default()
}

/// Whether an id looks like a guest's. Capitals too: a store that does not tell them apart would take it for one.
pub(crate) fn is_reserved(id: &OwnerId) -> bool {
    id.as_str().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

impl FromStr for GuestToken {
    type Err = BadGuestToken;

    /// Reads exactly what [`expose`](GuestToken::expose) writes. A second text for the same token would be a second key to
    /// whatever is kept by the text.
    fn from_str(text: &str) -> Result<Self, BadGuestToken> {
        let mut bytes = [0; BYTES];
        // The decoder refuses padding, and bits behind the last byte.
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(BYTES) => Ok(Self(bytes)),
            _ => Err(BadGuestToken),
        }
    }
}

impl fmt::Debug for GuestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BadGuestToken, GuestToken};

    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn the_id_of_the_cart_stays_what_it_is() {
        // `printf 'cartwright guest cart v1\0\0\1\2…\37' | sha256sum`: carts are lost if this ever changes.
        let token: GuestToken = TEXT.parse().unwrap();
        assert_eq!(token.owner().as_str(), "guest-46eec9e42e3c3eb9ccd78e884dc7173d0f987943");
        assert_eq!(token.expose(), TEXT);
    }

    #[test]
    fn each_is_another_and_has_another_cart() {
        let (one, two) = (GuestToken::generate(), GuestToken::generate());
        assert_ne!(one.expose(), two.expose());
        assert_ne!(one.owner(), two.owner());
        assert_eq!(one.expose().len(), 43);
        assert_eq!(one.owner(), one.expose().parse::<GuestToken>().unwrap().owner());
    }

    #[test]
    fn only_the_text_that_was_given_out_is_read() {
        let long = format!("{TEXT}AAAA");
        for bad in [
            "",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
            &long,
            // Padding, another alphabet, blanks, bits behind the last byte.
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH+8",
            " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHhé",
        ] {
            assert_eq!(bad.parse::<GuestToken>().err(), Some(BadGuestToken), "{bad:?}");
        }
    }

    #[test]
    fn nothing_shows_it() {
        let token: GuestToken = TEXT.parse().unwrap();
        let shown = format!("{token:?} {token:#?} {BadGuestToken} {:?}", token.owner());
        assert!(!shown.contains("AAEC") && !shown.contains("1, 2"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(text in "[A-Za-z0-9_-]{43}") {
            if let Ok(token) = text.parse::<GuestToken>() {
                prop_assert_eq!(token.expose(), text);
            }
        }
    }
}
