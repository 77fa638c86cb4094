//! TLS is for the name in the URL, wherever the address came from.

use std::sync::{Arc, OnceLock};

use cartwright_webhooks::{BadSetup, Phase, Policy, Reason, Sender, Unreachable};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::ring};
use tokio_rustls::TlsAcceptor;

use crate::{
    SHORT, message, open,
    receiver::{Answer, Receiver},
    resolver::Scripted,
    secrets, sender, target,
};

/// An authority that the senders of these tests believe, in PEM, and what it signs with.
pub(crate) fn authority() -> &'static (String, Issuer<'static, KeyPair>) {
    static MADE: OnceLock<(String, Issuer<'static, KeyPair>)> = OnceLock::new();
    MADE.get_or_init(new_authority)
}

fn new_authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

fn acceptor(name: &str, issuer: &Issuer<'static, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn ok() -> Answer {
    Answer::status("200 OK", "", "")
}

fn url(receiver: &Receiver) -> String {
    format!("https://hooks.example.com:{}/", receiver.port())
}

#[tokio::test]
async fn a_receiver_with_the_name_of_the_url_is_trusted() {
    let receiver = Receiver::start_tls(ok(), acceptor("hooks.example.com", &authority().1)).await;
    let sender = sender(Policy { allow_http: false, ..open() }, &Scripted::here());
    for _ in 0..2 {
        sender.send(&target(&url(&receiver)), &secrets(), &message()).await.unwrap();
    }
    let requests = receiver.requests();
    assert_eq!((requests.len(), receiver.connections()), (2, 1));
    assert_eq!(requests[0].header("host"), format!("hooks.example.com:{}", receiver.port()));
}

#[tokio::test]
async fn a_receiver_with_an_address_in_its_certificate_is_trusted() {
    let receiver = Receiver::start_tls(ok(), acceptor("127.0.0.1", &authority().1)).await;
    let names = Scripted::here();
    let url = format!("https://127.0.0.1:{}/", receiver.port());
    sender(open(), &names).send(&target(&url), &secrets(), &message()).await.unwrap();
    assert!(names.asked().is_empty());
}

/// A name that leads elsewhere leads to somebody who cannot prove to have it.
#[tokio::test]
async fn others_are_not_and_are_told_nothing() {
    let stranger = new_authority();
    for (name, issuer) in [
        ("other.example.com", &authority().1),
        ("127.0.0.1", &authority().1),
        ("hooks.example.com", &stranger.1),
    ] {
        let receiver = Receiver::start_tls(ok(), acceptor(name, issuer)).await;
        let sender = sender(open(), &Scripted::here());
        let failed = sender.send(&target(&url(&receiver)), &secrets(), &message()).await.unwrap_err();
        assert!(matches!(failed.reason, Reason::Unreachable(Unreachable::Tls(_))), "{name}: {failed:?}");
        assert!(failed.reason.explain().contains("certificate"), "{}", failed.reason.explain());
        assert!(failed.is_retryable());
        assert!(receiver.requests().is_empty());
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_nothing() {
    let plain = Receiver::start(ok()).await;
    let policy = Policy { connect_timeout: SHORT, ..open() };
    let failed = sender(policy, &Scripted::here())
        .send(&target(&url(&plain)), &secrets(), &message())
        .await
        .unwrap_err();
    // It waits for the end of a head in our first message, which has none.
    assert!(matches!(failed.reason, Reason::TimedOut(Phase::Connecting)), "{failed:?}");
    assert!(plain.requests().is_empty());
}

#[test]
fn without_authorities_there_is_no_sender() {
    let built = |pem: &str| Sender::builder(Policy::default()).authorities(pem).build();
    assert!(matches!(built(""), Err(BadSetup::NoAuthority)));
    assert!(matches!(
        built("-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n"),
        Err(BadSetup::Pem(_))
    ));
    assert!(matches!(
        built("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        Err(BadSetup::Tls(_))
    ));
}
