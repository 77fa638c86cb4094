//! What is to be believed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use cartwright_domain::{Clock, SystemClock};

use super::{JwksSettings, PublicKey, Secret};

const LONGEST_LEEWAY: Duration = Duration::from_secs(300);
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);

/// By which keys, from whom and for whom tokens are accepted.
///
/// All keys are good for all issuers: they are to be of one house. Without any key, nothing is accepted, and
/// [`Verifier::start`](super::Verifier::start) says so.
#[derive(Debug, Clone)]
pub struct JwtSettings {
    /// Secrets for HS256.
    pub secrets: Vec<Named<Secret>>,
    /// Public keys.
    pub public_keys: Vec<Named<PublicKey>>,
    /// Where more public keys are fetched.
    pub jwks: Option<JwksSettings>,
    /// `iss` must be one of these, letter by letter. Empty: it is not looked at, which is for development.
    pub issuers: Vec<String>,
    /// `aud` must name one of these. Empty: only tokens without `aud` are accepted, because one with it is for somebody else.
    pub audiences: Vec<String>,
    /// By how much clocks may differ: a token is accepted for so long after its `exp` and before its `nbf` and `iat`. At most
    /// 5 minutes.
    pub leeway: Duration,
    /// Which `typ` a token may have; capitals and a leading `application/` make no difference. A token without `typ` is a
    /// `JWT`. With only `at+jwt` here, ID tokens that are taken for access tokens are refused, if the issuer follows RFC 9068.
    pub types: Vec<String>,
    /// Longer tokens are refused unread, in bytes.
    pub max_bytes: usize,
    /// How many verified tokens are remembered, at about 300 bytes each. 0: none, and each request costs a signature.
    pub remembered: usize,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// A key and its name: the `kid` of tokens made with it. Without a name it is tried on tokens that name no key that is known.
#[derive(Debug, Clone)]
pub struct Named<K> {
    /// The name, if it has one.
    pub kid: Option<String>,
    /// The key.
    pub key: K,
}

impl<K> From<K> for Named<K> {
    fn from(key: K) -> Self {
        Self { kid: None, key }
    }
}

impl Default for JwtSettings {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            public_keys: Vec::new(),
            jwks: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(30),
            types: vec!["JWT".to_owned(), "at+jwt".to_owned()],
            max_bytes: 8 << 10,
            remembered: 10_000,
            clock: Arc::new(SystemClock),
        }
    }
}

impl JwtSettings {
    /// Whether anything can be verified by these settings.
    ///
    /// # Errors
    /// [`BadSettings`] says what would be right.
    pub fn check(&self) -> Result<(), BadSettings> {
        if self.secrets.is_empty() && self.public_keys.is_empty() && self.jwks.is_none() {
            return Err(BadSettings::NoKeys);
        }
        if self.leeway > LONGEST_LEEWAY {
            return Err(BadSettings::Leeway(self.leeway));
        }
        if self.types.is_empty() {
            return Err(BadSettings::NoTypes);
        }
        let Some(jwks) = &self.jwks else { return Ok(()) };
        let shortest = jwks.refresh.min(jwks.cooldown);
        if shortest < SHORTEST_REFRESH {
            return Err(BadSettings::Refresh(shortest));
        }
        if jwks.max_stale < jwks.refresh {
            return Err(BadSettings::MaxStale(jwks.max_stale, jwks.refresh));
        }
        Ok(())
    }
}

/// Settings by which nothing can be verified.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// Nothing would be accepted.
    #[error(
        "there is no key to verify tokens with; a secret, a public key or the address of a JWKS would be right"
    )]
    NoKeys,
    /// Expired tokens would be accepted for too long.
    #[error("a leeway of {0:?} is too long; up to {LONGEST_LEEWAY:?} would be right")]
    Leeway(Duration),
    /// Nothing would be accepted.
    #[error("no type of token is accepted; `JWT` and `at+jwt` are usual")]
    NoTypes,
    /// Whoever has the keys would be asked too often.
    #[error("looking for keys every {0:?} is too often; {SHORTEST_REFRESH:?} or more would be right")]
    Refresh(Duration),
    /// Keys would be too old before they are looked at again.
    #[error(
        "keys would be too old after {0:?}, and are looked at every {1:?}; the former should be the longer one"
    )]
    MaxStale(Duration, Duration),
    /// The certificate authorities cannot be read.
    #[error("the certificate authorities in {0} cannot be read")]
    CaFile(PathBuf, #[source] std::io::Error),
    /// The certificate authorities are none.
    #[error(
        "there is no certificate authority to verify the address of keys by; the package ca-certificates, or a file in PEM, would be right"
    )]
    NoAuthority,
    /// TLS does not want one of the certificates.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
}
