//! What sender and receiver share, and nobody else.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::CryptoRng;

/// So that people and scanners recognize a secret that has got out.
const PREFIX: &str = "whsec_";
/// What the specification allows, in bytes.
const LEAST: usize = 24;
const MOST: usize = 64;
/// As long as what the hash gives: more would add nothing.
const USUAL: usize = 32;

/// The key of one receiver's signatures: 24 to 64 random bytes, written `whsec_` and base64.
///
/// Each receiver has its own. [`reveal`](Self::reveal) is the only way to the text. There is no `==`: it would take longer
/// the more of a guess is right.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A new one.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let mut key = [0; USUAL];
        random.fill_bytes(&mut key);
        Self(key.into())
    }

    /// The text, for the receiver to copy and for the store to keep.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A text that is not a secret. What it was is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is `{PREFIX}` and the base64 of {LEAST} to {MOST} random bytes")]
pub struct BadSecret;

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(BadSecret)?;
        // The cause would name a byte of the secret.
        let key = STANDARD.decode(encoded).ok().ok_or(BadSecret)?;
        if (LEAST..=MOST).contains(&key.len()) { Ok(Self(key.into())) } else { Err(BadSecret) }
    }
}

/// The secrets that are valid at the moment: one, or several while they are rotated. Never none.
///
/// Messages are signed with all of them, and a signature by any of them is good: a receiver that has only the old one
/// and a receiver that has only the new one are both served.
#[derive(Debug, Clone)]
pub struct Secrets {
    current: Secret,
    previous: Vec<Secret>,
}

impl Secrets {
    /// One secret.
    pub fn only(current: Secret) -> Self {
        Self { current, previous: Vec::new() }
    }

    /// A new secret, beside those that are valid still.
    pub fn rotated(current: Secret, previous: impl IntoIterator<Item = Secret>) -> Self {
        Self { current, previous: previous.into_iter().collect() }
    }

    /// The current one first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::{BadSecret, Secret, Secrets};

    const TEXT: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    #[test]
    fn texts_are_read_and_written_back() {
        let secret: Secret = TEXT.parse().unwrap();
        assert_eq!(secret.key().len(), 24);
        assert_eq!(secret.reveal(), TEXT);
        let new = Secret::generate(&mut StdRng::seed_from_u64(1));
        assert_eq!(new.reveal().parse::<Secret>().unwrap().key(), new.key());
        assert_ne!(new.key(), Secret::generate(&mut StdRng::seed_from_u64(2)).key());
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let short = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7o=";
        let long = format!("whsec_{}", "A".repeat(88));
        for bad in ["", "whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_C2FVs QIhrsc", short, &long] {
            assert_eq!(bad.parse::<Secret>().err(), Some(BadSecret), "{bad}");
        }
    }

    #[test]
    fn nothing_shows_it() {
        let secret: Secret = TEXT.parse().unwrap();
        let shown =
            format!("{:?} {:#?} {BadSecret}", secret, Secrets::rotated(secret.clone(), [secret.clone()]));
        assert!(!shown.contains("C2FV") && !shown.contains("11, 97"), "{shown}");
    }
}
