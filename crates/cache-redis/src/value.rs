//! What stands under a key.

use std::sync::Arc;

use bytes::Bytes;
use cartwright_cache::Document;
use cartwright_domain::OwnerId;

/// What is kept for an owner. A release that writes other documents names the keys otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// `cart:<namespace>:<owner>`.
    Carts,
    /// `orders:<namespace>:<owner>`.
    Histories,
    /// `profile:<namespace>:<owner>`.
    Profiles,
}

/// A value as it was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// What was stored.
    Document(Document),
    /// A token: whoever holds it may put a document there.
    Token(Arc<str>),
    /// Not ours.
    Foreign,
}

/// `<family>:<namespace>:<owner>`.
pub(crate) fn key(family: Family, namespace: &str, owner: &OwnerId) -> String {
    let family = match family {
        Family::Carts => "cart:",
        Family::Histories => "orders:",
        Family::Profiles => "profile:",
    };
    let mut key = String::with_capacity(family.len() + namespace.len() + 1 + owner.as_str().len());
    for part in [family, namespace, ":", owner.as_str()] {
        key.push_str(part);
    }
    key
}

/// The keys of some owners, in their order.
pub(crate) fn keys(family: Family, namespace: &str, owners: &[OwnerId]) -> Vec<String> {
    owners.iter().map(|owner| key(family, namespace, owner)).collect()
}

/// `cart:<namespace>`: a key of no meaning, which no cart has.
pub(crate) fn mark(namespace: &str) -> String {
    format!("cart:{namespace}")
}

/// Shorter documents are not worth compressing.
const SHORT: usize = 256;
/// No document is longer; what says so is not ours.
const LONGEST: usize = 16 * 1024 * 1024;
/// LZ4 makes no byte of more than so many.
const DENSEST: usize = 256;

/// What every cart's document has, and much of it every order's, so that a compressed one need not have it. Documents are
/// compressed against exactly this text: another text needs another letter than `z`.
const COMMON: &[u8] = br#"{"product_id":"","name":"","price":0.00,"quantity":1,"subtotal":0.00,"added_at":"2026-01-01T00:00:00.000000Z"},{"user_id":"","version":1,"currency":"EUR","items":[{"product_id":""}],"item_count":1,"total_quantity":1,"total_price":0.00,"created_at":"2026-01-01T00:00:00.000000Z","updated_at":"2026-01-01T00:00:00.000000Z"}"#;

/// `v<version>\n<json>`, or `z<version>\n<length><json, compressed>`.
pub(crate) fn write(document: &Document) -> Vec<u8> {
    let body = &document.body;
    if body.len() < SHORT {
        let mut bytes = format!("v{}\n", document.version).into_bytes();
        bytes.extend_from_slice(body);
        return bytes;
    }
    let mut bytes = format!("z{}\n", document.version).into_bytes();
    bytes.extend_from_slice(&lz4_flex::block::compress_prepend_size_with_dict(body, COMMON));
    bytes
}

pub(crate) fn read(bytes: Vec<u8>) -> Value {
    if bytes.first() == Some(&b'T') {
        return String::from_utf8(bytes).map_or(Value::Foreign, |token| Value::Token(Arc::from(token)));
    }
    document(bytes).map_or(Value::Foreign, Value::Document)
}

fn document(bytes: Vec<u8>) -> Option<Document> {
    let end = bytes.iter().take(24).position(|byte| *byte == b'\n')?;
    let (kind, version) = bytes.get(..end)?.split_first()?;
    let version = std::str::from_utf8(version).ok()?.parse().ok()?;
    let body = match kind {
        b'v' => Bytes::from(bytes).slice(end + 1..),
        b'z' => {
            let (length, compressed) = lz4_flex::block::uncompressed_size(bytes.get(end + 1..)?).ok()?;
            let most = compressed.len().saturating_mul(DENSEST).min(LONGEST);
            let body =
                (length <= most).then(|| lz4_flex::block::decompress_with_dict(compressed, length, COMMON));
            Bytes::from(body?.ok().filter(|body| body.len() == length)?)
        }
        _ => return None,
    };
    Some(Document { version, body })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn every_document_comes_back(version: u64, body in prop_oneof![vec(any::<u8>(), 0..600), "[ab\"{}]{0,600}".prop_map(String::into_bytes)]) {
            let document = Document { version, body: Bytes::from(body) };
            prop_assert_eq!(read(write(&document)), Value::Document(document));
        }

        /// Whoever has written it.
        #[test]
        fn what_is_found_is_a_document_a_token_or_foreign(front in "[vzT]?[0-9+-]{0,22}\n?", rest in vec(any::<u8>(), 0..80)) {
            let bytes = [front.as_bytes(), &rest].concat();
            match read(bytes.clone()) {
                Value::Document(document) => {
                    prop_assert!(document.body.len() <= bytes.len() * DENSEST);
                    prop_assert_eq!(read(write(&document)), Value::Document(document));
                }
                Value::Token(token) => prop_assert_eq!(token.as_bytes(), bytes),
                Value::Foreign => {}
            }
        }
    }

    #[test]
    fn what_is_all_alike_comes_back() {
        let document = Document { version: 1, body: Bytes::from("a".repeat(1 << 20)) };
        assert_eq!(read(write(&document)), Value::Document(document));
    }

    #[test]
    fn documents_and_tokens_come_back_and_everything_else_is_foreign() {
        let long: String = (0..200).map(|n| format!(r#"{{"product_id":"{n}"}},"#)).collect();
        for body in ["{}", "", "T1", "v1\n{}", "\n\n", &long, &long[..SHORT - 1], &long[..SHORT]] {
            let body = body.to_owned();
            let document = Document { version: 18, body: Bytes::from(body) };
            assert_eq!(read(write(&document)), Value::Document(document));
        }
        assert_eq!(read("T8d2".into()), Value::Token(Arc::from("T8d2")));
        for other in [
            "",
            "v",
            "v1",
            "vx\n{}",
            "v-1\n{}",
            "v99999999999999999999999999\n{}",
            "x1\n{}",
            "z1\n",
            "z1\nabc",
        ] {
            assert_eq!(read(other.into()), Value::Foreign, "{other:?}");
        }
    }

    /// Nodes of another release read what this one wrote: should this fail, `z` must become another letter.
    #[test]
    fn what_was_compressed_before_is_still_read() {
        const BODY: &str = r#"{"user_id":"ana","version":7,"currency":"EUR","items":[{"product_id":"tea","name":"Tea","price":2.50,"quantity":3,"subtotal":7.50,"added_at":"2026-11-21T14:04:16.046927Z"}],"item_count":1,"total_quantity":3,"total_price":7.50,"created_at":"2026-11-21T14:04:16.046927Z","updated_at":"2026-11-21T14:04:16.046927Z"}"#;
        const KEPT: &str = "7a370a3801000008d20038616e61d5001f37d500172074653a00037b0111540d0003bb0039322e357e0118337e0111371d000c7e01ff0731312d32315431343a30343a31362e3034363932375a3801111b3338010260000e38010f6200040f3801010e2b00603932375a227d";
        let bytes =
            KEPT.as_bytes().chunks(2).map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16));
        let document = Document { version: 7, body: Bytes::from(BODY) };
        assert_eq!(read(bytes.map(Result::unwrap).collect()), Value::Document(document));
    }

    #[test]
    fn long_documents_are_compressed_and_damaged_ones_are_foreign() {
        let body: String = (0..200).map(|n| format!(r#"{{"product_id":"{n}"}},"#)).collect();
        let document = Document { version: 7, body: Bytes::from(body) };
        let bytes = write(&document);
        assert!(bytes.len() < document.body.len() / 2, "{} of {}", bytes.len(), document.body.len());
        for end in 0..bytes.len() {
            assert_eq!(read(bytes[..end].to_vec()), Value::Foreign, "cut at {end}");
        }
        // A length that nobody would believe is not reserved.
        for length in [u32::MAX, 1 << 30, 0] {
            let mut bytes = bytes.clone();
            bytes[3..7].copy_from_slice(&length.to_le_bytes());
            assert_eq!(read(bytes), Value::Foreign);
        }
        // Whatever stands there, it is a document or foreign, and nothing panics.
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x55;
            let _ = read(bytes);
        }
    }
}
