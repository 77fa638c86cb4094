//! Access tokens at a real server: keys come and go, and what is believed elsewhere is not looked at.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use cartwright_domain::{Clock, SystemClock};
use cartwright_identity::{Claims, Scopes, Secret, SigningKey, mint};
use cartwright_testkit::{eventually, evidence};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::kit::{Node, START};

const OLD: &str = include_str!("../../../../crates/identity/tests/fixtures/rsa-2048.pem");
const OLD_N: &str = "uj42_Dg0NJWgcFD2hlvoW9Rb9AZiPSbd7wS6pFQP1TzMstEvgKA297gsMWM1BWd1gu06cA4_-Uz5rz5-zXpJHeeoe7Gc4fKNUVuUgkn85yn0Sz8s3PKl2E7tJmQ0CcTEVsJNDdquHTCJdoDQqsoB91kOpryVSyumTpJ1T6amXBF2kcGmwcXSCepMwliIvEwSwaZyhp-XMnVy2-4fHX6eg0c0lcozkQmkhrv_ZyX3zikkKQp1PoLFQfYWaB8ekMzxu0fdsTZrCLpUVGqeMloFi6659h8IshuTNw4XCvuJBSvjUf2FOZpZB04Ap5UCtD48kSUApsFWD-4JR92fpH8SEQ";
const NEW: &str = include_str!("../../../../crates/identity/tests/fixtures/rsa-2048-other.pem");
const NEW_N: &str = "sH8k9untOEjCjGtl2T8KCrRvAAbf-b7f9O--eeLmiL-vRUwGmL3cvHa-nyyqFaJKswI8lu-tiPO6wIGfWfAi0WyMV-XbXrfRLhETwqwzxGTL0F1warExu3vpY6A3_b9s8PuOYQNUVVY1dMx3s3Zm0TWNpr4zRsg_3XaGJcvHla_H2CaSbMsidj5iZq6s1Ne4vvh1R4J74eOYz7TSz0nPO0FPVkUoadXl5ROHUK01AH6dpU9FRhOEctlyeyfDhg_J_CgTVPiAMfLdlra0gZkGpPfN-uh86XrYG4_Aiel-uW9MvEbraqVFHJkAhnUH2oLZduSgcbcC6MX3N_AmOVBB7Q";
pub(crate) const SECRET: &str = "a secret of a test, of thirty-two bytes and more";

fn jwk(kid: &str, n: &str) -> Value {
    json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": "AQAB"})
}

pub(crate) fn token(key: &SigningKey, kid: Option<&str>, user: &str, scopes: &str) -> String {
    let claims = Claims {
        subject: Some(user.to_owned()),
        scopes: Scopes::parse(scopes),
        issuer: None,
        audience: None,
        issued_at: SystemClock.now(),
        lifetime: Duration::from_secs(3600),
    };
    let token = mint(key, kid, &claims).unwrap();
    evidence::secret(&token);
    token
}

/// Serves a set of keys that can be changed, until the test ends. Gives its address.
pub(crate) async fn keys(set: Arc<Mutex<Vec<Value>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = json!({"keys": *set.lock().unwrap()}).to_string();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await; // all of it, as small as it is
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    url
}

async fn asked(node: &Node, token: &str) -> u16 {
    let line = format!("authorization: Bearer {token}\r\n");
    node.client().await.send_with(&line, "GET", "/cart", "").await.unwrap().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_works_within_seconds_and_a_withdrawn_one_stops() {
    let folder = tempfile::tempdir().unwrap();
    let set = Arc::new(Mutex::new(vec![jwk("old", OLD_N)]));
    let url = keys(Arc::clone(&set)).await;
    let node = Node::start(
        folder.path(),
        &[
            ("CARTWRIGHT__AUTH__MODE", "jwt"),
            ("CARTWRIGHT__AUTH__JWKS_URL", &url),
            ("CARTWRIGHT__AUTH__JWKS_REFRESH_SECONDS", "1"),
        ],
    );
    let (old_key, new_key) = (SigningKey::from_pem(OLD).unwrap(), SigningKey::from_pem(NEW).unwrap());
    let old = token(&old_key, Some("old"), "ana", "");
    let new = token(&new_key, Some("new"), "ana", "");
    // The old key under the name of the new one, and the other way round.
    let crossed = [token(&old_key, Some("new"), "ana", ""), token(&new_key, Some("old"), "ana", "")];
    assert_eq!((asked(&node, &old).await, asked(&node, &new).await), (200, 401));

    let changed = Instant::now();
    *set.lock().unwrap() = vec![jwk("old", OLD_N), jwk("new", NEW_N)];
    eventually(START, async || asked(&node, &new).await == 200).await;
    let came = changed.elapsed();
    assert_eq!(asked(&node, &old).await, 200, "both are good for a while");

    let changed = Instant::now();
    *set.lock().unwrap() = vec![jwk("new", NEW_N)];
    // It is remembered by now, and must be forgotten.
    eventually(START, async || asked(&node, &old).await == 401).await;
    let went = changed.elapsed();
    assert_eq!(asked(&node, &new).await, 200);
    for token in crossed {
        assert_eq!(asked(&node, &token).await, 401);
    }
    // Seconds, and not the minute or the hour of other settings; a busy machine is given some.
    assert!(came < Duration::from_secs(15) && went < Duration::from_secs(15), "{came:?}, {went:?}");
}

/// Headers that are believed where nobody checks tokens: whoever sends them here is told what he would be told without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_tokens_count_nothing_else_does() {
    const HEADERS: [&str; 4] = [
        "x-user-id: mallory-of-the-header\r\n",
        "x-user-id: mallory-of-the-header\r\nx-user-scopes: admin service\r\n",
        "x-user-scopes: admin\r\n",
        "X-User-Id: bob\r\nX-USER-SCOPES: service\r\n",
    ];
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(
        folder.path(),
        &[
            ("CARTWRIGHT__AUTH__MODE", "jwt"),
            ("CARTWRIGHT__AUTH__SECRET", SECRET),
            ("CARTWRIGHT__LIMITS__ENABLED", "true"),
            ("CARTWRIGHT__LIMITS__WRITES", "6"),
            ("CARTWRIGHT__LIMITS__USERS_OF_AN_ADDRESS", "0"),
            ("CARTWRIGHT__SERVER__CORS_ORIGINS", "https://shop.example"),
            ("RUST_LOG", "info,cartwright=trace"),
        ],
    );
    let key = SigningKey::secret(Secret::new(SECRET).unwrap());
    let bearer = |user| format!("authorization: Bearer {}\r\n", token(&key, None, user, ""));
    let send = async |lines: String, method: &str, path: &str, body: &str| {
        let answer = node.client().await.send_with(&lines, method, path, body).await.unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let item = r#"{"product_id":"1","quantity":1}"#;
    let (ana, bob) = (bearer("ana"), bearer("bob"));
    for (n, header) in HEADERS.into_iter().enumerate() {
        // A user's key is his own, whoever he says that he is besides: it takes effect once.
        let with_key = format!("{header}{ana}idempotency-key: k\r\n");
        let (status, cart) = send(with_key, "POST", "/cart/add", item).await;
        assert_eq!(status, 200, "{header}: {cart}");
        let cart: Value = serde_json::from_str(&cart).unwrap();
        assert_eq!((&cart["user_id"], &cart["version"]), (&"ana".into(), &1.into()), "{header}");
        // And another's with the same key is another.
        let (_, cart) = send(format!("{header}{bob}idempotency-key: k\r\n"), "POST", "/cart/add", item).await;
        let cart: Value = serde_json::from_str(&cart).unwrap();
        assert_eq!((&cart["user_id"], &cart["version"]), (&"bob".into(), &1.into()), "{header}");
        for path in [
            "/api/v1/carts/mallory-of-the-header",
            "/api/v1/carts/bob",
            "/api/v1/users/bob/profile",
            "/api/v1/jobs",
            "/metrics",
        ] {
            assert_eq!(send(format!("{header}{ana}"), "GET", path, "").await.0, 403, "{n}: {path}");
            assert_eq!(send(header.to_owned(), "GET", path, "").await.0, 401, "{n}: {path}");
        }
        // A session belongs to whom the token names, or to nobody.
        let cross = "origin: https://evil.example\r\nsec-fetch-site: cross-site\r\n";
        assert_eq!(send(format!("{header}{cross}"), "POST", "/cart/add", item).await.0, 401, "{n}");
    }
    // All four, and these, were Ana's: the share is hers, whoever she says that she is.
    let mut statuses = Vec::new();
    for n in 0..4 {
        let lines = format!("x-user-id: user-{n}\r\nx-user-scopes: admin\r\n{ana}");
        statuses.push(send(lines, "DELETE", "/cart/remove/1", "").await.0);
    }
    assert_eq!(statuses[2..], [429, 429], "{statuses:?}");
    let session = send(format!("{}{}", HEADERS[1], bearer("eve")), "POST", "/api/v1/sessions", "{}").await;
    assert!(session.0 == 201 && session.1.contains(r#""user_id":"eve""#), "{session:?}");
    node.stop();
    let log = node.process.log();
    assert!(log.contains("answered"), "it tells of each request");
    assert!(!log.contains("mallory-of-the-header"), "who he says that he is is nowhere");
}
