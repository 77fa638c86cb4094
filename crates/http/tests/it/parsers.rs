//! Whatever comes in a header, an address, a query or a body: it is answered, and never by a panic or as a failure of ours.
//!
//! `PROPTEST_CASES` says how often.

use actix_web::{
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    test::TestRequest,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::{collection::vec, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Map, Value};

use crate::{
    assignment::{Desk, operations},
    kit::{Answer, Shop, request},
};

/// So many values; the same each time, unless more are asked for.
fn some<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>) -> Vec<T> {
    let cases = ProptestConfig::default().cases;
    let mut runner = if cases == 256 { TestRunner::deterministic() } else { TestRunner::default() };
    (0..cases).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Pieces of what parsers look for, and anything else.
fn text() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "\"",
        "W/",
        "*",
        ",",
        ";",
        "=",
        "-",
        "0",
        "1",
        "18446744073709551616",
        "ana",
        "sku-1",
        "guest-",
        "Bearer ",
        "for=",
        "[::1]",
        "%",
        "&",
        "+",
        "i,",
        "p5,sku-1",
        "a6162,",
        "true",
        "application/json",
        "bytes=0-",
        "cartwright_guest=",
        "\t",
        " ",
        ".",
        "/",
        "{",
        "}",
        "null",
        "1e999",
        "999999999999",
        "order.created",
        "text/event-stream;q=0",
        "\u{202e}",
    ]);
    vec(prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => "\\PC{0,4}", 1 => any::<char>().prop_map(String::from)], 0..8)
        .prop_map(|pieces| pieces.concat())
}

/// Checks that it is an answer, or a problem of the caller's.
#[track_caller]
fn is_answered(answer: &Answer, what: &str) {
    assert!(answer.status.as_u16() < 500, "{what}: {answer:?}");
    if answer.status.is_client_error() {
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}: {answer:?}");
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status.as_u16(), "{what}: {answer:?}");
        assert!(answer.body.len() < 50_000, "{what}: {}", answer.body.len());
    }
}

/// Of every address that ends: streams do not.
fn addresses() -> Vec<(Method, &'static str)> {
    let each = |(path, allow): (&'static str, &'static str)| {
        allow.split(", ").map(move |method| (method.parse::<Method>().unwrap(), path)).collect::<Vec<_>>()
    };
    let all = cartwright_http::addresses().into_iter().flat_map(each);
    all.filter(|(_, path)| !path.ends_with("/{user_id}/events") || path.contains("users")).collect()
}

/// The address with these in place of its ids.
fn filled(path: &str, ids: &[String]) -> String {
    let mut uri = String::new();
    let (mut rest, mut ids) = (path, ids.iter().cycle());
    while let Some((before, after)) = rest.split_once('{') {
        uri.push_str(before);
        uri.push_str(&percent_encode(ids.next().unwrap().as_bytes(), NON_ALPHANUMERIC).to_string());
        rest = after.split_once('}').unwrap().1;
    }
    uri + rest
}

#[actix_web::test]
async fn any_header_is_answered() {
    let shop = Shop::open();
    let desk = Desk::of(&shop).await;
    let names = [
        "if-match",
        "if-none-match",
        "idempotency-key",
        "cookie",
        "x-guest-token",
        "x-session-id",
        "x-request-id",
        "accept",
        "accept-encoding",
        "content-type",
        "last-event-id",
        "range",
        "x-forwarded-for",
        "origin",
        "sec-fetch-site",
        "x-user-id",
        "x-user-scopes",
        "content-encoding",
        "authorization",
    ];
    let value = prop_oneof![3 => text().prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..40)];
    let routes = select(vec![
        ("GET", "/api/v1/carts/ana"),
        ("PUT", "/api/v1/carts/ana/items/sku-1"),
        ("POST", "/cart/add"),
        ("GET", "/api/v1/products"),
        ("PATCH", "/api/v1/products/sku-2"),
        ("GET", "/api/v1/products/sku-1/cached"),
        ("GET", "/api/v1/users/ana/profile"),
        ("DELETE", "/api/v1/users/ana/sessions"),
        ("GET", "/docs/"),
    ]);
    for (headers, (method, uri)) in some((vec((select(names.to_vec()), value), 1..4), routes)) {
        let mut asked = request(method.parse().unwrap(), uri);
        let mut sent = format!("{method} {uri}");
        for (name, value) in headers {
            // What is no value of a header does not come this far.
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            sent.push_str(&format!("\n{name}: {value:?}"));
            asked = asked.append_header((name.parse::<HeaderName>().unwrap(), value));
        }
        let asked = if method == "GET" { asked } else { asked.set_payload(r#"{"quantity":1}"#) };
        // A stream that was asked for has no end.
        if !sent.contains("event-stream") {
            is_answered(&desk.call(asked).await, &sent);
        }
    }
}

#[actix_web::test]
async fn any_address_and_query_is_answered() {
    let shop = Shop::open();
    let desk = Desk::of(&shop).await;
    let names = select(vec![
        "q",
        "limit",
        "page",
        "cursor",
        "sort",
        "category",
        "min_price",
        "max_price",
        "currency",
        "active",
        "in_stock",
        "after",
        "types",
        "quantity",
        "dry_run",
        "cookie",
        "window",
        "status",
        "queue",
        "state",
        "user_id",
        "days",
        "kind",
    ]);
    let query = vec((names, text()), 0..4).prop_map(|pairs| {
        let pair = |(name, value): &(&str, String)| {
            format!("{name}={}", percent_encode(value.as_bytes(), NON_ALPHANUMERIC))
        };
        pairs.iter().map(pair).collect::<Vec<_>>().join("&")
    });
    let raw = "[a-z%=&+;.0-9\\[\\]]{0,30}".prop_map(String::from);
    let address = (select(addresses()), vec(text(), 1..3), prop_oneof![3 => query, 1 => raw]);
    for ((method, path), ids, query) in some(address) {
        let uri = format!("{}?{query}", filled(path, &ids));
        if uri.parse::<actix_web::http::Uri>().is_err() {
            continue;
        }
        is_answered(&desk.call(by_staff(request(method.clone(), &uri))).await, &format!("{method} {uri}"));
    }
}

fn by_staff(request: TestRequest) -> TestRequest {
    request.insert_header(("x-user-id", "ana")).insert_header(("x-user-scopes", "admin"))
}

/// JSON of any shape, with the names that bodies have and others.
fn json() -> impl Strategy<Value = Value> {
    let numbers = select(vec![
        "0",
        "-0",
        "1",
        "1000",
        "-1",
        "0.1",
        "1e2",
        "1e-400",
        "1e400",
        "99999999999999999999999",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        numbers.prop_map(|number| serde_json::from_str(number).unwrap_or(Value::Null)),
        text().prop_map(Value::from),
        select(vec!["sku-1", "ana", "USD", "processing", "https://hooks.example.com/", "2.50", "5"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let known = select(vec![
            "product_id", "quantity", "product_data", "name", "price", "currency", "lines", "seconds", "hold_id",
            "expected_total", "cart_version", "data", "url", "events", "description", "enabled", "after", "until",
            "per_second", "burst", "status", "percent", "note", "reason", "from_user_id", "id", "stock", "category",
            "attributes", "active",
        ]);
        let name = prop_oneof![5 => known.prop_map(str::to_owned), 1 => text()];
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => vec((name, inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

#[actix_web::test]
async fn any_body_is_answered() {
    let shop = Shop::open();
    let desk = Desk::of(&shop).await;
    let operations: Vec<(Method, String)> =
        operations().into_iter().map(|operation| (operation.method, operation.path)).collect();
    let damaged = (json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(json, at, byte)| {
        let mut bytes = json.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    let body = prop_oneof![4 => json().prop_map(|json| json.to_string().into_bytes()), 1 => damaged, 1 => vec(any::<u8>(), 0..60)];
    let ids = ["ana".to_owned(), "sku-1".to_owned()];
    for ((method, path), body) in some((select(operations), body)) {
        let uri = filled(&path, &ids);
        let what = format!("{method} {uri} {}", String::from_utf8_lossy(&body));
        let asked =
            request(method, &uri).insert_header(("content-type", "application/json")).set_payload(body);
        is_answered(&desk.call(by_staff(asked)).await, &what);
    }
}

#[actix_web::test]
async fn any_import_is_answered() {
    let shop = Shop::open();
    let desk = Desk::of(&shop).await;
    let cell = prop_oneof![
        select(vec!["id", "name", "price", "stock", "sku-1", "1", "-1", "\"", "\"\"", "a b"])
            .prop_map(str::to_owned),
        text()
    ];
    let table = vec(vec(cell, 0..5).prop_map(|cells| cells.join(",")), 0..5);
    let table = (table, select(vec!["\n", "\r\n", "\r", "\n\n"]))
        .prop_map(|(rows, end)| format!("id,name,price\n{}", rows.join(end)));
    let lines =
        vec(json(), 0..4).prop_map(|rows| rows.iter().map(|row| format!("{row}\n")).collect::<String>());
    let of_text = prop_oneof![table, lines].prop_map(String::into_bytes);
    let rows = prop_oneof![4 => of_text, 1 => vec(any::<u8>(), 0..200)];
    for (kind, rows) in some((select(vec!["text/csv", "application/x-ndjson"]), rows)) {
        let what = format!("{kind}: {}", String::from_utf8_lossy(&rows));
        let asked = request(Method::POST, "/api/v1/products/import").insert_header(("content-type", kind));
        is_answered(&desk.call(by_staff(asked.set_payload(rows))).await, &what);
    }
}
