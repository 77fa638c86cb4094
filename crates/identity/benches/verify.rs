//! What a token costs: the first time, when its signature is verified, and afterwards, when it is remembered.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up panics")]

use std::{hint::black_box, time::Duration};

use cartwright_domain::{Clock, SystemClock};
use cartwright_identity::{Claims, JwtSettings, PublicKey, Scopes, Secret, SigningKey, Verifier, mint};
use criterion::{Criterion, criterion_group, criterion_main};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use tokio::runtime::Runtime;

const RSA: &str = include_str!("../tests/fixtures/rsa-2048.pem");
const RSA_PUBLIC: &str = include_str!("../tests/fixtures/rsa-2048-public.pem");

fn keys() -> (JwtSettings, Vec<SigningKey>) {
    let secret = Secret::new([7; 32]).unwrap();
    let es = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let ed = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let public_keys = [RSA_PUBLIC.to_owned(), es.public_key_pem(), ed.public_key_pem()];
    let settings = JwtSettings {
        secrets: vec![secret.clone().into()],
        public_keys: public_keys.map(|pem| pem.parse::<PublicKey>().unwrap().into()).to_vec(),
        issuers: vec!["https://login.example.com".into()],
        audiences: vec!["shop".into()],
        ..JwtSettings::default()
    };
    let pems = [RSA.to_owned(), es.serialize_pem(), ed.serialize_pem()];
    let mut signing = vec![SigningKey::secret(secret)];
    signing.extend(pems.map(|pem| SigningKey::from_pem(&pem).unwrap()));
    (settings, signing)
}

fn benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (settings, signing) = keys();
    let verifier = |remembered| {
        let settings = JwtSettings { remembered, ..settings.clone() };
        runtime.block_on(Verifier::start(settings)).unwrap()
    };
    let (forgetful, verifier) = (verifier(0), verifier(10_000));
    let claims = Claims {
        subject: Some("6f1d3c0e-0d0c-4f6e-9a43-0c8f8e1b2a33".into()),
        scopes: Scopes::NONE,
        issuer: Some("https://login.example.com".into()),
        audience: Some("shop".into()),
        issued_at: SystemClock.now(),
        lifetime: Duration::from_secs(3600),
    };
    for key in signing {
        let token = mint(&key, None, &claims).unwrap();
        let mut group = criterion.benchmark_group(key.algorithm().name());
        group.bench_function("first", |bench| {
            bench.to_async(&runtime).iter(|| async { black_box(forgetful.verify(&token).await.unwrap()) });
        });
        runtime.block_on(verifier.verify(&token)).unwrap();
        group
            .bench_function("remembered", |bench| bench.iter(|| black_box(verifier.recall(&token).unwrap())));
        group.finish();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
