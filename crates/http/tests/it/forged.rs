//! Tokens that are not good, over real sockets: whatever is wrong with them, the answer is the same to the byte.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cartwright_domain::{Clock, SystemClock};
use cartwright_http::{Access, Limits, Quotas};
use cartwright_identity::{
    Claims, GuestToken, JwtSettings, Named, Scopes, Secret, SigningKey, Verifier, mint,
};
use cartwright_limits::{MemoryRateLimiter, ProxyHeader, Quota, TrustedProxies};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{kit::Shop, socket::Socket};

const SECRET: &str = "a secret of a test, of thirty-two bytes and more";
const RSA: &str = include_str!("../../../identity/tests/fixtures/rsa-2048.pem");
const RSA_OTHER: &str = include_str!("../../../identity/tests/fixtures/rsa-2048-other.pem");
const RSA_PUBLIC: &str = include_str!("../../../identity/tests/fixtures/rsa-2048-public.pem");

fn named<K>(kid: &str, key: K) -> Named<K> {
    Named { kid: Some(kid.to_owned()), key }
}

/// Believes a secret called `hs` and a public key called `rs`, of one issuer, for one audience.
async fn verifier() -> Verifier {
    let settings = JwtSettings {
        secrets: vec![named("hs", Secret::new(SECRET).unwrap())],
        public_keys: vec![named("rs", RSA_PUBLIC.parse().unwrap())],
        issuers: vec!["https://login.example.com".to_owned()],
        audiences: vec!["shop".to_owned()],
        ..JwtSettings::default()
    };
    Verifier::start(settings).await.unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hs256(secret: &[u8], parts: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(parts.as_bytes());
    format!("{parts}.{}", base64(mac.finalize().into_bytes()))
}

/// Of any texts, signed with the secret that is believed.
fn raw(header: &str, claims: impl AsRef<[u8]>) -> String {
    hs256(SECRET.as_bytes(), &format!("{}.{}", base64(header), base64(claims)))
}

fn now() -> i64 {
    SystemClock.now().timestamp()
}

/// What a good token says, for an operator, but for the changes; `null` takes a member out.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "sub": "ana", "scope": "admin service", "iss": "https://login.example.com", "aud": "shop",
        "iat": now(), "exp": now() + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

/// Signed as it should be, but for its claims.
fn saying(changes: &Value) -> String {
    raw(r#"{"alg":"HS256","kid":"hs"}"#, claims(changes).to_string())
}

/// Signed as it should be, but for its header.
fn headed(header: &str) -> String {
    raw(header, claims(&json!({})).to_string())
}

fn by_rsa(pem: &str, kid: Option<&str>) -> String {
    let claims = Claims {
        subject: Some("ana".to_owned()),
        scopes: Scopes::ADMIN,
        issuer: Some("https://login.example.com".to_owned()),
        audience: Some("shop".to_owned()),
        issued_at: SystemClock.now(),
        lifetime: Duration::from_secs(600),
    };
    mint(&SigningKey::from_pem(pem).unwrap(), kid, &claims).unwrap()
}

fn good() -> String {
    saying(&json!({}))
}

/// Tokens, by what is wrong with them.
fn forged() -> BTreeMap<&'static str, String> {
    let good = good();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, body, signature] = parts[..] else { panic!("three parts") };
    let none = |alg: &str| base64(json!({"alg": alg, "typ": "JWT"}).to_string());
    let rs_as_hs = format!("{}.{body}", base64(r#"{"alg":"HS256","kid":"rs"}"#));
    let flipped = |at: usize| {
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[at] ^= 1;
        format!("{header}.{body}.{}", base64(bytes))
    };
    let jwk = base64([7_u8; 32]);
    let mut forged = BTreeMap::from([
        ("alg none, unsigned", format!("{}.{body}.", none("none"))),
        ("alg none, signed", format!("{}.{body}.{signature}", none("none"))),
        ("alg nOnE", format!("{}.{body}.{signature}", none("nOnE"))),
        ("alg empty", headed(r#"{"alg":""}"#)),
        ("alg missing", headed(r#"{"typ":"JWT"}"#)),
        ("alg a list", headed(r#"{"alg":["HS256"]}"#)),
        ("alg HS512", headed(r#"{"alg":"HS512","kid":"hs"}"#)),
        ("alg RS256 for a secret", headed(r#"{"alg":"RS256","kid":"hs"}"#)),
        ("public key as secret", hs256(RSA_PUBLIC.as_bytes(), &rs_as_hs)),
        ("public key as secret, trimmed", hs256(RSA_PUBLIC.trim_end().as_bytes(), &rs_as_hs)),
        ("public key as secret, unnamed", {
            hs256(RSA_PUBLIC.as_bytes(), &format!("{}.{body}", base64(r#"{"alg":"HS256"}"#)))
        }),
        ("empty secret", hs256(b"", &format!("{header}.{body}"))),
        (
            "another secret",
            hs256(b"another secret, of thirty-two bytes and more", &format!("{header}.{body}")),
        ),
        ("another RSA key", by_rsa(RSA_OTHER, Some("rs"))),
        ("another RSA key, unnamed", by_rsa(RSA_OTHER, None)),
        ("first byte of the signature", flipped(0)),
        ("last byte of the signature", flipped(31)),
        ("cut", good[..good.len() - 4].to_owned()),
        ("cut in the middle", good[..good.len() / 2].to_owned()),
        ("doubled", format!("{good}.{good}")),
        ("twice", format!("{good}{good}")),
        ("two in a list", format!("{good}, {good}")),
        ("four parts", format!("{good}.{signature}")),
        ("a part in front", format!(".{good}")),
        ("padding", format!("{good}=")),
        ("blank behind, and more", format!("{good} x")),
        ("quoted", format!("\"{good}\"")),
        ("expired", saying(&json!({"exp": now() - 3600}))),
        ("expired long ago", saying(&json!({"exp": 1}))),
        ("nbf in the future", saying(&json!({"nbf": now() + 3600}))),
        ("iat in the future", saying(&json!({"iat": now() + 3600}))),
        ("no exp", saying(&json!({"exp": null}))),
        ("exp huge", saying(&json!({"exp": u64::MAX}))),
        ("exp in milliseconds", saying(&json!({"exp": (now() + 600) * 1000}))),
        ("exp a text", saying(&json!({"exp": (now() + 600).to_string()}))),
        ("exp negative", saying(&json!({"exp": -1}))),
        ("another issuer", saying(&json!({"iss": "https://login.example.com.evil.example"}))),
        ("no issuer", saying(&json!({"iss": null}))),
        ("another audience", saying(&json!({"aud": ["shops", "SHOP"]}))),
        ("no audience", saying(&json!({"aud": null}))),
        ("another type", headed(r#"{"alg":"HS256","kid":"hs","typ":"logout+jwt"}"#)),
        ("kid that leads elsewhere", headed(r#"{"alg":"HS256","kid":"../../../../dev/null"}"#)),
        ("kid in SQL", headed(r#"{"alg":"HS256","kid":"' OR 1=1 --"}"#)),
        ("kid not known", headed(r#"{"alg":"RS256","kid":"2019"}"#)),
        ("kid a number", headed(r#"{"alg":"HS256","kid":1}"#)),
        ("kid huge", headed(&json!({"alg": "HS256", "kid": "x".repeat(2_000)}).to_string())),
        ("critical", headed(r#"{"alg":"HS256","kid":"hs","crit":["exp"]}"#)),
        ("alg twice", headed(r#"{"alg":"HS256","kid":"hs","alg":"HS256"}"#)),
        (
            "sub twice",
            raw(
                r#"{"alg":"HS256"}"#,
                claims(&json!({})).to_string().replace(r#""sub""#, r#""sub":"bob","sub""#),
            ),
        ),
        ("sub missing", saying(&json!({"sub": null, "scope": ""}))),
        ("sub of a guest", saying(&json!({"sub": "guest-46eec9e42e3c3eb9ccd78e884dc7173d0f987943"}))),
        ("sub with a line end", saying(&json!({"sub": "ana\r\nx-user-id: bob", "scope": ""}))),
        ("sub in another script", saying(&json!({"sub": "аnа", "scope": ""}))),
        ("sub a list", saying(&json!({"sub": ["ana"]}))),
        ("claims not UTF-8", raw(r#"{"alg":"HS256"}"#, b"{\"sub\":\"\xff\xfe\"}")),
        ("claims a list", raw(r#"{"alg":"HS256"}"#, "[]")),
        ("claims empty", raw(r#"{"alg":"HS256"}"#, "")),
        ("claims with a null byte", raw(r#"{"alg":"HS256"}"#, "{\"sub\":\"ana\0\"}")),
        ("claims deep", raw(r#"{"alg":"HS256"}"#, "[".repeat(2_500))),
        ("a token in a token", raw(r#"{"alg":"HS256","cty":"JWT"}"#, &good)),
        ("10 KB", saying(&json!({"pad": "x".repeat(10_000)}))),
        ("15 KB", saying(&json!({"pad": "x".repeat(11_000)}))),
        ("letters of another script", good.replace('.', "。")),
        ("percent", good.replace('.', "%2e")),
        ("a guest's token", GuestToken::generate().expose()),
        ("dots", "..".to_owned()),
        ("a word", "null".to_owned()),
    ]);
    for (what, header) in [
        ("jwk of his own", json!({"alg": "HS256", "jwk": {"kty": "oct", "k": jwk}})),
        ("jku of his own", json!({"alg": "HS256", "jku": "http://127.0.0.1:1/keys"})),
        ("x5u and x5c of his own", json!({"alg": "HS256", "x5u": "http://127.0.0.1:1/", "x5c": [jwk]})),
    ] {
        forged.insert(what, hs256(&[7; 32], &format!("{}.{body}", base64(header.to_string()))));
    }
    forged
}

/// Lines of the header `Authorization`, by what is wrong with them.
fn lines() -> BTreeMap<String, Vec<u8>> {
    let good = good();
    let line = |value: &str| format!("authorization: {value}\r\n").into_bytes();
    let mut lines: BTreeMap<String, Vec<u8>> = forged()
        .into_iter()
        .map(|(what, token)| (what.to_owned(), line(&format!("Bearer {token}"))))
        .collect();
    let mut not_utf8 = line(&format!("Bearer {good}"));
    let at = not_utf8.len() - 10;
    not_utf8[at] = 0xff;
    lines.insert("not UTF-8".to_owned(), not_utf8);
    for (what, value) in [
        ("empty", String::new()),
        ("no token", "Bearer".to_owned()),
        ("no token, but a blank", "Bearer  ".to_owned()),
        ("no scheme", good.clone()),
        ("another scheme", format!("Basic {}", base64("ana:secret"))),
        ("Token", format!("Token {good}")),
        ("scheme with a colon", format!("Bearer: {good}")),
        ("scheme in another script", format!("Веаrеr {good}")),
        ("a tab", format!("Bearer\t{good}")),
        ("two schemes", format!("Bearer Bearer {good}")),
    ] {
        lines.insert(what.to_owned(), line(&value));
    }
    let one = line(&format!("Bearer {good}"));
    lines.insert("twice the same header".to_owned(), [one.clone(), one.clone()].concat());
    let bad = line("Bearer x.y.z");
    lines.insert("two headers, the good one first".to_owned(), [one.clone(), bad.clone()].concat());
    lines.insert("two headers, the good one last".to_owned(), [bad, one].concat());
    lines
}

/// Of all kinds: his own, somebody else's, what there is not, operators', with a body and without.
const CLOSED: [(&str, &str); 13] = [
    ("GET", "/cart"),
    ("GET", "/api/v1/carts/ana"),
    ("GET", "/api/v1/carts/bob"),
    ("GET", "/api/v1/carts/%62ob"),
    ("GET", "/api/v1/carts/nobody-of-this-name/count"),
    ("GET", "/api/v1/orders/018f0000-0000-7000-8000-000000000000"),
    ("GET", "/api/v1/users/ana/profile"),
    ("GET", "/api/v1/sessions/none"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/metrics"),
    ("POST", "/api/v1/carts/ana/items"),
    ("POST", "/api/v1/products"),
    ("PUT", "/api/v1/users/bob/profile"),
];

const OPEN: [(&str, &str); 3] = [("GET", "/api/v1/products/none"), ("GET", "/livez"), ("GET", "/nowhere")];

/// The answer without what differs from second to second.
async fn answer(socket: &Socket, (method, path): (&str, &str), lines: &[u8]) -> String {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: shop\r\nx-request-id: r1\r\nconnection: close\r\n")
            .into_bytes();
    request.extend_from_slice(lines);
    match method {
        "GET" => request.extend_from_slice(b"\r\n"),
        _ => request.extend_from_slice(b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"),
    }
    let answer = String::from_utf8(socket.send(&request).await).unwrap();
    // In which order a map with a random seed gives its headers out has nothing to do with what is in it.
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    let mut headers: Vec<&str> = headers.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    headers.sort_unstable();
    format!("{status}\r\n{}\r\n\r\n{body}", headers.join("\r\n"))
}

#[actix_web::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let shop = Shop::with_access(Access::Tokens(verifier().await));
    let socket = Socket::open(&shop);
    let mut answers = BTreeMap::<String, Vec<String>>::new();
    let mut by_route = BTreeMap::new();
    for token in [good(), by_rsa(RSA, Some("rs")), by_rsa(RSA, None)] {
        let line = format!("authorization: bEARER   {token}\r\n").into_bytes();
        for route in CLOSED {
            let answer = answer(&socket, route, &line).await;
            assert!(!answer.starts_with("HTTP/1.1 401"), "{route:?}: a good one is believed: {answer}");
        }
    }
    let lines = lines();
    assert!(lines.len() > 75, "{}", lines.len());
    for (what, lines) in &lines {
        for route in CLOSED {
            let answer = answer(&socket, route, lines).await;
            assert_eq!(by_route.entry(route).or_insert_with(|| answer.clone()), &answer, "{what}: {route:?}");
            // Whether an address would compress its answers is no secret, and has nothing to do with the token.
            let answer = answer.replace("vary: Accept-Encoding\r\n", "");
            answers.entry(answer).or_default().push(format!("{what}: {route:?}"));
        }
        for route in OPEN {
            let without = answer(&socket, route, b"").await;
            assert_eq!(answer(&socket, route, lines).await, without, "{what}: {route:?} is for anyone");
        }
    }
    let told: Vec<_> = answers.iter().map(|(answer, who)| (answer, &who[..who.len().min(5)])).collect();
    assert_eq!(answers.len(), 1, "{told:#?}");
    let (answer, _) = answers.first_key_value().unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains(r#""code":"invalid_token""#) && !answer.contains("ana"), "{answer}");
}

/// Neither does a guest's token or what would be believed elsewhere make a bad token better.
#[actix_web::test]
async fn nothing_beside_it_makes_a_bad_token_good() {
    let shop = Shop::with_access(Access::Tokens(verifier().await));
    let socket = Socket::open(&shop);
    let bad = "authorization: Bearer a.b.c\r\n";
    let alone = answer(&socket, ("GET", "/cart"), bad.as_bytes()).await;
    let guest = GuestToken::generate().expose();
    for beside in [
        "x-user-id: ana\r\n".to_owned(),
        "x-user-id: ana\r\nx-user-scopes: admin\r\n".to_owned(),
        format!("x-guest-token: {guest}\r\n"),
        format!("cookie: cartwright_guest={guest}\r\n"),
        "cookie: access_token=x; session=y\r\n".to_owned(),
        "proxy-authorization: Bearer x\r\n".to_owned(),
        "x-forwarded-user: ana\r\nx-original-url: /livez\r\nx-http-method-override: GET\r\n".to_owned(),
    ] {
        let lines = format!("{beside}{bad}");
        assert_eq!(answer(&socket, ("GET", "/cart"), lines.as_bytes()).await, alone, "{beside}");
        for route in CLOSED {
            let line = format!("{beside}authorization: Basic {guest}\r\n");
            assert!(answer(&socket, route, line.as_bytes()).await.starts_with("HTTP/1.1 401"), "{beside}");
        }
    }
    for bad in ["", "x", &format!("{guest}="), &guest[1..], "\u{ff}"] {
        let line = format!("x-guest-token: {bad}\r\n");
        assert_eq!(answer(&socket, ("GET", "/cart"), line.as_bytes()).await, alone, "{bad:?}");
    }
}

/// How many of them are refused before he is told to wait does not depend on what is wrong either.
#[actix_web::test]
async fn all_that_is_refused_is_counted() {
    let mut shop = Shop::with_access(Access::Tokens(verifier().await));
    let proxies = TrustedProxies::new(ProxyHeader::XForwardedFor, ["127.0.0.0/8"]).unwrap();
    let addresses = Quotas { logins: Quota::per_minute(3).unwrap(), ..Quotas::default() };
    for (what, mut lines) in lines() {
        lines.extend(b"x-forwarded-for: 203.0.113.7\r\n");
        let limiter = Arc::new(MemoryRateLimiter::new(100));
        let (users, proxies) = (Quotas::default(), proxies.clone());
        shop.state.limits = Some(Limits { limiter, users, addresses, proxies });
        let socket = Socket::open(&shop);
        let mut statuses = Vec::new();
        for route in [CLOSED[0], CLOSED[1], CLOSED[8], CLOSED[10]] {
            statuses.push(answer(&socket, route, &lines).await[9..12].to_owned());
        }
        assert_eq!(statuses, ["401", "401", "401", "429"], "{what}");
    }
}
