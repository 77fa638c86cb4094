//! Signatures that somebody else has made, or that special numbers might pass for.

use cartwright_identity::Reason::*;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};
use ring::signature::{self, EcdsaKeyPair};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::json;

use crate::{
    forged::{Forged, all_are_refused, row},
    kit::{PAIRS, Pair, RSA_OTHER, RSA_PUBLIC, base64, claims, decode, with},
};

/// A verifier that lets the token choose would take what everybody knows for a secret.
#[tokio::test]
async fn public_keys_as_secrets() {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(RSA_PUBLIC.as_bytes()).unwrap();
    let modulus = PAIRS.rs.jwk["n"].as_str().unwrap();
    let point = PAIRS.ed.jwk["x"].as_str().unwrap();
    let raw = decode(modulus);
    let secrets: [(&str, &[u8]); 11] = [
        ("PEM", RSA_PUBLIC.as_bytes()),
        ("PEM without its last line end", RSA_PUBLIC.trim_end().as_bytes()),
        ("DER", der.as_ref()),
        ("modulus", modulus.as_bytes()),
        ("bytes of the modulus", &raw),
        ("EC PEM", PAIRS.es.public_pem.as_bytes()),
        ("Ed25519 PEM", PAIRS.ed.public_pem.as_bytes()),
        ("Ed25519 point", point.as_bytes()),
        ("empty", b""),
        ("zeros", &[0; 32]),
        ("a usual one", b"secret"),
    ];
    let mut forged = Forged::new();
    for (what, secret) in secrets {
        let pair = Pair::hs256(secret);
        forged.push(row(what, pair.token(&json!({"alg": "HS256"}), &claims()), Signature));
        forged.push(row(what, pair.token(&json!({"alg": "HS256", "kid": "hs"}), &claims()), Signature));
        forged.push(row(what, pair.token(&json!({"alg": "HS256", "kid": "rs"}), &claims()), Algorithm));
        forged.push(row(what, pair.token(&json!({"alg": "RS256", "kid": "rs"}), &claims()), Signature));
    }
    all_are_refused(forged).await;
}

#[tokio::test]
async fn signatures() {
    let mut forged = Forged::new();
    for (what, pair) in [
        ("rs", Pair::rsa(RSA_OTHER)),
        ("es", Pair::p256()),
        ("ed", Pair::ed25519()),
        ("hs", Pair::hs256(&[7; 32])),
    ] {
        forged.push(row("another key of the same kind", pair.good(what), Signature));
        forged.push(row("another key, not named", pair.saying(&json!({})), Signature));
        let embedded = json!({"alg": pair.algorithm, "jwk": pair.jwk, "jku": "https://evil.example.com/keys", "x5u": "https://evil.example.com/", "x5c": [base64([1; 40])]});
        forged.push(row("brings its own key", pair.token(&embedded, &claims()), Signature));
        let named = with(embedded, &json!({"kid": what}));
        forged.push(row("brings its own key under a name of ours", pair.token(&named, &claims()), Signature));
    }
    for (kid, pair) in PAIRS.all() {
        let good = pair.good(kid);
        let (parts, signature) = good.rsplit_once('.').unwrap();
        let bytes = decode(signature);
        let cut = base64(&bytes[..bytes.len() - 1]);
        forged.push(row("a shortened signature", format!("{parts}.{cut}"), Signature));
        let longer = base64([&bytes[..], &[0]].concat());
        forged.push(row("a longer one", format!("{parts}.{longer}"), Signature));
        forged.push(row("none", format!("{parts}."), Form));
        forged.push(row("one byte", format!("{parts}.AA"), Signature));
        for byte in [0, 0xff] {
            forged.push(row(
                "all the same",
                format!("{parts}.{}", base64(vec![byte; bytes.len()])),
                Signature,
            ));
        }
        let (header, _) = parts.split_once('.').unwrap();
        let admin = base64(with(claims(), &json!({"scope": "admin"})).to_string());
        forged.push(row("other claims", format!("{header}.{admin}.{signature}"), Signature));
        let header = base64(json!({"alg": pair.algorithm, "kid": kid, "x": 1}).to_string());
        let (_, claims) = parts.split_once('.').unwrap();
        forged.push(row("another header", format!("{header}.{claims}.{signature}"), Signature));
        for other in PAIRS.all() {
            if other.0 != kid {
                let theirs = other.1.good(other.0);
                let (_, signature) = theirs.rsplit_once('.').unwrap();
                forged.push(row("another token's", format!("{parts}.{signature}"), Signature));
            }
        }
    }
    all_are_refused(forged).await;
}

/// What special numbers would do to careless arithmetic.
#[tokio::test]
async fn curves() {
    let parts = |pair: &Pair, kid: &str| {
        let good = pair.good(kid);
        good.rsplit_once('.').unwrap().0.to_owned()
    };
    let es = parts(&PAIRS.es, "es");
    // The order of P-256.
    let n = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (mut one, zero) = ([0; 32], [0; 32]);
    one[31] = 1;
    let mut forged = Forged::new();
    for r in [zero, one, n, [0xff; 32]] {
        for s in [zero, one, n, [0xff; 32]] {
            forged.push(row("r and s", format!("{es}.{}", base64([r, s].concat())), Signature));
        }
    }
    // The right key and message, written in ASN.1 as elsewhere.
    let der = EcdsaKeyPair::from_pkcs8(
        &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        rustls_pki_types::PrivatePkcs8KeyDer::from_pem_slice(PAIRS.es.private_pem.as_bytes())
            .unwrap()
            .secret_pkcs8_der(),
        &ring::rand::SystemRandom::new(),
    );
    let asn1 = der.unwrap().sign(&ring::rand::SystemRandom::new(), es.as_bytes()).unwrap();
    forged.push(row("ASN.1", format!("{es}.{}", base64(asn1)), Signature));
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let signing = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
    let p384 =
        EcdsaKeyPair::from_pkcs8(signing, p384.serialized_der(), &ring::rand::SystemRandom::new()).unwrap();
    let signed = p384.sign(&ring::rand::SystemRandom::new(), es.as_bytes()).unwrap();
    forged.push(row("P-384", format!("{es}.{}", base64(signed)), Signature));

    let ed = parts(&PAIRS.ed, "ed");
    // R of small order, S zero; and S made greater by the order of the group, which is the same number otherwise written.
    let mut identity = [0; 32];
    identity[0] = 1;
    for r in [zero, identity, [0xff; 32]] {
        forged.push(row("R of small order", format!("{ed}.{}", base64([r, zero].concat())), Signature));
    }
    let good = PAIRS.ed.signed(&ed);
    let mut bytes = decode(good.rsplit_once('.').unwrap().1);
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = ((sum & 0xff) as u8, sum >> 8);
    }
    forged.push(row("S plus the order", format!("{ed}.{}", base64(bytes)), Signature));
    all_are_refused(forged).await;
}
