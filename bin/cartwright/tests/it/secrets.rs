//! What is nobody's business, nowhere in a log: of a node that was driven with it, of one that has lost its servers, and of
//! commands that end.

use std::{fmt::Write as _, path::Path};

use cartwright_identity::{Secret, SigningKey};
use cartwright_testkit::{ChaosProxy, Mode, Postgres, RedisServer, eventually, evidence};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rand::{Rng, distr::Alphanumeric};
use serde_json::Value;

use crate::{
    kit::{Node, START, run, text},
    smuggling::exchange,
    tokens::token,
};

const TRACE: (&str, &str) = ("RUST_LOG", "info,cartwright=trace");

/// A secret that is nowhere else.
pub(crate) fn made_up(kind: &str) -> String {
    let random: String = rand::rng().sample_iter(Alphanumeric).take(40).map(char::from).collect();
    format!("{kind}{random}")
}

/// What must not be seen, by name.
#[derive(Default)]
struct Hidden(Vec<(String, String)>);

impl Hidden {
    fn add(&mut self, name: &str, secret: &str) -> String {
        assert!(secret.len() >= 16, "{name}");
        evidence::secret(secret);
        self.0.push((name.to_owned(), secret.to_owned()));
        secret.to_owned()
    }

    fn made_up(&mut self, kind: &str) -> String {
        self.add(kind, &made_up(kind))
    }

    /// Neither as it is nor written otherwise, nor a good part of it.
    #[track_caller]
    fn are_not_in(&self, what: &str, seen: &str) {
        for (name, secret) in &self.0 {
            for form in forms(secret) {
                assert!(!seen.contains(&form), "{what} shows {name}, as {form}:\n{}", around(seen, &form));
            }
        }
    }
}

fn around<'a>(seen: &'a str, form: &str) -> &'a str {
    seen.lines().find(|line| line.contains(form)).unwrap_or_default()
}

fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a string takes everything
        hex
    });
    let mut forms = vec![percent_encode(bytes, NON_ALPHANUMERIC).to_string(), hex.to_uppercase(), hex];
    // In base64 a text looks in one of three ways, by what stands before it; what depends on neighbours is left out.
    for shift in 0..3 {
        let shifted = [vec![b'x'; shift], bytes.to_vec()].concat();
        let text = base64(&shifted);
        forms.push(text[4..text.len() - 4].to_owned());
        forms.push(text[4..text.len() - 4].replace('+', "-").replace('/', "_"));
    }
    let parts = [0, bytes.len() / 2 - 8, bytes.len() - 16];
    forms.extend(parts.into_iter().filter_map(|at| Some(secret.get(at..at + 16)?.to_owned())));
    forms
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number =
            three.iter().chain([0, 0].iter()).take(3).fold(0_usize, |n, byte| n << 8 | usize::from(*byte));
        text.extend([18, 12, 6, 0].map(|shift| char::from(ALPHABET[number >> shift & 63])));
    }
    text
}

/// One request; head and body of its answer.
async fn ask(node: &Node, method: &str, path: &str, lines: &str, body: &str) -> String {
    let address = node.url.trim_start_matches("http://");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{lines}content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    let answer = exchange(address.to_owned(), request.into_bytes()).await.expect("it ends");
    String::from_utf8(answer).unwrap()
}

fn field(answer: &str, name: &str) -> String {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    body[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned()
}

/// With all that a shopper and an operator may send, right and wrong, to wherever.
async fn drive(node: &Node, hidden: &mut Hidden, admin: &str, user: &str) {
    let key = hidden.made_up("idempotency");
    let guest = field(&ask(node, "POST", "/api/v1/guests", "", "").await, "token");
    hidden.add("guest token", &guest);
    let cookie = ask(node, "POST", "/api/v1/guests?cookie=true", "", "").await;
    let (_, cookie) = cookie.split_once("cartwright_guest=").unwrap();
    let cookie = hidden.add("guest cookie", cookie.split(';').next().unwrap());
    let card = hidden.made_up("card");
    let data = format!(r#"{{"data":{{"card":"{card}"}}}}"#);
    let session = field(&ask(node, "POST", "/api/v1/sessions", user, &data).await, "session_id");
    hidden.add("session", &session);
    let hers =
        field(&ask(node, "POST", &format!("/api/v1/sessions/{session}/login"), user, "").await, "session_id");
    hidden.add("session after login", &hers);
    let query = hidden.made_up("query");
    let target = format!(r#"{{"url":"http://127.0.0.1:1/hook?key={query}"}}"#);
    let made = ask(node, "POST", "/api/v1/webhooks", admin, &target).await;
    hidden.add("webhook secret", field(&made, "secret").trim_start_matches("whsec_"));
    let webhook = format!("/api/v1/webhooks/{}", field(&made, "id"));
    let rotated = ask(node, "POST", &format!("{webhook}/rotate-secret"), admin, "").await;
    hidden.add("webhook secret after it", field(&rotated, "secret").trim_start_matches("whsec_"));
    let (basic, other, password) =
        (hidden.made_up("basic"), hidden.made_up("cookie"), hidden.made_up("password"));
    let credentials = [
        user.to_owned(),
        admin.to_owned(),
        format!("authorization: Basic {}\r\n", base64(format!("ana:{basic}!!").as_bytes())),
        format!("authorization: Bearer {}\r\n", hidden.made_up("bad.token.")),
        format!("authorization: {}\r\n", hidden.made_up("none")),
        format!("x-guest-token: {guest}\r\n"),
        format!("x-guest-token: {guest}x\r\n"),
        format!("cookie: cartwright_guest={cookie}; other={other}\r\n"),
        format!("x-session-id: {hers}\r\n{user}"),
        format!("proxy-authorization: Bearer {password}\r\nx-api-key: {password}\r\n"),
    ];
    let bodies = [
        r#"{"product_id":"1","quantity":1}"#.to_owned(),
        data.clone(),
        format!(r#"{{"password":"{password}"}}"#),
        format!(r#"{{"password":"{password}"#),
        format!(r#"{{"product_id":"{password} "}}"#),
        password.clone(),
    ];
    for lines in &credentials {
        let lines = format!("{lines}idempotency-key: {key}\r\n");
        for (method, path) in [
            ("GET", "/cart".to_owned()),
            ("GET", format!("/api/v1/carts/ana?access_token={query}")),
            ("GET", format!("/nowhere/{password}?token={query}")),
            ("GET", format!("/api/v1/sessions/{session}")),
            ("GET", format!("/api/v1/sessions/{hers}")),
            ("GET", format!("/session/{hers}x")),
            ("GET", format!("{webhook}/deliveries")),
            ("GET", "/api/v1/users/ana/profile".to_owned()),
            ("DELETE", "/api/v1/users/ana/sessions/none".to_owned()),
        ] {
            ask(node, method, &path, &lines, "").await;
        }
        for body in &bodies {
            for (method, path) in [
                ("POST", "/api/v1/carts/ana/items"),
                ("POST", "/cart/add"),
                ("POST", "/api/v1/orders"),
                ("POST", "/api/v1/sessions"),
                ("POST", "/api/v1/webhooks"),
                ("PUT", "/api/v1/users/ana/profile"),
            ] {
                ask(node, method, path, &lines, body).await;
            }
            ask(node, "PUT", &format!("/api/v1/sessions/{hers}"), &lines, body).await;
        }
    }
    ask(node, "POST", &format!("{webhook}/test"), admin, "").await;
    ask(node, "POST", &format!("{webhook}/replay"), admin, r#"{"after":"0"}"#).await;
    let metrics = ask(node, "GET", "/metrics", admin, "").await;
    assert!(metrics.contains("cartwright_http_requests_total"), "{metrics}");
    hidden.are_not_in("/metrics", &metrics);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_logged_of_what_is_sent() {
    for (mode, format) in [("jwt", "json"), ("trusted-header", "text")] {
        let folder = tempfile::tempdir().unwrap();
        let mut hidden = Hidden::default();
        let secret = hidden.made_up("secret");
        let mut variables = vec![
            TRACE,
            ("CARTWRIGHT__SERVER__LOG_FORMAT", format),
            ("CARTWRIGHT__AUTH__MODE", mode),
            ("CARTWRIGHT__AUTH__SECRET", &secret),
            ("CARTWRIGHT__WEBHOOKS__ALLOW_PRIVATE", "true"),
            ("CARTWRIGHT__WEBHOOKS__ALLOW_HTTP", "true"),
            ("CARTWRIGHT__WEBHOOKS__PORTS", "1"),
            ("CARTWRIGHT__JOBS__POLL_MS", "20"),
        ];
        let (mut admin, mut user) = ("x-user-scopes: admin\r\n".to_owned(), "x-user-id: ana\r\n".to_owned());
        if mode == "jwt" {
            let key = SigningKey::secret(Secret::new(&secret).unwrap());
            let mut bearer = |name: &str, scopes| {
                let token = token(&key, None, name, scopes);
                let mut parts = token.split('.').skip(1);
                hidden.add("claims", parts.next().unwrap());
                hidden.add("signature", parts.next().unwrap());
                format!("authorization: Bearer {token}\r\n")
            };
            (admin, user) = (bearer("root", "admin"), bearer("ana", ""));
        } else {
            // It is for tokens, which are not looked at here.
            variables.retain(|(name, _)| *name != "CARTWRIGHT__AUTH__SECRET");
        }
        let node = Node::start(folder.path(), &variables);
        drive(&node, &mut hidden, &admin, &user).await;
        eventually(START, async || node.process.log().contains("a job failed")).await;
        node.stop();
        let log = node.process.log();
        assert!(log.matches("answered").count() > 500, "all of it is logged");
        hidden.are_not_in(&format!("the log ({mode}, {format})"), &log);
        assert!(hidden.0.len() > 12);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_logged_when_servers_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut hidden = Hidden::default();
    let (of_redis, of_postgres) = (hidden.made_up("redis"), hidden.made_up("postgres"));
    let redis = RedisServer::builder().password(&of_redis).start().unwrap();
    let database = Postgres::shared().fresh_database().await;
    let proxy = ChaosProxy::start(([127, 0, 0, 1], Postgres::shared().port())).unwrap();
    let (_, name) = database.rsplit_once('/').unwrap();
    let url = format!("postgres://postgres:{of_postgres}@127.0.0.1:{}/{name}", proxy.port());
    let variables = [TRACE, ("DATABASE_URL", url.as_str()), ("REDIS_URL", &redis.url())];
    let node = Node::start(folder.path(), &variables);
    let user = "x-user-id: ana\r\nx-user-scopes: admin\r\n";
    let everything = async || {
        let mut answers = String::new();
        for (method, path, body) in [
            ("GET", "/api/v1/carts/ana", ""),
            ("POST", "/api/v1/carts/ana/items", r#"{"product_id":"1"}"#),
            ("GET", "/api/v1/products?limit=1", ""),
            ("GET", "/api/v1/orders", ""),
            ("POST", "/api/v1/sessions", "{}"),
            ("GET", "/health", ""),
            ("GET", "/readyz", ""),
            ("GET", "/redis/info", ""),
        ] {
            answers.push_str(&ask(&node, method, path, user, body).await);
        }
        answers
    };
    let mut seen = everything().await;
    redis.kill();
    eventually(START, async || node.process.log().contains("events are not heard")).await;
    seen.push_str(&everything().await);
    redis.restart();
    proxy.set(Mode::Cut);
    let broken = everything().await;
    assert!(broken.contains("HTTP/1.1 503"), "{broken}");
    seen.push_str(&broken);
    proxy.set(Mode::Pass);
    eventually(START, async || ask(&node, "GET", "/api/v1/orders", user, "").await.contains(" 200 ")).await;
    let doctor = text(&run(folder.path(), &["doctor"], &variables));
    node.stop();
    for (what, text) in [("an answer", seen), ("doctor", doctor), ("the log", node.process.log())] {
        hidden.are_not_in(what, &text);
    }
}

fn says(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run(folder, args, variables);
    assert!(!output.status.success(), "{args:?}: {}", text(&output));
    text(&output)
}

/// Commands that cannot do what they should say why, and nothing else.
#[test]
fn nothing_secret_is_said_of_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let mut hidden = Hidden::default();
    let secret = hidden.made_up("secret");
    let odd = format!("{secret}?/#@&{secret}");
    let urls = [
        format!("postgres://shop:{secret}@127.0.0.1:1/shop"),
        format!("postgres://shop:{odd}@127.0.0.1:1/shop"),
        format!("postgres://127.0.0.1:1/shop?user=shop&password={secret}"),
        format!("postgres://127.0.0.1:1/shop?password=a@{secret}"),
        format!("postgres://shop:?{secret}@127.0.0.1:1/shop"),
        format!("postgres://shop:{secret}"),
        format!("postgres:shop:{secret}@127.0.0.1:1/shop"),
        format!("shop:{secret}@127.0.0.1:1/shop"),
        format!("mysql://shop:{secret}@127.0.0.1:1/shop"),
        format!("postgres://shop:{secret}@[::1/shop"),
        format!("postgres://shop:{secret}@127.0.0.1:port/shop"),
    ];
    for url in &urls {
        for command in ["serve", "doctor"] {
            let said = says(folder.path(), &[command], &[TRACE, ("DATABASE_URL", url)]);
            hidden.are_not_in(&format!("{command} with {url}"), &said);
        }
    }
    let redis = RedisServer::builder().password("another").start().unwrap();
    let port = redis.port();
    for url in [
        format!("redis://:{secret}@127.0.0.1:1"),
        format!("redis://:{secret}@127.0.0.1:{port}"),
        format!("redis://shop:{odd}@127.0.0.1:{port}"),
        format!("redis://127.0.0.1:{port}?password={secret}"),
        format!("redis:{secret}"),
        format!("rediss://:{secret}@127.0.0.1:{port}"),
    ] {
        let said = text(&run(folder.path(), &["doctor"], &[TRACE, ("REDIS_URL", &url)]));
        hidden.are_not_in(&format!("doctor with {url}"), &said);
    }
    for (name, value) in [
        ("CARTWRIGHT__EDGE__VARNISH_URLS", format!("http://shop:{secret}@127.0.0.1:1")),
        ("REDIS_REPLICA_URLS", format!("redis://:{secret}@127.0.0.1:1")),
        ("DATABASE_REPLICA_URLS", format!("postgres://shop:{secret}@127.0.0.1:1/shop")),
        ("CARTWRIGHT__AUTH__JWKS_URL", format!("https://shop:{secret}@127.0.0.1:1/keys")),
        ("CARTWRIGHT__AUTH__JWKS_URL", format!("http://example.com/keys?code={secret}")),
        ("CARTWRIGHT__AUTH__SECRET", secret[..31].to_owned()),
        ("CARTWRIGHT__AUTH__SECRETS", secret.clone()),
        ("CARTWRIGHT__AUTH__SECRET__X", secret.clone()),
    ] {
        let variables = [TRACE, ("CARTWRIGHT__AUTH__MODE", "jwt"), (name, &value)];
        hidden.are_not_in(&format!("doctor with {name}"), &says(folder.path(), &["doctor"], &variables));
    }
    let file = folder.path().join("cartwright.toml");
    let number: String = std::iter::repeat_n("1234567890", 4).collect();
    hidden.add("a number", &number);
    hidden.add("a small number", "1234567890123456");
    for text in [
        format!("[auth]\nsecret = \"{secret}\n"),
        format!("[auth]\nsecret = {secret}\n"),
        format!("[auth]\nsecret = \"{secret}\" x\n"),
        format!("[auth]\nsecret = {number}\n"),
        "[auth]\nsecret = 1234567890123456\n".to_owned(),
        format!("[auth]\nsecret = [\"{secret}\"]\n"),
        format!("[auth]\nsecret = {{ a = \"{secret}\" }}\n"),
        format!("[auth]\nsecret = \"a\"\nsecret = \"{secret}\"\n"),
        format!("[auth]\nsekret = \"{secret}\"\n"),
        format!("auth = \"{secret}\"\n"),
        format!("[database]\nurl = \"postgres://shop:{secret}@127.0.0.1/shop\n"),
        format!("[database]\nurl = 'mysql://shop:{secret}@127.0.0.1/shop'\n"),
        format!("[cache]\nredis_url = [\"redis://:{secret}@127.0.0.1\"]\n"),
        format!("[cache]\nredis_replica_urls = \"redis://:{secret}@127.0.0.1\"\n"),
    ] {
        std::fs::write(&file, &text).unwrap();
        for command in ["serve", "doctor"] {
            let said = says(folder.path(), &[command], &[TRACE, ("CARTWRIGHT__AUTH__MODE", "jwt")]);
            hidden.are_not_in(&format!("{command} with {text}"), &said);
            assert!(
                said.contains("cartwright.toml")
                    || said.contains("auth")
                    || said.contains("database")
                    || said.contains("cache"),
                "{said}"
            );
        }
    }
}

/// What looks for secrets finds them.
#[test]
fn secrets_are_found_however_they_are_written() {
    let mut hidden = Hidden::default();
    let secret = hidden.add("it", "a secret/of+some length=");
    let shown = [
        secret.clone(),
        "a%20secret%2Fof%2Bsome%20length%3D".to_owned(),
        base64(secret.as_bytes()),
        base64(format!("ana:{secret}").as_bytes()),
        base64(format!("a:{secret} ").as_bytes()),
        "612073656372".to_owned() + "65742f6f662b736f6d65206c656e6774683d",
        secret[..20].to_owned(),
    ];
    for shown in shown {
        let line = format!("2026 INFO x {shown} y");
        let found = std::panic::catch_unwind(|| hidden.are_not_in("it", &line));
        assert!(found.is_err(), "{shown}");
    }
    hidden.are_not_in("it", "a secret and some length");
}
