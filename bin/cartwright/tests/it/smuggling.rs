//! What is no HTTP, or two kinds of it at once, byte by byte over TCP: it is refused, it never becomes a second request, and
//! nobody waits for it for long.

use std::time::Duration;

use cartwright_testkit::eventually;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::kit::{Node, START, expect};

/// The longest that a connection may stay open that has nothing to say: patience with bodies, and some more for busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that is not to be carried out.
const INNER: &str = "POST /cart/smuggled/add HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
     content-length: 18\r\n\r\n{\"product_id\":\"1\"}";

/// What must become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// One answer of 400 to 499, and no more: the connection is closed, for nobody knows where the next request would begin.
    Refused,
    /// So many answers, of any status, or fewer: nothing of a body is one of the requests.
    AtMost(usize),
    /// Exactly these.
    Answers(&'static [u16]),
}
use End::{Answers, AtMost, Refused};

struct Case {
    name: String,
    bytes: Vec<u8>,
    end: End,
}

fn case(name: impl Into<String>, bytes: impl AsRef<[u8]>, end: End) -> Case {
    Case { name: name.into(), bytes: bytes.as_ref().to_vec(), end }
}

/// A `POST` with these header lines, a body, and behind it what would be a request.
fn post(lines: &str, body: &str) -> String {
    format!(
        "POST /cart/ana/add HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n{lines}\r\n{body}{INNER}"
    )
}

/// The same where what stands behind is a request of its own, which is to be carried out.
fn post_twice(lines: &str, body: &str) -> String {
    post(lines, body).replace("/cart/smuggled/", "/cart/next/")
}

/// Two ways to say where a body ends.
fn lengths() -> Vec<Case> {
    let chunked = "0\r\n\r\n";
    let mut cases = Vec::new();
    for lines in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 0\r\n",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5\r\ncontent-length: 5\r\n",
        "content-length: 0\r\ncontent-length: 5\r\n",
        "content-length: 5, 5\r\n",
        "content-length: 5, 6\r\n",
        "content-length: +5\r\n",
        "content-length: -5\r\n",
        "content-length: 0x5\r\n",
        "content-length: 5 5\r\n",
        "content-length: 5;\r\n",
        "content-length: 1e1\r\n",
        "content-length: 5.0\r\n",
        "content-length: \r\n",
        "content-length: ٥\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length: 99999999999999999999999999\r\n",
        "content-length : 5\r\n",
        " content-length: 5\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: identity, chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked,\r\n",
        "transfer-encoding: \"chunked\"\r\n",
        "transfer-encoding: chunked;q=1\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: \r\n",
        "transfer-encoding: chun\u{212a}ed\r\n",
        "transfer-encoding: chunked\u{b}\r\n",
        "transfer-encoding: \u{b}chunked\r\n",
        "transfer-encoding : chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "transfer-encoding\t: chunked\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        "x: y\r\n transfer-encoding: chunked\r\n",
        "x: y\r\n\ttransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: x\r\ntransfer-encoding: chunked\r\n",
        "\u{0}transfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\u{0}\r\n",
    ] {
        cases.push(case(format!("{lines:?}"), post(lines, chunked), Refused));
    }
    // Blanks around a value are none of it.
    for line in ["transfer-encoding: \t chunked\r\n", "Transfer-Encoding:CHUNKED \r\n"] {
        cases.push(case(
            line,
            post_twice(line, "12\r\n{\"product_id\":\"1\"}\r\n0\r\n\r\n"),
            Answers(&[200, 200]),
        ));
    }
    cases.push(case(
        "chunks in HTTP/1.0",
        post("transfer-encoding: chunked\r\n", chunked).replacen("HTTP/1.1", "HTTP/1.0", 1),
        Refused,
    ));
    cases.push(case("no length in HTTP/1.0", post("", "").replacen("HTTP/1.1", "HTTP/1.0", 1), Refused));
    cases
}

/// Chunks that others may read otherwise.
fn chunks() -> Vec<Case> {
    let mut cases = Vec::new();
    let many_digits = format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(40));
    for body in [
        "\r\nhello\r\n0\r\n\r\n",
        "xyz\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5h\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5;\u{0}\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5,5\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "٥\r\nhello\r\n0\r\n\r\n",
        "\u{b}5\r\nhello\r\n0\r\n\r\n",
    ] {
        cases.push(case(format!("chunk {body:?}"), post("transfer-encoding: chunked\r\n", body), Refused));
    }
    let whole = "{\"product_id\":\"1\"}";
    for body in [
        format!("12;name=value;\"quoted\"\r\n{whole}\r\n0\r\n\r\n"),
        format!("12 \r\n{whole}\r\n0\r\n\r\n"),
        format!("1\r\n{{\r\n11\r\n{}\r\n00;last\r\n\r\n", &whole[1..]),
        format!("12\r\n{whole}\r\n0\r\nx-user-id: bob\r\ncontent-length: 5\r\n\r\n"),
    ] {
        // Odd, and right: two answers, and the cart of the second.
        let text = post_twice("transfer-encoding: chunked\r\n", &body);
        cases.push(case(format!("chunk {body:?}"), text, Answers(&[200, 200])));
    }
    cases.push(case(
        "zeros",
        post_twice("transfer-encoding: chunked\r\n", &many_digits),
        Answers(&[400, 200]),
    ));
    // The rest is too large for a body, and so is what it says.
    let endless = format!("ffffffffffffffff\r\n{}", "x".repeat(400_000));
    cases.push(case("an endless chunk", post("transfer-encoding: chunked\r\n", &endless), Refused));
    // Nobody reads these, nor counts them; they take the time that a body may take, at most.
    let extension = format!("5;{}", "x".repeat(400_000));
    cases.push(case("an endless extension", post("transfer-encoding: chunked\r\n", &extension), AtMost(1)));
    let trailers = format!("0\r\n{}", "x: y\r\n".repeat(50_000));
    // To whoever reads trailers, the lines of the request behind them are some more of them.
    cases.push(case(
        "endless trailers",
        post("transfer-encoding: chunked\r\n", &trailers),
        Answers(&[400, 400]),
    ));
    // Where nobody reads the body, nobody waits for its end.
    for path in ["/nowhere", "/api/v1/orders/none", "/api/v1/carts/ana", "/livez", "/api/v1/carts/ana/count"]
    {
        for method in ["GET", "POST", "HEAD"] {
            let text = format!(
                "{method} {path} HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\nif-none-match: *\r\n\r\nfffffff\r\n{INNER}"
            );
            cases.push(case(format!("{method} {path} without end"), text, AtMost(1)));
        }
    }
    cases
}

/// Heads that are none.
fn heads() -> Vec<Case> {
    let get = |lines: &str| format!("GET /livez HTTP/1.1\r\nhost: shop\r\n{lines}\r\n{INNER}");
    let first = |line: &str| format!("{line}\r\nhost: shop\r\n\r\n{INNER}");
    let mut cases = Vec::new();
    for lines in [
        "x y: z\r\n",
        "x : z\r\n",
        ": z\r\n",
        "x\r\n",
        "x: a\u{0}b\r\n",
        "x\u{0}: z\r\n",
        "x: a\rb: c\r\n",
        "x: a\r\r\n",
        "x: a\u{1}\r\n",
        "x: a\u{7f}\r\n",
        "x: a\r\n b\r\n",
        "é: z\r\n",
        "x(y): z\r\n",
        "host: other\r\n",
    ] {
        cases.push(case(format!("{lines:?}"), get(lines), Refused));
    }
    cases.push(case("a header of a megabyte", get(&format!("x: {}\r\n", "y".repeat(1 << 20))), Refused));
    cases.push(case("10,000 headers", get(&"x: y\r\n".repeat(10_000)), Refused));
    cases.push(case("a name of 100 KB", get(&format!("{}: y\r\n", "x".repeat(100_000))), Refused));
    for line in [
        "GET /livez HTTP/0.9",
        "GET /livez HTTP/1.2",
        "GET /livez HTTP/2.0",
        "GET /livez HTTP/3",
        "GET /livez HTTP/11",
        "GET /livez HTTP/1.1 x",
        "GET /livez http/1.1",
        "GET /livez",
        "GET",
        "GET /li vez HTTP/1.1",
        "GET  /livez HTTP/1.1",
        "GET /livez  HTTP/1.1",
        "GET\t/livez\tHTTP/1.1",
        "GET /livez\u{0} HTTP/1.1",
        "GET /livez\r HTTP/1.1",
        "G\u{0}T /livez HTTP/1.1",
        "GET /livez HTTP/1.1\rx",
        "(GET) /livez HTTP/1.1",
        "\u{0}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n",
        "RTSP/1.0 200 OK",
        "HTTP/1.1 200 OK",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    ] {
        cases.push(case(format!("{line:?}"), first(line), Refused));
    }
    let long = format!("GET /{} HTTP/1.1", "a".repeat(100_000));
    cases.push(case("an address of 100 KB", first(&long), Refused));
    cases.push(case("no host", format!("GET /livez HTTP/1.1\r\n\r\n{INNER}"), Refused));
    cases
}

/// Requests that are HTTP, and have behind or within them what would be another.
fn requests() -> Vec<Case> {
    let length = INNER.len();
    let mut cases = Vec::new();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW", "get"] {
        for path in ["/livez", "/api/v1/carts/ana", "/nowhere", "/api/v1/jobs/none", "/cart"] {
            let name = format!("{method} {path} with a body");
            let text =
                format!("{method} {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: {length}\r\n\r\n{INNER}");
            cases.push(case(name, text, AtMost(1)));
            let name = format!("{method} {path} with chunks");
            let text = format!(
                "{method} {path} HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{INNER}\r\n0\r\n\r\n"
            );
            cases.push(case(name, text, AtMost(1)));
        }
    }
    let body = |lines: &str| {
        format!(
            "POST /api/v1/products HTTP/1.1\r\nhost: shop\r\n{lines}content-length: {length}\r\n\r\n{INNER}"
        )
    };
    cases.push(case("of another type", body("content-type: text/plain\r\n"), AtMost(1)));
    cases.push(case(
        "to be waited for",
        body("content-type: text/plain\r\nexpect: 100-continue\r\n"),
        AtMost(2),
    ));
    cases.push(case("with an expectation", body("expect: 200-ok\r\n"), AtMost(1)));
    cases.push(case("from another site", body("sec-fetch-site: cross-site\r\n"), AtMost(1)));
    cases.push(case("compressed, it says", body("content-encoding: gzip\r\n"), AtMost(1)));
    cases.push(case(
        "keys that are none",
        body("idempotency-key: \r\ncontent-type: application/json\r\n"),
        AtMost(1),
    ));
    let large = format!(
        "POST /cart/ana/add HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n{INNER}"
    );
    cases.push(case("larger than allowed", large, Refused));
    for upgrade in ["websocket", "h2c", "TLS/1.0", "HTTP/2.0"] {
        for method in ["GET", "POST"] {
            let text = format!(
                "{method} /cart/ana/add HTTP/1.1\r\nhost: shop\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: {upgrade}\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{INNER}"
            );
            cases.push(case(format!("{method}, upgrade to {upgrade}"), text, AtMost(1)));
        }
    }
    // The length counts, and what follows is another request: nothing of it is taken for the body.
    let whole = "{\"product_id\":\"1\"}";
    for (upgrade, end) in
        [("h2c", Answers(&[200, 200])), ("websocket", Answers(&[400])), ("WebSocket", Answers(&[400]))]
    {
        let text = format!(
            "POST /cart/ana/add HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\ncontent-type: \
             application/json\r\ncontent-length: 18\r\n\r\n{whole}GET /livez HTTP/1.1\r\nhost: shop\r\n\r\n"
        );
        cases.push(case(format!("a body before an upgrade to {upgrade}"), text, end));
    }
    for line in [
        "CONNECT evil.example:443",
        "CONNECT /livez",
        "OPTIONS *",
        "GET *",
        "GET evil.example:80",
        "GET evil.example",
        "GET //evil.example/livez",
        "GET /livez#fragment",
        "GET http://evil.example/nowhere",
        "GET http://evil.example",
        "GET https://user:pass@evil.example/nowhere",
        "GET ftp://evil.example/x",
        "GET ?",
        "GET /..",
        "GET /../livez",
        "GET /api/v1/carts/../../../etc/passwd",
        "GET /api/v1/carts/%2e%2e%2fjobs",
        "GET /api/v1/carts/ana%2fitems",
        "GET /api/v1/carts/ana%00",
        "GET /api/v1/carts/%ff%fe",
        "GET /api/v1/carts/%",
        "GET /api/v1/carts/%zz",
        "GET /api/v1/carts/ana;admin=true",
        "GET /api/v1/carts/\\..\\ana",
        "GET /docs/..%2f..%2fetc%2fpasswd",
        "GET /docs/../../etc/passwd",
        "GET /jobs/..%2f..%2fCargo.toml",
        "GET /jobs/%2e%2e/Cargo.toml",
        "GET /%2flivez",
        "TRACE /livez",
    ] {
        let text =
            format!("{line} HTTP/1.1\r\nhost: shop\r\nx-canary: canary-7\r\nconnection: close\r\n\r\n");
        cases.push(case(line, text, AtMost(1)));
    }
    let good = "GET /livez HTTP/1.1\r\nhost: shop\r\n\r\n";
    let bad = "GET /livez HTTP/1.1\r\nhost: shop\r\ncontent-length: x\r\n\r\n";
    cases.push(case("two good ones", good.repeat(2), Answers(&[200, 200])));
    cases.push(case("a bad one before a good one", format!("{bad}{good}"), Refused));
    cases.push(case("a bad one between", format!("{good}{bad}{good}"), Answers(&[200, 400])));
    // RFC 9112, 9.6 forbids the second answer. actix-http gives it when both came at once; it is a request of its own in any
    // reading, so that nothing is hidden.
    let closing = good.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    cases.push(case("a closing one before", closing + good, AtMost(2)));
    // RFC 9112, 2.2 lets a server take them so; what is behind is a request of its own, in that reading and in any other.
    cases.push(case("lines that end with LF", "GET /livez HTTP/1.1\nhost: shop\n\n", Answers(&[200])));
    cases.push(case("empty lines before", format!("\r\n\r\n{good}"), Answers(&[200])));
    cases
}

/// Sends it, and reads until the server closes.
pub(crate) async fn exchange(address: String, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let both = async {
        // Who is refused halfway is told so before all is sent; a reset is an end, too.
        let write = async { writer.write_all(&bytes).await };
        let read = async { reader.read_to_end(&mut answer).await };
        let _ = tokio::join!(write, read);
    };
    let ended = timeout(PATIENCE, both).await.is_ok();
    ended.then_some(answer)
}

fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    let each = text.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok());
    each.collect()
}

fn judge(case: &Case, answer: &[u8]) -> Result<(), String> {
    let (statuses, text) = (statuses(answer), String::from_utf8_lossy(answer));
    let right = match case.end {
        // A reset may take the answer with it.
        Refused => matches!(statuses.as_slice(), [] | [400..=499]),
        // `100 Continue` is one.
        AtMost(most) => statuses.len() <= most && !statuses.contains(&500),
        Answers(expected) => statuses == expected,
    };
    let told = ["canary-7", "root:", "[workspace]"].into_iter().find(|word| text.contains(word));
    match (right, told) {
        (true, None) => Ok(()),
        _ => Err(format!("{} should be {:?}: {statuses:?} {:.300}", case.name, case.end, text)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_none_and_hides_none() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(
        folder.path(),
        &[("CARTWRIGHT__SERVER__CLIENT_REQUEST_TIMEOUT", "2"), ("CARTWRIGHT__SERVER__KEEP_ALIVE", "1")],
    );
    let address = node.url.trim_start_matches("http://").to_owned();
    let mut cases = JoinSet::new();
    for case in [lengths(), chunks(), heads(), requests()].into_iter().flatten() {
        let address = address.clone();
        cases.spawn(async move {
            match exchange(address, case.bytes.clone()).await {
                Some(answer) => judge(&case, &answer),
                None => Err(format!("{} is still open", case.name)),
            }
        });
    }
    assert!(cases.len() > 200, "{}", cases.len());
    let failures: Vec<String> = cases.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} are wrong:\n{}", failures.len(), failures.join("\n\n"));

    let mut client = node.client().await;
    let cart = expect(&mut client, 200, "GET", "/api/v1/carts/smuggled", "").await;
    assert_eq!(cart["version"], 0, "a hidden request was carried out: {cart}");
    let next = expect(&mut client, 200, "GET", "/api/v1/carts/next", "").await;
    assert_eq!(next["version"], 7, "what was no hidden one was carried out: {next}");
    expect(&mut client, 200, "GET", "/readyz", "").await;
    eventually(START, async || connections(&node).await <= 2).await;
    drop(client);
    node.stop();
}

/// Sockets that the process has open with clients.
async fn connections(node: &Node) -> usize {
    let port: u16 = node.url.rsplit(':').next().unwrap().parse().unwrap();
    let tables = tokio::fs::read_to_string("/proc/net/tcp").await.unwrap();
    let ours = format!(":{port:04X}");
    let established = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&ours)) && words.nth(1) == Some("01")
    };
    tables.lines().filter(established).count()
}

/// What of a request comes back in a header comes back as it may stand there.
#[tokio::test]
async fn nothing_of_a_request_makes_a_header_of_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[("CARTWRIGHT__SERVER__CORS_ORIGINS", "https://shop.example")]);
    let address = node.url.trim_start_matches("http://").to_owned();
    let ends = [
        "%0d%0ax-evil:%201",
        "%0ax-evil:%201",
        "%0dx-evil:%201",
        "%E5%98%8D%E5%98%8Ax-evil:%201",
        "%00%0d%0a%0d%0aHTTP/1.1%20200%20OK",
    ];
    let mut requests = Vec::new();
    for end in ends {
        for path in [
            "/api/v1/carts/ana",
            "/api/v1/products/1",
            "/api/v1/products/1/cached",
            "/api/v1/orders/1",
            "/api/v1/categories/tools",
            "/api/v1/sessions/a",
            "/docs/a",
            "/jobs/a",
            "/nowhere",
            "/cache/product/a",
        ] {
            requests.push(format!("GET {path}{end} HTTP/1.1\r\n"));
        }
        for query in [
            "/api/v1/search?q=",
            "/api/v1/products?category=",
            "/api/v1/products?cursor=",
            "/livez?x=",
            "/docs?x=",
            "/api/v1/events?after=",
        ] {
            requests.push(format!("GET {query}{end} HTTP/1.1\r\n"));
        }
        requests.push(format!("GET /api/v1/categories/a{end}/products HTTP/1.1\r\n"));
        requests.push(format!("POST /api/v1/guests?cookie={end} HTTP/1.1\r\n"));
    }
    let plain = "GET /api/v1/carts/ana HTTP/1.1\r\n";
    for line in
        ["\u{85}", "\u{2028}", "\u{560a}\u{560d}", "%0d%0ax-evil: 1", "\\r\\nx-evil: 1", "\tx-evil: 1"]
    {
        for name in [
            "x-request-id",
            "origin",
            "cookie",
            "if-none-match",
            "accept-encoding",
            "idempotency-key",
            "x-user-id",
            "x-forwarded-for",
            "range",
            "access-control-request-headers",
        ] {
            requests.push(format!("{plain}{name}: a{line}\r\n"));
        }
    }
    let json = |text: &str| serde_json::to_string(&format!("a{text}x-evil: 1")).unwrap();
    for end in ["\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\u{560a}"] {
        let text = json(end);
        for (path, body) in [
            ("/api/v1/products", format!(r#"{{"id":{text},"name":"a","price":1}}"#)),
            ("/api/v1/products", format!(r#"{{"name":{text},"price":1}}"#)),
            ("/api/v1/products", format!(r#"{{"name":"a","price":1,"category":{text}}}"#)),
            ("/api/v1/orders", format!(r#"{{"product_id":{text}}}"#)),
            ("/api/v1/webhooks", format!(r#"{{"url":{text}}}"#)),
            ("/cart/ana/add", format!(r#"{{"product_id":{text}}}"#)),
            ("/session/create", format!(r#"{{"a":{text}}}"#)),
        ] {
            requests.push(format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\nx-user-id: ana\r\ncontent-length: {}\r\n|{body}", body.len()));
        }
    }
    for request in requests {
        let (head, body) = request.split_once('|').unwrap_or((&request, ""));
        let text = format!("{head}host: shop\r\nconnection: close\r\n\r\n{body}");
        let answer = exchange(address.clone(), text.into_bytes()).await.expect("it ends");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, _) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        assert_eq!(statuses(head.as_bytes()).len(), 1, "{request:?}: {head}");
        assert!(!head.starts_with("HTTP/1.1 5"), "{request:?}: {head}");
        for line in head.split("\r\n").skip(1) {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            assert!(name != "x-evil" && !value.chars().any(char::is_control), "{request:?}: {line:?}");
            assert!(value.is_ascii(), "{request:?}: {line:?}");
        }
    }
    let made: Value = expect(&mut node.client().await, 200, "GET", "/api/v1/categories", "").await;
    assert!(!made.to_string().contains("x-evil: 1\""), "{made}");
}
