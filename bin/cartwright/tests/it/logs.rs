//! What others have written, in the log: it stays a value in a record.

use std::sync::{Arc, Mutex};

use cartwright_identity::{Secret, SigningKey};
use cartwright_testkit::eventually;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    kit::{Node, START},
    smuggling::exchange,
    tokens::{SECRET, keys, token},
};

/// What others write: line ends, a record of their own, colours, the end of a terminal's title, text that reads backwards.
const HOSTILE: &str = "x\n2026-01-01T00:00:00.000000Z  INFO cartwright: FAKE-RECORD\r\n\u{1b}[2J\u{1b}]0;FAKE-TITLE\u{7}\u{9b}31m\
     \u{202e}drawkcab\u{2028}\u{85}{\"level\":\"INFO\",\"fields\":{\"message\":\"FAKE-JSON\"}}\u{0}\u{7f}";

/// A receiver of webhooks that fails, and says something about it. Gives its port.
async fn hostile_receiver() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut n = 0_usize;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = [
                format!("HTTP/1.1 500 FAKE-RECORD\r\nconnection: close\r\n\r\n{HOSTILE}"),
                "HTTP/1.1 302 x\r\nlocation: http://FAKE-RECORD/\u{85}\u{9b}31m?a\r\nconnection: close\r\n\r\n".to_owned(),
                HOSTILE.to_owned(),
            ];
            let _ = stream.write_all(answer[n % 3].as_bytes()).await;
            n += 1;
        }
    });
    port
}

/// Sends what is hostile wherever something can be said.
async fn say_everything(node: &Node, receiver: u16) {
    let address = node.url.trim_start_matches("http://").to_owned();
    let escaped: String = HOSTILE.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let long = "%0A".repeat(3_000);
    let mut requests = Vec::new();
    for hostile in [&escaped, &long] {
        for path in [
            "/",
            "/api/v1/carts/",
            "/api/v1/products/",
            "/api/v1/orders/",
            "/api/v1/sessions/",
            "/cache/product/",
            "/api/v1/search?q=",
            "/api/v1/products?cursor=",
            "/api/v1/jobs/",
            "/livez?",
            "/api/v1/webhooks/",
        ] {
            requests.push(format!("GET {path}{hostile} HTTP/1.1\r\n\r\n"));
        }
        requests.push(format!("POST /api/v1/jobs/queues/{hostile}/pause HTTP/1.1\r\n\r\n"));
    }
    // Of a header's value, controls of one byte are no HTTP; those of two are.
    let value = "FAKE-RECORD \u{85}\u{9b}31m\u{202e}drawkcab\u{2028}";
    for name in [
        "user-agent",
        "x-request-id",
        "x-user-id",
        "cookie",
        "authorization",
        "idempotency-key",
        "referer",
        "x-forwarded-for",
        "last-event-id",
    ] {
        for value in [value, "2026-01-01T00:00:00Z INFO FAKE-RECORD", &"x".repeat(10_000)] {
            requests.push(format!("GET /cart HTTP/1.1\r\n{name}: {value}\r\n\r\n"));
        }
    }
    let text = serde_json::to_string(HOSTILE).unwrap();
    for (path, body) in [
        ("/api/v1/carts/ana/items", format!(r#"{{"product_id":{text}}}"#)),
        ("/api/v1/carts/ana/items", format!(r#"{{"product_id":"1",{text}:1}}"#)),
        ("/api/v1/carts/ana/items", format!("{HOSTILE}{{")),
        ("/api/v1/products", format!(r#"{{"id":{text},"name":{text},"price":{text},"category":{text}}}"#)),
        ("/api/v1/webhooks", format!(r#"{{"url":{text}}}"#)),
        ("/api/v1/webhooks", format!(r#"{{"url":"https://hooks.example.com/","description":{text}}}"#)),
        ("/api/v1/sessions", format!(r#"{{"data":{{{text}:{text}}}}}"#)),
        ("/api/v1/orders", format!(r#"{{"product_id":"1","hold_id":{text}}}"#)),
    ] {
        let length = body.len();
        requests.push(format!(
            "POST {path} HTTP/1.1\r\nx-user-id: ana\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }
    let key = SigningKey::secret(Secret::new(SECRET).unwrap());
    let admin = format!("authorization: Bearer {}\r\n", token(&key, None, "root", "admin"));
    for request in requests {
        let known = if request.contains("\nauthorization") { "" } else { &admin };
        let lines = format!("\r\nhost: shop\r\nconnection: close\r\n{known}");
        let request = request.replacen("\r\n", &lines, 1);
        exchange(address.clone(), request.into_bytes()).await.expect("it ends");
    }
    let mut client = node.client().await;
    let target = json!({"url": format!("http://127.0.0.1:{receiver}/{escaped}")}).to_string();
    for (path, body) in [
        ("/api/v1/webhooks", target.as_str()),
        ("/api/v1/orders", r#"{"product_id":"1"}"#),
        ("/api/v1/orders", r#"{"product_id":"2"}"#),
        ("/api/v1/orders", r#"{"product_id":"3"}"#),
    ] {
        let answer = client.send_with(&admin, "POST", path, body).await.unwrap();
        assert_eq!(answer.status, 201, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
    // From elsewhere: keys that no one knows, of any name.
    eventually(START, async || {
        let log = node.process.log();
        log.matches("a job failed").count() >= 3 && log.contains("keys of tokens are left out")
    })
    .await;
}

async fn logged(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let receiver = hostile_receiver().await;
    let strange = json!({"kty": "FAKE-RECORD\n", "kid": HOSTILE, "use": HOSTILE, "alg": HOSTILE});
    let url = keys(Arc::new(Mutex::new(vec![strange]))).await;
    let node = Node::start(
        folder.path(),
        &[
            ("CARTWRIGHT__SERVER__LOG_FORMAT", format),
            // Libraries too: they show more of what comes than we do.
            ("RUST_LOG", "trace"),
            // Shown as it is, as paths are.
            ("DATABASE_URL", "sqlite://shop\u{202e}bd\u{2028}.db"),
            ("CARTWRIGHT__WEBHOOKS__ALLOW_PRIVATE", "true"),
            ("CARTWRIGHT__WEBHOOKS__ALLOW_HTTP", "true"),
            ("CARTWRIGHT__WEBHOOKS__PORTS", &receiver.to_string()),
            ("CARTWRIGHT__JOBS__POLL_MS", "20"),
            ("CARTWRIGHT__AUTH__MODE", "jwt"),
            ("CARTWRIGHT__AUTH__SECRET", SECRET),
            ("CARTWRIGHT__AUTH__JWKS_URL", &url),
        ],
    );
    say_everything(&node, receiver).await;
    node.stop();
    node.process.log()
}

/// What nobody may write into a log: it changes where and how the rest of it stands.
fn harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What greets on standard output, which is in the same file.
fn greets(line: &str) -> bool {
    line.starts_with("Cartwright ") || line.starts_with("  ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_is_one_line_of_text() {
    let log = logged("text").await;
    let (mut records, mut fakes) = (0, 0);
    for line in log.split_terminator('\n').filter(|line| !greets(line)) {
        assert!(!line.contains(harmful), "{line:?}");
        let (time, _) = line.split_once("Z ").unwrap_or_else(|| panic!("no record: {line:?}"));
        assert!(chrono_like(time) && !line.starts_with("2026-01-01T"), "{line:?}");
        records += 1;
        fakes += usize::from(line.contains("FAKE-RECORD"));
    }
    assert!(records > 100 && fakes > 0, "{records} records, {fakes} with something of others'");
    assert!(log.contains("store=sqlite://shop\\u202ebd\\u2028.db"), "what is shown as it is can be seen");
}

/// `2026-01-31T12:00:00.000000`.
fn chrono_like(time: &str) -> bool {
    time.len() == 26 && time.bytes().all(|byte| byte.is_ascii_digit() || b"-T:.".contains(&byte))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_is_one_line_of_json() {
    let log = logged("json").await;
    let (mut records, mut fakes) = (0, 0);
    for line in log.split_terminator('\n').filter(|line| !greets(line)) {
        assert!(!line.contains(harmful), "{line:?}");
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let said = &record["fields"]["message"];
        assert!(record["target"].is_string() && *said != "FAKE-JSON", "{line:?}");
        records += 1;
        fakes += usize::from(line.contains("FAKE-RECORD"));
    }
    assert!(records > 100 && fakes > 0, "{records} records, {fakes} with something of others'");
}
