//! One client.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::http::{Connection, Response};
use crate::{CartKey, Content, Kind, NodeKey, Operation, Source};

/// How long a client waits before it tries again to connect to a node that is down.
const RECONNECT: Duration = Duration::from_millis(20);

/// How an operation came out.
enum Outcome {
    /// It belongs in the history.
    Seen(Kind, Source),
    /// It had no effect and showed nothing.
    Nothing,
}

/// Asks one node, one request after the other, until the run ends.
pub(super) async fn run(shared: Arc<Shared>, node: NodeKey, address: SocketAddr) -> Vec<Operation> {
    let mut log = Vec::new();
    let mut connection = None;
    let chance_to_write = shared.plan.chance_to_write();
    while !shared.stop.load(Ordering::Relaxed) {
        let Some(open) = &mut connection else {
            match timeout(shared.plan.timeout, Connection::open(address)).await {
                Ok(Ok(open)) => connection = Some(open),
                Ok(Err(_)) | Err(_) => {
                    shared.figures.not_connected(node);
                    sleep(RECONNECT).await;
                }
            }
            continue;
        };
        let (cart, writes) = match shared.cart_to_check(node) {
            Some(cart) => (cart, false),
            None => (shared.any_cart(), rand::random_bool(chance_to_write)),
        };
        let request = if writes { write_request(&shared, cart) } else { read_request(&shared, cart) };
        let start = shared.now();
        let answer = timeout(shared.plan.timeout, open.ask(request.as_bytes())).await;
        let end = shared.now();
        let reusable = matches!(&answer, Ok(Ok(response)) if response.keep);
        let outcome = match answer {
            Ok(Ok(response)) => judge(&shared, node, cart, writes, &response),
            Ok(Err(error)) => unanswered(&shared, node, writes, &error.kind().to_string()),
            Err(_) => unanswered(&shared, node, writes, "no answer in time"),
        };
        if let Outcome::Seen(kind, source) = outcome {
            log.push(Operation { cart, node, start, end, kind, source });
        }
        if !reusable {
            connection = None;
        }
    }
    log
}

fn read_request(shared: &Shared, cart: CartKey) -> String {
    format!("GET /api/v1/carts/{} HTTP/1.1\r\nhost: node\r\n\r\n", shared.owner(cart))
}

fn write_request(shared: &Shared, cart: CartKey) -> String {
    let product = rand::random_range(0..shared.plan.products.max(1));
    let body = format!(
        r#"{{"product_id":"p{product}","quantity":1,"product_data":{{"name":"Product {product}","price":1.25}}}}"#
    );
    format!(
        "POST /api/v1/carts/{}/items HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        shared.owner(cart),
        body.len()
    )
}

/// What an answer says.
fn judge(shared: &Shared, node: NodeKey, cart: CartKey, writes: bool, response: &Response) -> Outcome {
    let verb = if writes { "POST" } else { "GET" };
    match response.status {
        200 | 201 => match content(&response.body) {
            Ok(content) if writes => {
                shared.figures.write(node);
                shared.written(cart, content.version, node);
                Outcome::Seen(Kind::Write(content), Source::Unsaid)
            }
            Ok(content) => {
                shared.figures.read_from(node, response.source);
                Outcome::Seen(Kind::Read(content), response.source)
            }
            Err(error) => unanswered(shared, node, writes, &format!("{verb}: {error}")),
        },
        status if status < 500 => {
            let body = String::from_utf8_lossy(&response.body);
            shared.figures.refused(node, &format!("{verb}: {status} {body}"));
            Outcome::Nothing
        }
        status => unanswered(shared, node, writes, &format!("{verb}: {status} {}", code(&response.body))),
    }
}

/// An operation of which the client does not know whether it happened.
fn unanswered(shared: &Shared, node: NodeKey, writes: bool, why: &str) -> Outcome {
    shared.figures.failed(node, writes, why);
    if writes { Outcome::Seen(Kind::MaybeWrite, Source::Unsaid) } else { Outcome::Nothing }
}

/// The `code` of a problem document.
fn code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
    }
    serde_json::from_slice(body).map_or_else(|_no_problem| String::new(), |problem: Problem| problem.code)
}

/// Reads a cart.
fn content(body: &[u8]) -> serde_json::Result<Content> {
    #[derive(Deserialize)]
    struct Cart<'a> {
        version: u64,
        total_quantity: u64,
        #[serde(borrow)]
        items: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Item {
        quantity: u64,
    }
    let cart: Cart<'_> = serde_json::from_slice(body)?;
    let items: Vec<Item> = serde_json::from_str(cart.items.get())?;
    let mut hasher = DefaultHasher::new();
    cart.items.get().hash(&mut hasher);
    Ok(Content {
        version: cart.version,
        units: items.iter().map(|item| item.quantity).sum(),
        claimed_units: cart.total_quantity,
        digest: hasher.finish(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_is_read() {
        let one = br#"{"version":3,"items":[{"product_id":"a","quantity":1},{"product_id":"b","quantity":2}],"total_quantity":4}"#;
        let other = br#"{"version":3,"items":[{"product_id":"a","quantity":2},{"product_id":"b","quantity":1}],"total_quantity":4}"#;
        let (one, other) = (content(one).unwrap(), content(other).unwrap());
        assert_eq!((one.version, one.units, one.claimed_units), (3, 3, 4));
        assert_eq!(Content { digest: one.digest, ..other }, one);
        assert_ne!(other.digest, one.digest);
        assert!(content(b"{}").is_err());
    }

    #[test]
    fn the_code_of_a_problem_is_found() {
        assert_eq!(code(br#"{"title":"x","code":"overloaded"}"#), "overloaded");
        assert_eq!(code(b"<html>"), "");
    }
}
