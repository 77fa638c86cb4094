//! Public keys, from PEM files and from JSON Web Keys.

use std::str::FromStr;

use pkcs1::RsaPublicKey;
use ring::{
    agreement,
    rand::SystemRandom,
    signature::{self, RsaPublicKeyComponents, UnparsedPublicKey},
};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use super::Algorithm;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const LEAST_RSA_BITS: usize = 2048;
const MOST_RSA_BITS: usize = 8192;
/// The first byte of a point that is written with both coordinates.
const UNCOMPRESSED: u8 = 4;
const COORDINATE: usize = 32;

/// Points of Ed25519 whose order is 8 or less, without the bit of the sign. To such a key, the zero key among them, there
/// are signatures that everybody can make. The list is that of libsodium (`ge25519_has_small_order`).
const SMALL_ORDER: [[u8; 32]; 7] = [
    ends(0x00, 0x00, 0x00),
    ends(0x01, 0x00, 0x00),
    // p - 1, p and p + 1, the latter two being 0 and 1 written otherwise.
    ends(0xec, 0xff, 0x7f),
    ends(0xed, 0xff, 0x7f),
    ends(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// A key with which everybody may verify. Read from PEM (`-----BEGIN PUBLIC KEY-----`): RSA of 2048 to 8192 bits for RS256, EC
/// on P-256 for ES256, Ed25519 for EdDSA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Modulus and exponent, big-endian, without zeros in front.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// The point, uncompressed.
    P256(Vec<u8>),
    /// The point, compressed, as always.
    Ed25519([u8; 32]),
}

/// A key that cannot be used to verify tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// There is no section `PUBLIC KEY`.
    #[error(
        "there is no `-----BEGIN PUBLIC KEY-----`; `openssl x509 -pubkey -noout` takes it out of a certificate, `openssl rsa -RSAPublicKey_in -pubout` makes it of an old RSA key"
    )]
    Pem,
    /// Verifying needs the public half, and nobody should have the other one who does not sign.
    #[error("this is a private key; tokens are verified with its public half: `openssl pkey -pubout`")]
    Private,
    /// The section does not contain a key.
    #[error("the section `PUBLIC KEY` is broken")]
    Der,
    /// A kind of key that none of the four algorithms uses.
    #[error("the key is of a kind that is not used here; RSA, EC on P-256 or Ed25519 would be right")]
    Kind,
    /// An RSA key that is too short to be safe, or too long to be verified.
    #[error("the RSA key has {0} bits; {LEAST_RSA_BITS} to {MOST_RSA_BITS} would be right")]
    RsaSize(usize),
    /// An RSA key with an exponent that makes no sense.
    #[error("the RSA key has an exponent that is not used; 65537 is usual")]
    RsaExponent,
    /// Not a point of the curve, or one for which everybody can sign.
    #[error("the key is not a usable point of its curve")]
    Point,
}

impl FromStr for PublicKey {
    type Err = BadKey;

    /// Reads the first key in the text.
    fn from_str(pem: &str) -> Result<Self, BadKey> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(BadKey::Private);
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok().ok_or(BadKey::Pem)?;
        let info = SubjectPublicKeyInfoRef::try_from(der.as_ref()).ok().ok_or(BadKey::Der)?;
        let key = info.subject_public_key.as_bytes().ok_or(BadKey::Der)?;
        match info.algorithm.oid {
            RSA => {
                let key = RsaPublicKey::try_from(key).ok().ok_or(BadKey::Der)?;
                Self::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
            }
            EC => match info.algorithm.parameters_oid() {
                Ok(P256) => Self::p256(key),
                _ => Err(BadKey::Kind),
            },
            ED25519 => Self::ed25519(key),
            _ => Err(BadKey::Kind),
        }
    }
}

impl PublicKey {
    /// By modulus and exponent.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, BadKey> {
        let (n, e) = (without_zeros(n), without_zeros(e));
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(LEAST_RSA_BITS..=MOST_RSA_BITS).contains(&bits) {
            return Err(BadKey::RsaSize(bits));
        }
        // What ring takes: odd, from 3 to 33 bits. An even modulus is not a product of two primes either.
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        let size = e.iter().take(6).fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        if !odd(e) || e.len() > 5 || !(3..1 << 33).contains(&size) {
            return Err(BadKey::RsaExponent);
        }
        if !odd(n) {
            return Err(BadKey::Der);
        }
        Ok(Self(Kind::Rsa { n: n.to_vec(), e: e.to_vec() }))
    }

    /// By its coordinates.
    pub(crate) fn p256_of(x: &[u8], y: &[u8]) -> Result<Self, BadKey> {
        if x.len() != COORDINATE || y.len() != COORDINATE {
            return Err(BadKey::Point);
        }
        Self::p256(&[&[UNCOMPRESSED], x, y].concat())
    }

    fn p256(point: &[u8]) -> Result<Self, BadKey> {
        // ring looks at a point when it is used. An exchange of keys is a use that needs no signature; it also refuses
        // points that are not written with both coordinates.
        let ours = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &SystemRandom::new());
        let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, point);
        let usable = ours.and_then(|ours| agreement::agree_ephemeral(ours, &theirs, |_| ()));
        usable.ok().ok_or(BadKey::Point)?;
        Ok(Self(Kind::P256(point.to_vec())))
    }

    /// By its one coordinate.
    pub(crate) fn ed25519(point: &[u8]) -> Result<Self, BadKey> {
        let point: [u8; 32] = point.try_into().ok().ok_or(BadKey::Point)?;
        let mut unsigned = point;
        unsigned[31] &= 0x7f;
        if SMALL_ORDER.contains(&unsigned) {
            return Err(BadKey::Point);
        }
        Ok(Self(Kind::Ed25519(point)))
    }

    /// The only one it is used with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Kind::Rsa { .. } => Algorithm::Rs256,
            Kind::P256(_) => Algorithm::Es256,
            Kind::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.0 {
            Kind::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Kind::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Kind::Ed25519(point) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::{BadKey, PublicKey, SMALL_ORDER, ends};

    /// Why the list is there: to each of these keys there is a signature that takes no private key, for one message in
    /// eight or more; and none of them is taken, whatever its sign.
    #[test]
    fn everybody_can_sign_for_a_key_of_small_order() {
        // R is the neutral element, and S is zero.
        let signature = [ends(1, 0, 0), [0; 32]].concat();
        for mut key in SMALL_ORDER {
            for sign in [0, 0x80] {
                key[31] |= sign;
                assert_eq!(PublicKey::ed25519(&key), Err(BadKey::Point), "{key:x?}");
                let verified = |n: u32| {
                    UnparsedPublicKey::new(&ED25519, key).verify(&n.to_le_bytes(), &signature).is_ok()
                };
                assert!((0..1000).any(verified), "{key:x?}");
            }
        }
    }
}
