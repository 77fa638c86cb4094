//! The secret of HS256.

use std::fmt;

use ring::hmac;
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use spki::SubjectPublicKeyInfoRef;

/// As long as what the hash gives: RFC 7518, 3.2, asks for it.
const LEAST: usize = 32;

/// What whoever makes tokens with HS256 shares with whoever verifies them: at least 32 random bytes.
///
/// Everyone who has it can make tokens for everybody. Nothing shows it, and there is no `==`.
#[derive(Clone)]
pub struct Secret(hmac::Key);

/// Bytes that are no good secret. What they were is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It could be guessed.
    #[error(
        "the secret has {0} bytes; HS256 needs at least {LEAST} random ones, as from `openssl rand -base64 48`"
    )]
    Short(usize),
    /// Everybody has it: whoever knows the public key could make tokens with it.
    #[error("the secret is a public key or a certificate, which is no secret; give it as a PEM key instead")]
    Public,
}

impl Secret {
    /// The bytes as they are: a text is not decoded.
    ///
    /// # Errors
    /// [`BadSecret`].
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, BadSecret> {
        let bytes = bytes.as_ref();
        if is_public(bytes) {
            return Err(BadSecret::Public);
        }
        if bytes.len() < LEAST {
            return Err(BadSecret::Short(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    pub(super) fn sign(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, message)
    }

    /// Compares in constant time.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.0, message, signature).is_ok()
    }
}

fn is_public(bytes: &[u8]) -> bool {
    let pem = bytes.trim_ascii_start();
    pem.starts_with(b"-----BEGIN")
        || pem.starts_with(b"ssh-")
        || SubjectPublicKeyInfoDer::from_pem_slice(bytes).is_ok()
        || SubjectPublicKeyInfoRef::try_from(bytes).is_ok()
        || pkcs1::RsaPublicKey::try_from(bytes).is_ok()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
