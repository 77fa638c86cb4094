//! The four ways of signing.

use std::fmt;

/// How a key signs. Each key has one: which, the kind of the key says, and never the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256: a secret that signs and verifies.
    Hs256,
    /// RSA, PKCS #1 version 1.5, with SHA-256; keys of 2048 to 8192 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// As it stands in the header `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// By exactly that text: the standard tells capitals from small letters here.
    pub(crate) fn named(name: &str) -> Option<Self> {
        // RFC 9864 calls EdDSA on this curve `Ed25519` as well.
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa].into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
