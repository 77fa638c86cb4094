//! Keys, tokens of any shape, and a verifier that believes the keys.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cartwright_domain::ManualClock;
use cartwright_identity::{JwtSettings, Named, PublicKey, Reason, Secret, Verified, Verifier};
use chrono::{DateTime, TimeDelta};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, RsaPublicKeyComponents},
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://login.example.com";
pub(crate) const AUDIENCE: &str = "shop";
pub(crate) const SECRET: &[u8; 32] = b"a secret that all the tests know";
/// Long enough for a busy machine; nothing waits that long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const RSA: &str = include_str!("../fixtures/rsa-2048.pem");
pub(crate) const RSA_OTHER: &str = include_str!("../fixtures/rsa-2048-other.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("../fixtures/rsa-2048-public.pem");
pub(crate) const RSA_SHORT: &str = include_str!("../fixtures/rsa-1024-public.pem");

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A key with both halves.
pub(crate) struct Pair {
    pub(crate) algorithm: &'static str,
    pub(crate) private_pem: String,
    /// Empty for RSA, whose public PEM is a fixture.
    pub(crate) public_pem: String,
    /// Without `kid`.
    pub(crate) jwk: Value,
    sign: Sign,
}

impl Pair {
    pub(crate) fn rsa(pem: &str) -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
        let jwk = json!({"kty": "RSA", "n": base64(&public.n), "e": base64(&public.e)});
        let sign: Sign = Box::new(move |message| {
            let mut signature = vec![0; key.public().modulus_len()];
            let random = SystemRandom::new();
            key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
            signature
        });
        Self { algorithm: "RS256", private_pem: pem.to_owned(), public_pem: String::new(), jwk, sign }
    }

    pub(crate) fn p256() -> Self {
        let made = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        // After the byte that says that both coordinates follow.
        let (x, y) = made.public_key_raw().split_at(33);
        let x = x.strip_prefix(&[4]).unwrap();
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)});
        let signing = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(signing, made.serialized_der(), &SystemRandom::new()).unwrap();
        let sign: Sign =
            Box::new(move |message| key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec());
        let (private_pem, public_pem) = (made.serialize_pem(), made.public_key_pem());
        Self { algorithm: "ES256", private_pem, public_pem, jwk, sign }
    }

    pub(crate) fn ed25519() -> Self {
        let made = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64(made.public_key_raw())});
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(made.serialized_der()).unwrap();
        let sign: Sign = Box::new(move |message| key.sign(message).as_ref().to_vec());
        let (private_pem, public_pem) = (made.serialize_pem(), made.public_key_pem());
        Self { algorithm: "EdDSA", private_pem, public_pem, jwk, sign }
    }

    pub(crate) fn hs256(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sign: Sign = Box::new(move |message| hmac::sign(&key, message).as_ref().to_vec());
        let jwk = json!({"kty": "oct", "k": base64(secret)});
        Self { algorithm: "HS256", private_pem: String::new(), public_pem: String::new(), jwk, sign }
    }

    /// The public half as a JSON Web Key of that name.
    pub(crate) fn named(&self, kid: &str) -> Value {
        with(self.jwk.clone(), &json!({"kid": kid}))
    }

    /// A token of this header and these claims, whatever they are.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.raw(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn raw(&self, header: &str, claims: &str) -> String {
        self.signed(&format!("{}.{}", base64(header), base64(claims)))
    }

    /// Signs the two parts as they are.
    pub(crate) fn signed(&self, parts: &str) -> String {
        format!("{parts}.{}", base64((self.sign)(parts.as_bytes())))
    }

    /// A token that is as it should be, by the key of that name.
    pub(crate) fn good(&self, kid: &str) -> String {
        self.token(&json!({"alg": self.algorithm, "kid": kid}), &claims())
    }

    /// The same, but for its claims.
    pub(crate) fn saying(&self, changes: &Value) -> String {
        self.token(&json!({"alg": self.algorithm}), &with(claims(), changes))
    }
}

/// One key of each algorithm, named by it.
pub(crate) struct Pairs {
    pub(crate) hs: Pair,
    pub(crate) rs: Pair,
    pub(crate) es: Pair,
    pub(crate) ed: Pair,
}

pub(crate) static PAIRS: LazyLock<Pairs> = LazyLock::new(|| Pairs {
    hs: Pair::hs256(SECRET),
    rs: Pair::rsa(RSA),
    es: Pair::p256(),
    ed: Pair::ed25519(),
});

impl Pairs {
    pub(crate) fn all(&self) -> [(&'static str, &Pair); 4] {
        [("hs", &self.hs), ("rs", &self.rs), ("es", &self.es), ("ed", &self.ed)]
    }
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// What a token should say.
pub(crate) fn claims() -> Value {
    json!({"sub": "ana", "iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 600})
}

/// The object with other members; `null` takes one out.
pub(crate) fn with(mut object: Value, changes: &Value) -> Value {
    let members = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        members.remove(name);
        if !value.is_null() {
            members.insert(name.clone(), value.clone());
        }
    }
    object
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(DateTime::from_timestamp(NOW, 0).unwrap()))
}

/// As a shop would have it, without keys.
pub(crate) fn settings(clock: &Arc<ManualClock>) -> JwtSettings {
    JwtSettings {
        issuers: vec![ISSUER.to_owned()],
        audiences: vec![AUDIENCE.to_owned()],
        clock: Arc::clone(clock) as Arc<_>,
        ..JwtSettings::default()
    }
}

pub(crate) fn named<K>(kid: &str, key: K) -> Named<K> {
    Named { kid: Some(kid.to_owned()), key }
}

pub(crate) fn public(pem: &str) -> PublicKey {
    pem.parse().unwrap()
}

/// With all four keys.
pub(crate) fn all_keys(clock: &Arc<ManualClock>) -> JwtSettings {
    JwtSettings {
        secrets: vec![named("hs", Secret::new(SECRET).unwrap())],
        public_keys: vec![
            named("rs", public(RSA_PUBLIC)),
            named("es", public(&PAIRS.es.public_pem)),
            named("ed", public(&PAIRS.ed.public_pem)),
        ],
        ..settings(clock)
    }
}

pub(crate) async fn start(settings: JwtSettings) -> Verifier {
    Verifier::start(settings).await.unwrap()
}

/// Who asks by the token, or why not.
pub(crate) async fn ask(verifier: &Verifier, token: &str) -> Result<Arc<Verified>, Reason> {
    verifier.verify(token).await.map_err(cartwright_identity::Rejected::reason)
}

pub(crate) fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// Waits until it is so.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap();
}
