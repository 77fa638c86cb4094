//! What servers of keys answer, right or wrong.

use std::{fs, sync::Arc, time::Duration};

use cartwright_identity::{JwksSettings, JwtSettings, Reason, Verifier};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::ring};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::{
    kit::{PAIRS, PATIENCE, Pair, ask, base64, clock, seconds, settings, start, with},
    server::{Answer, Server},
};

/// For what is expected to take too long.
const SHORT: Duration = Duration::from_millis(300);

async fn verifier(jwks: JwksSettings) -> Verifier {
    start(JwtSettings { jwks: Some(jwks), ..settings(&clock()) }).await
}

fn jwks(url: &str, timeout: Duration) -> JwksSettings {
    JwksSettings { timeout, ..JwksSettings::new(url.parse().unwrap()) }
}

/// Starts with the answer, and says what is wrong with it; then with good keys, and sees that they stay when it comes.
async fn is_wrong(what: &str, answer: Answer, timeout: Duration, says: &str) {
    let server = Server::start(answer.clone()).await;
    let nothing = verifier(jwks(&server.url(), timeout)).await;
    let status = nothing.status();
    let error = status.error.unwrap();
    assert!(error.contains(says), "{what}: {error}");
    assert!(!error.contains("tenant"), "{what}: {error}");
    assert_eq!((status.fetched, status.fetched_at), (Some(0), None), "{what}");
    assert_eq!(ask(&nothing, &PAIRS.ed.good("k")).await.err(), Some(Reason::KeysUnavailable), "{what}");

    let clock = clock();
    let server = Server::start(Answer::keys(&[PAIRS.ed.named("k")])).await;
    let jwks = JwksSettings { timeout, ..jwks(&server.url(), timeout) };
    let verifier = start(JwtSettings { jwks: Some(jwks), ..settings(&clock) }).await;
    // A busy machine may have been too slow to answer even that.
    if verifier.status().fetched == Some(0) {
        assert_eq!(timeout, SHORT, "{what}");
        return;
    }
    server.answer(answer);
    clock.advance(seconds(5));
    assert_eq!(ask(&verifier, &PAIRS.ed.good("x")).await.err(), Some(Reason::KeysUnavailable), "{what}");
    assert!(ask(&verifier, &PAIRS.ed.good("k")).await.is_ok(), "{what}");
}

#[tokio::test]
async fn what_is_no_set_of_keys() {
    let body = |body: &str| Answer::with("200 OK", "", body);
    let many = vec![PAIRS.ed.jwk.clone(); 101];
    for (what, answer, says) in [
        ("nothing", body(""), "not a set of keys"),
        ("a page", body("<html><body>Log in</body></html>"), "not a set of keys"),
        ("a list", body("[]"), "not a set of keys"),
        ("no keys", body("{}"), "not a set of keys"),
        ("keys of another type", body(r#"{"keys":{}}"#), "not a set of keys"),
        ("keys twice", body(r#"{"keys":[],"keys":[]}"#), "not a set of keys"),
        ("not UTF-8", body("{\"keys\":[]\0}"), "not a set of keys"),
        ("too many", Answer::keys(&many), "101 keys; up to 100"),
        ("404", Answer::with("404 Not Found", "", r#"{"keys":[]}"#), "404"),
        ("500", Answer::with("500 Sorry", "", ""), "500"),
        ("204", Answer::with("204 No Content", "", ""), "204"),
        ("304, of what?", Answer::Close("HTTP/1.1 304 Not Modified\r\n\r\n".into()), "304"),
        ("nobody", Answer::Close(String::new()), "cannot be reached"),
        ("not HTTP", Answer::Close("+PONG\r\n\r\n".into()), "cannot be reached"),
        ("broken off", Answer::Close("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".into()), "broke off"),
        ("a long head", Answer::with("200 OK", &"X-Filler: x\r\n".repeat(2000), ""), "cannot be reached"),
    ] {
        is_wrong(what, answer, PATIENCE, says).await;
    }
}

#[tokio::test]
async fn too_much() {
    let filler = " ".repeat(64 << 10);
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"] {
        is_wrong(head, Answer::Endless(head.into(), filler.clone()), PATIENCE, "more than 1048576 bytes")
            .await;
    }
    // One byte more than is read, and exactly what is.
    let set = json!({"keys": [PAIRS.ed.named("k")]}).to_string();
    let long = format!("{set}{}", " ".repeat((1 << 20) + 1 - set.len()));
    is_wrong("one byte", Answer::with("200 OK", "", &long), PATIENCE, "more than 1048576 bytes").await;
    let server = Server::start(Answer::with("200 OK", "", &long[..1 << 20])).await;
    assert!(ask(&verifier(jwks(&server.url(), PATIENCE)).await, &PAIRS.ed.good("k")).await.is_ok());
}

#[tokio::test]
async fn too_slow() {
    for beginning in [
        "",
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n{\"keys\":[",
    ] {
        is_wrong(beginning, Answer::Hold(beginning.into()), SHORT, "no answer within 300ms").await;
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(Answer::keys(&[PAIRS.ed.named("k")])).await;
    for status in ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"] {
        let location = format!("Location: {}\r\n", elsewhere.url());
        is_wrong(status, Answer::with(status, &location, ""), PATIENCE, "redirects are not followed").await;
    }
    assert_eq!(elsewhere.looks(), 0);
}

/// One bad key does not spoil the others, and is not used.
#[tokio::test]
async fn keys_that_are_left_out() {
    let (rs, es, ed) = (&PAIRS.rs, &PAIRS.es, &PAIRS.ed);
    let short = json!({"kty": "RSA", "n": base64([0xff; 128]), "e": "AQAB"});
    let changed = |pair: &Pair, changes: Value| with(pair.named("bad"), &changes);
    let x = es.jwk["x"].as_str().unwrap();
    let bad = [
        json!(null),
        json!("key"),
        json!({}),
        json!({"kty": "EC", "kid": "bad"}),
        PAIRS.hs.named("bad"),
        with(PAIRS.hs.named("bad"), &json!({"alg": "HS256", "use": "sig"})),
        changed(ed, json!({"use": "enc"})),
        changed(ed, json!({"use": ["sig"]})),
        changed(ed, json!({"key_ops": ["sign"]})),
        changed(ed, json!({"key_ops": []})),
        changed(ed, json!({"alg": "ES256"})),
        changed(ed, json!({"alg": "HS256"})),
        changed(ed, json!({"alg": "none"})),
        changed(ed, json!({"d": base64([1; 32])})),
        changed(ed, json!({"crv": "Ed448"})),
        changed(ed, json!({"crv": "X25519"})),
        changed(ed, json!({"kty": "EC"})),
        changed(ed, json!({"kid": 1})),
        changed(ed, json!({"x": base64([1; 31])})),
        changed(ed, json!({"x": base64([0; 32])})),
        changed(ed, json!({"x": format!("{}=", ed.jwk["x"].as_str().unwrap())})),
        changed(es, json!({"crv": "P-384"})),
        changed(es, json!({"crv": null})),
        changed(es, json!({"y": x})),
        changed(es, json!({"x": base64([0; 33])})),
        changed(es, json!({"x": base64([0; 32]), "y": base64([0; 32])})),
        changed(es, json!({"y": null})),
        changed(es, json!({"d": base64([1; 32])})),
        changed(rs, json!({"alg": "RS512"})),
        changed(rs, json!({"alg": "PS256"})),
        changed(rs, json!({"alg": "RSA-OAEP"})),
        changed(rs, json!({"e": base64([1])})),
        changed(rs, json!({"e": base64([2])})),
        changed(rs, json!({"e": base64([0])})),
        changed(rs, json!({"e": base64([1, 0, 0])})),
        changed(rs, json!({"e": base64([0xff; 6])})),
        changed(rs, json!({"n": base64([0xff; 1025])})),
        changed(rs, json!({"n": ""})),
        changed(rs, json!({"n": base64([0xfe; 256])})),
        changed(rs, json!({"d": "AQAB", "p": "AQAB"})),
        changed(rs, json!({"qi": "AQAB"})),
        with(short, &json!({"kid": "bad"})),
    ];
    for bad in bad {
        let keys = [bad.clone(), rs.named("rs"), es.named("es"), ed.named("ed")];
        let server = Server::start(Answer::keys(&keys)).await;
        let verifier = verifier(jwks(&server.url(), PATIENCE)).await;
        assert_eq!(verifier.status().fetched, Some(3), "{bad}");
        for (kid, pair) in &PAIRS.all()[1..] {
            assert!(ask(&verifier, &pair.good(kid)).await.is_ok(), "{bad}");
        }
        // The secret that everybody can fetch, above all.
        for (_, pair) in PAIRS.all() {
            assert_eq!(ask(&verifier, &pair.good("bad")).await.err(), Some(Reason::UnknownKey), "{bad}");
        }
    }
}

#[tokio::test]
async fn keys_as_they_come_in_the_field() {
    let (rs, ed) = (&PAIRS.rs, &PAIRS.ed);
    let n = crate::kit::decode(rs.jwk["n"].as_str().unwrap());
    for good in [
        with(
            rs.named("k"),
            &json!({"use": "sig", "alg": "RS256", "x5c": ["AAAA"], "x5t": "AA", "issuer": "me"}),
        ),
        with(rs.named("k"), &json!({"key_ops": ["verify"], "n": base64([&[0], &n[..]].concat())})),
        with(ed.named("k"), &json!({"alg": "EdDSA"})),
        with(ed.named("k"), &json!({"alg": "Ed25519", "use": "sig"})),
    ] {
        let pair = if good["kty"] == "RSA" { rs } else { ed };
        let server = Server::start(Answer::keys(std::slice::from_ref(&good))).await;
        let verifier = verifier(jwks(&server.url(), PATIENCE)).await;
        assert!(ask(&verifier, &pair.good("k")).await.is_ok(), "{good}");
    }
}

/// A token that names no key makes us try, but not for ever.
#[tokio::test]
async fn only_so_many_keys_are_tried() {
    let mut keys: Vec<_> = (0..15).map(|n| Pair::ed25519().named(&n.to_string())).collect();
    keys.push(PAIRS.ed.named("sixteenth"));
    let last = Pair::ed25519();
    keys.push(last.named("seventeenth"));
    let server = Server::start(Answer::keys(&keys)).await;
    let verifier = verifier(jwks(&server.url(), PATIENCE)).await;
    assert!(ask(&verifier, &PAIRS.ed.saying(&json!({}))).await.is_ok());
    assert_eq!(ask(&verifier, &last.saying(&json!({}))).await.err(), Some(Reason::Signature));
    assert!(ask(&verifier, &last.good("seventeenth")).await.is_ok());
}

#[tokio::test]
async fn the_server_must_prove_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        (path, Issuer::new(params, key))
    };
    let ((ours, issuer), (strange, _)) = (authority("ours"), authority("strange"));
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start_tls(Answer::keys(&[PAIRS.ed.named("k")]), acceptor).await;
    for (ca_file, url, is_believed) in [
        (&ours, server.https_url(), true),
        (&strange, server.https_url(), false),
        // Not the name in the certificate.
        (&ours, server.https_url().replace("localhost", "127.0.0.1"), false),
    ] {
        let jwks = JwksSettings { ca_file: Some(ca_file.clone()), ..jwks(&url, PATIENCE) };
        let verifier = verifier(jwks).await;
        assert_eq!(ask(&verifier, &PAIRS.ed.good("k")).await.is_ok(), is_believed, "{url}");
        let error = verifier.status().error;
        assert_eq!(
            error.as_ref().is_some_and(|error| error.contains("certificate")),
            !is_believed,
            "{error:?}"
        );
    }
    assert_eq!(server.looks(), 1);
}
