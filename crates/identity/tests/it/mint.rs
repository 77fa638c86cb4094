//! What is made here is accepted here.

use std::time::Duration;

use cartwright_domain::Clock;
use cartwright_identity::{
    Algorithm, BadSigningKey, Claims, Principal, Reason, Scopes, Secret, SigningKey, Who, mint,
};

use crate::kit::{AUDIENCE, ISSUER, PAIRS, RSA, RSA_PUBLIC, SECRET, all_keys, ask, clock, seconds, start};

#[tokio::test]
async fn each_key_makes_tokens() {
    let clock = clock();
    let verifier = start(all_keys(&clock)).await;
    let claims = Claims {
        subject: Some("ana".into()),
        scopes: Scopes::ADMIN,
        issuer: Some(ISSUER.into()),
        audience: Some(AUDIENCE.into()),
        issued_at: clock.now(),
        lifetime: Duration::from_secs(60),
    };
    let keys = [
        ("hs", Algorithm::Hs256, SigningKey::secret(Secret::new(SECRET).unwrap())),
        ("rs", Algorithm::Rs256, SigningKey::from_pem(RSA).unwrap()),
        ("es", Algorithm::Es256, SigningKey::from_pem(&PAIRS.es.private_pem).unwrap()),
        ("ed", Algorithm::EdDsa, SigningKey::from_pem(&PAIRS.ed.private_pem).unwrap()),
    ];
    let mut tokens = Vec::new();
    for (kid, algorithm, key) in &keys {
        assert_eq!(key.algorithm(), *algorithm);
        for kid in [Some(*kid), None] {
            let token = mint(key, kid, &claims).unwrap();
            let verified = ask(&verifier, &token).await.unwrap();
            let expected = Principal::user("ana").unwrap().with_scopes(Scopes::ADMIN);
            assert_eq!(verified.principal(), &expected, "{algorithm}");
            tokens.push(token);
        }
        let unknown = mint(key, Some("other"), &claims).unwrap();
        assert_eq!(ask(&verifier, &unknown).await.err(), Some(Reason::UnknownKey));
        let program = Claims { subject: None, scopes: Scopes::SERVICE, ..claims.clone() };
        let verified = ask(&verifier, &mint(key, None, &program).unwrap()).await.unwrap();
        assert_eq!(verified.principal().who(), &Who::Service(None));
        assert!(!format!("{key:?}").contains("PRIVATE"), "{key:?}");
    }
    clock.advance(seconds(90));
    for token in tokens {
        assert_eq!(ask(&verifier, &token).await.err(), Some(Reason::Expired));
    }
}

#[test]
fn keys_that_do_not_sign() {
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let old = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
    for (pem, expected) in [
        ("", BadSigningKey::Pem),
        (RSA_PUBLIC, BadSigningKey::Pem),
        (old, BadSigningKey::Pem),
        (&p384, BadSigningKey::Kind),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", BadSigningKey::Kind),
        ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", BadSigningKey::Kind),
    ] {
        assert_eq!(SigningKey::from_pem(pem).err(), Some(expected), "{pem}");
    }
}
