//! Settings by which nothing could be verified, or too much, are refused with a word on what would be right.

use std::time::Duration;

use cartwright_identity::{
    BadKey, BadSecret, BadSettings, JwksSettings, JwtSettings, PublicKey, Secret, Verifier,
};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

use crate::kit::{PAIRS, RSA, RSA_PUBLIC, RSA_SHORT, all_keys, clock, named, settings};

async fn refused(settings: JwtSettings) -> BadSettings {
    Verifier::start(settings).await.unwrap_err()
}

#[test]
fn keys_that_cannot_be_used() {
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = CertificateParams::new(["a".to_owned()]).unwrap().self_signed(&p384).unwrap().pem();
    let broken = RSA_PUBLIC.replacen("MIIB", "MIIC", 1);
    let zero = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";
    for (pem, expected) in [
        ("", BadKey::Pem),
        ("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", BadKey::Pem),
        (&certificate, BadKey::Pem),
        (RSA, BadKey::Private),
        (&PAIRS.ed.private_pem, BadKey::Private),
        (&broken, BadKey::Der),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", BadKey::Der),
        (RSA_SHORT, BadKey::RsaSize(1024)),
        (&p384.public_key_pem(), BadKey::Kind),
        (zero, BadKey::Point),
    ] {
        assert_eq!(pem.parse::<PublicKey>(), Err(expected), "{pem}");
    }
}

#[test]
fn secrets_that_are_none() {
    for length in [0, 1, 31] {
        assert_eq!(Secret::new(vec![b'x'; length]).err(), Some(BadSecret::Short(length)));
    }
    assert!(BadSecret::Short(3).to_string().contains("at least 32"));
    assert!(Secret::new([b'x'; 32]).is_ok());
    let der = SubjectPublicKeyInfoDer::from_pem_slice(RSA_PUBLIC.as_bytes()).unwrap();
    let indented = format!("\n  {RSA_PUBLIC}");
    let public: [&[u8]; 6] = [
        RSA_PUBLIC.as_bytes(),
        indented.as_bytes(),
        PAIRS.ed.public_pem.as_bytes(),
        der.as_ref(),
        // The RSA key itself, without what says that it is one.
        &der.as_ref()[24..],
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me",
    ];
    for public in public {
        assert_eq!(Secret::new(public).err(), Some(BadSecret::Public), "{}", public.escape_ascii());
    }
}

#[test]
fn nothing_shows_a_secret() {
    let secret = Secret::new("correct horse battery staple and more").unwrap();
    let settings = JwtSettings { secrets: vec![named("k", secret.clone())], ..settings(&clock()) };
    let shown = format!("{secret:?} {settings:?} {settings:#?}");
    assert!(!shown.contains("horse") && !shown.contains("104, 111"), "{shown}");
}

#[tokio::test]
async fn times_and_types_that_make_no_sense() {
    let leeway = JwtSettings { leeway: Duration::from_secs(301), ..all_keys(&clock()) };
    assert!(matches!(refused(leeway).await, BadSettings::Leeway(_)));
    assert!(matches!(refused(settings(&clock())).await, BadSettings::NoKeys));
    let types = JwtSettings { types: vec![], ..all_keys(&clock()) };
    assert!(matches!(refused(types).await, BadSettings::NoTypes));

    let jwks = JwksSettings::new("http://127.0.0.1:1/".parse().unwrap());
    let short = Duration::from_millis(999);
    for jwks in
        [JwksSettings { refresh: short, ..jwks.clone() }, JwksSettings { cooldown: short, ..jwks.clone() }]
    {
        let error = refused(JwtSettings { jwks: Some(jwks), ..settings(&clock()) }).await;
        assert!(matches!(error, BadSettings::Refresh(found) if found == short), "{error:?}");
    }
    let stale = JwksSettings { max_stale: Duration::from_secs(59), ..jwks };
    let error = refused(JwtSettings { jwks: Some(stale), ..settings(&clock()) }).await;
    assert!(matches!(error, BadSettings::MaxStale(..)), "{error:?}");
}

#[tokio::test]
async fn authorities_that_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let jwks = JwksSettings {
        ca_file: Some(path.clone()),
        ..JwksSettings::new("https://127.0.0.1:1/".parse().unwrap())
    };
    let with = || JwtSettings { jwks: Some(jwks.clone()), ..settings(&clock()) };
    let error = refused(with()).await;
    assert!(matches!(&error, BadSettings::CaFile(..)), "{error:?}");
    assert!(error.to_string().contains("ca.pem"));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(refused(with()).await, BadSettings::NoAuthority));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n").unwrap();
    assert!(matches!(refused(with()).await, BadSettings::CaFile(..)));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(matches!(refused(with()).await, BadSettings::Tls(_)));
}
