//! What a JSON Web Key Set says (RFC 7517).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::tokens::{
    Algorithm, BadKey, PublicKey,
    json::{Members, WrongType},
    keys::{Key, Material},
};

/// A house has two or three.
const MOST_KEYS: usize = 100;
/// Members that only a private key or a secret has (RFC 7518, 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The keys that can be used, and why others cannot.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) keys: Vec<Key>,
    /// By their places, counted from 0.
    pub(crate) skipped: Vec<(usize, Skipped)>,
}

/// What is not a set of keys at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadDocument {
    #[error("it is not a JSON object with a list of `keys`")]
    Form,
    #[error("it has {0} keys; up to {MOST_KEYS} are read")]
    TooMany(usize),
}

/// Why a key of the set is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Skipped {
    #[error("a member is missing, stands twice or is of another type")]
    Unreadable,
    #[error("it is not for signatures")]
    Use,
    #[error("its `kty` or `crv` is not one that is used here")]
    Kind,
    #[error("its `alg` is not the one of its kind that is used here")]
    Algorithm,
    #[error("it is private, and has been published; make another one")]
    Private,
    #[error(transparent)]
    Bad(#[from] BadKey),
}

impl Document {
    pub(crate) fn read(body: &[u8]) -> Result<Self, BadDocument> {
        let list = Members::read(body).and_then(|set| set.list("keys").ok().flatten());
        let list = list.ok_or(BadDocument::Form)?;
        if list.len() > MOST_KEYS {
            return Err(BadDocument::TooMany(list.len()));
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (place, json) in list.into_iter().enumerate() {
            match read(json.get().as_bytes()) {
                Ok(key) => keys.push(key),
                Err(reason) => skipped.push((place, reason)),
            }
        }
        Ok(Self { keys, skipped })
    }
}

fn read(json: &[u8]) -> Result<Key, Skipped> {
    let key = Members::read(json).ok_or(Skipped::Unreadable)?;
    let unreadable = |WrongType| Skipped::Unreadable;
    let text = |name| key.text(name).map_err(unreadable);
    let kind = text("kty")?.ok_or(Skipped::Unreadable)?;
    if kind != "oct" && PRIVATE.iter().any(|name| key.has(name)) {
        return Err(Skipped::Private);
    }
    if text("use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(Skipped::Use);
    }
    if key.texts("key_ops").map_err(unreadable)?.is_some_and(|uses| !uses.iter().any(|one| one == "verify")) {
        return Err(Skipped::Use);
    }
    let curve = text("crv")?;
    let bytes = |name| {
        let encoded = text(name)?.ok_or(Skipped::Unreadable)?;
        URL_SAFE_NO_PAD.decode(encoded.as_bytes()).ok().ok_or(Skipped::Unreadable)
    };
    // Not `oct`: what everybody can fetch is no secret.
    let public = match (&*kind, curve.as_deref()) {
        ("RSA", _) => PublicKey::rsa(&bytes("n")?, &bytes("e")?)?,
        ("EC", Some("P-256")) => PublicKey::p256_of(&bytes("x")?, &bytes("y")?)?,
        ("OKP", Some("Ed25519")) => PublicKey::ed25519(&bytes("x")?)?,
        _ => return Err(Skipped::Kind),
    };
    if text("alg")?.is_some_and(|name| Algorithm::named(&name) != Some(public.algorithm())) {
        return Err(Skipped::Algorithm);
    }
    let kid = text("kid")?.map(Into::into);
    Ok(Key { kid, material: Material::Public(public) })
}
