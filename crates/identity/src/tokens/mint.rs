//! Makes tokens, for development and for tests.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ring::{
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair},
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde::Serialize;

use super::{Algorithm, Secret};
use crate::Scopes;

/// A key that signs.
pub struct SigningKey(Kind);

enum Kind {
    Secret(Secret),
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A key that cannot sign tokens. Nothing of it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSigningKey {
    /// There is no section `PRIVATE KEY`.
    #[error(
        "there is no `-----BEGIN PRIVATE KEY-----`; `openssl genpkey -algorithm ed25519` makes one, `openssl pkcs8 -topk8 -nocrypt` makes one of an older form"
    )]
    Pem,
    /// None of the four algorithms is done with it.
    #[error("the private key is none of RSA of 2048 to 4096 bits, EC on P-256 and Ed25519")]
    Kind,
}

/// The key does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token cannot be signed with this key")]
pub struct MintError;

impl SigningKey {
    /// Signs with HS256.
    #[must_use]
    pub fn secret(secret: Secret) -> Self {
        Self(Kind::Secret(secret))
    }

    /// Signs with what the key is for. The text is PKCS #8 in PEM.
    ///
    /// # Errors
    /// [`BadSigningKey`].
    pub fn from_pem(pem: &str) -> Result<Self, BadSigningKey> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok().ok_or(BadSigningKey::Pem)?;
        let der = match &der {
            PrivateKeyDer::Pkcs8(der) => der.secret_pkcs8_der(),
            // The old form of RSA needs no other reader.
            PrivateKeyDer::Pkcs1(der) => {
                let key = RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().ok_or(BadSigningKey::Kind)?;
                return Ok(Self(Kind::Rsa(Box::new(key))));
            }
            _ => return Err(BadSigningKey::Pem),
        };
        // Each reader refuses the kinds of the others.
        let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(|key| Kind::Rsa(Box::new(key)));
        let p256 = || {
            let signing = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = EcdsaKeyPair::from_pkcs8(signing, der, &SystemRandom::new());
            key.ok().map(|key| Kind::P256(Box::new(key)))
        };
        // OpenSSL writes these without their public half.
        let ed25519 = || {
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
            key.ok().map(|key| Kind::Ed25519(Box::new(key)))
        };
        rsa().or_else(p256).or_else(ed25519).map(Self).ok_or(BadSigningKey::Kind)
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Kind::Secret(_) => Algorithm::Hs256,
            Kind::Rsa(_) => Algorithm::Rs256,
            Kind::P256(_) => Algorithm::Es256,
            Kind::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, MintError> {
        let random = SystemRandom::new();
        match &self.0 {
            Kind::Secret(secret) => Ok(secret.sign(message).as_ref().to_vec()),
            Kind::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let signed = key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.ok().map(|()| signature).ok_or(MintError)
            }
            Kind::P256(key) => {
                key.sign(&random, message).ok().map(|signed| signed.as_ref().to_vec()).ok_or(MintError)
            }
            Kind::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm())
    }
}

/// What a token is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: the user. `None`: it names nobody, which only a token with the scope `service` may.
    pub subject: Option<String>,
    /// `scope`.
    pub scopes: Scopes,
    /// `iss`, if the verifier asks for one.
    pub issuer: Option<String>,
    /// `aud`, if the verifier asks for one.
    pub audience: Option<String>,
    /// `iat`: now, as a rule.
    pub issued_at: DateTime<Utc>,
    /// `exp` is so much later. Seconds count.
    pub lifetime: Duration,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: i64,
    exp: i64,
}

/// A token that says this, signed with the key of the name `kid`. Whether it is accepted is up to the verifier: nothing is
/// checked here.
///
/// # Errors
/// [`MintError`], when the key does not sign.
pub fn mint(key: &SigningKey, kid: Option<&str>, claims: &Claims) -> Result<String, MintError> {
    let iat = claims.issued_at.timestamp();
    let body = Body {
        sub: claims.subject.as_deref(),
        scope: (!claims.scopes.is_empty()).then(|| claims.scopes.to_string()),
        iss: claims.issuer.as_deref(),
        aud: claims.audience.as_deref(),
        iat,
        exp: iat.saturating_add_unsigned(claims.lifetime.as_secs()),
    };
    let header = Header { alg: key.algorithm().name(), typ: "JWT", kid };
    let mut token = part(&header)?;
    token.push('.');
    token.push_str(&part(&body)?);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

fn part(value: &impl Serialize) -> Result<String, MintError> {
    serde_json::to_vec(value).ok().map(|json| URL_SAFE_NO_PAD.encode(json)).ok_or(MintError)
}
