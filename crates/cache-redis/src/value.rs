//! What stands under a cart's key.

use std::sync::Arc;

use bytes::Bytes;
use cartwright_cache::Document;
use cartwright_domain::OwnerId;

/// A value as it was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// The cart.
    Document(Document),
    /// A token: whoever holds it may put a document there.
    Token(Arc<str>),
    /// Not ours.
    Foreign,
}

/// `cart:<namespace>:<owner>`.
pub(crate) fn key(namespace: &str, owner: &OwnerId) -> String {
    let mut key = String::with_capacity(6 + namespace.len() + owner.as_str().len());
    for part in ["cart:", namespace, ":", owner.as_str()] {
        key.push_str(part);
    }
    key
}

/// `cart:<namespace>`: a key of no meaning, which no cart has.
pub(crate) fn mark(namespace: &str) -> String {
    format!("cart:{namespace}")
}

/// `v<version>\n<json>`.
pub(crate) fn write(document: &Document) -> Vec<u8> {
    let mut bytes = format!("v{}\n", document.version).into_bytes();
    bytes.extend_from_slice(&document.body);
    bytes
}

pub(crate) fn read(bytes: Vec<u8>) -> Value {
    let head = bytes.iter().take(24).position(|byte| *byte == b'\n');
    let version =
        head.and_then(|end| std::str::from_utf8(bytes.get(..end)?).ok()?.strip_prefix('v')?.parse().ok());
    match (head, version) {
        (Some(end), Some(version)) => {
            Value::Document(Document { version, body: Bytes::from(bytes).slice(end + 1..) })
        }
        _ => match String::from_utf8(bytes) {
            Ok(token) if token.starts_with('T') => Value::Token(Arc::from(token)),
            _ => Value::Foreign,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_tokens_come_back_and_everything_else_is_foreign() {
        for body in ["{}", "", "T1", "v1\n{}", "\n\n"] {
            let document = Document { version: 18, body: Bytes::from(body) };
            assert_eq!(read(write(&document)), Value::Document(document));
        }
        assert_eq!(read("T8d2".into()), Value::Token(Arc::from("T8d2")));
        for other in ["", "v", "v1", "vx\n{}", "v-1\n{}", "v99999999999999999999999999\n{}"] {
            assert_eq!(read(other.into()), Value::Foreign, "{other:?}");
        }
    }
}
