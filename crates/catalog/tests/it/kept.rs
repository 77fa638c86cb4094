//! What stands in a shared cache, by whomever it was written: it is read the same again, or not at all.

use bytes::Bytes;
use cartwright_catalog::{CachedProduct, Inventory, Offer, Ranking};
use cartwright_layered::CacheValue;
use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};

fn comes_back<V: CacheValue + PartialEq + std::fmt::Debug>(bytes: &Bytes) -> TestCaseResult {
    if let Some(read) = V::decode(bytes.clone()) {
        prop_assert!(read.weight() < bytes.len() * 33 + 1000);
        prop_assert_eq!(V::decode(read.encode()), Some(read));
    }
    Ok(())
}

/// As it is written, or nearly.
fn text() -> impl Strategy<Value = String> {
    let price = (any::<i64>(), 0..64_u32, "EUR|JPY|XX|eur").prop_map(|(minor, less, currency)| {
        format!(r#"{{"minor":{},"currency":"{currency}"}}"#, minor >> less)
    });
    let stock = "-?[0-9]{1,12}|null";
    let category = r#"null|"[a-z ]{0,8}"|"[a-zA-Z]{250,260}""#;
    let summary = (any::<u64>(), price, stock, category, "\\PC{0,4}").prop_map(|(version, price, stock, category, name)| {
        format!(
            "{{\"version\":{version},\"name\":{},\"price\":{price},\"stock\":{stock},\"category\":{category},\"active\":true}}",
            serde_json::to_string(&name).unwrap()
        )
    });
    let ids = "([A-Za-z0-9._:@-]{0,60} ?){0,4}";
    (prop_oneof![4 => summary, 2 => ids, 1 => "-?[0-9]{1,22}"], "\n?", "\\PC{0,20}")
        .prop_map(|(front, end, body)| front + &end + &body)
}

proptest! {
    #[test]
    fn what_is_found_is_a_value_or_none(bytes in prop_oneof![4 => text().prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..80)]) {
        let bytes = Bytes::from(bytes);
        comes_back::<CachedProduct>(&bytes)?;
        comes_back::<Ranking>(&bytes)?;
        comes_back::<Offer>(&bytes)?;
        comes_back::<Inventory>(&bytes)?;
    }
}
