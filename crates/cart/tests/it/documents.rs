use std::collections::BTreeMap;

use cartwright_cart::{decode, encode};
use cartwright_domain::{Cart, Currency, Line, Money, OwnerId, ProductId, Quantity};
use chrono::{DateTime, Utc};
use proptest::prelude::*;

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    // To the year 9999, in microseconds, as the databases keep it; whole seconds are printed without a fraction.
    prop_oneof![0..253_402_300_799_999_999_i64, (0..253_402_300_799_i64).prop_map(|s| s * 1_000_000)]
        .prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{1,200}",
        proptest::collection::vec(any::<char>(), 1..200).prop_map(|chars| chars.into_iter().collect()),
        Just("\"},{\"price\":0,\"\\u0000\n\r\t\u{2028}\u{202e}\u{1f6d2}</script>".to_owned()),
    ]
}

fn currency() -> impl Strategy<Value = Currency> {
    // None, two, three and four decimals.
    prop_oneof![
        Just(Currency::JPY),
        Just(Currency::EUR),
        Just(Currency::new("KWD").unwrap()),
        Just(Currency::new("CLF").unwrap())
    ]
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (name(), prop_oneof![0..=1_000_000_000_000_i64, 0..200_i64], 1..=1000_i64, time());
    let lines = proptest::collection::btree_map("[A-Za-z0-9._:@-]{1,100}", line, 0..12);
    (currency(), lines).prop_map(|(currency, lines): (_, BTreeMap<String, _>)| {
        let line = |(id, (name, minor, quantity, added_at)): (String, (String, i64, i64, _))| Line {
            product_id: ProductId::new(&id).unwrap(),
            name,
            price: Money::from_minor(minor, currency).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            added_at,
        };
        lines.into_iter().map(line).collect()
    })
}

fn cart() -> impl Strategy<Value = Cart> {
    let owner = || "[A-Za-z0-9._:@-]{1,100}".prop_map(|id| OwnerId::new(&id).unwrap());
    prop_oneof![
        1 => owner().prop_map(Cart::empty),
        9 => (owner(), 1..=u64::MAX, lines(), time(), time())
            .prop_map(|(owner, version, lines, made, changed)| Cart::from_parts(owner, version, lines, made, changed)),
    ]
}

/// The JSON numbers of a document as their text.
fn prices(body: &[u8]) -> Vec<(String, String)> {
    #[derive(serde::Deserialize)]
    struct Shown<'a> {
        #[serde(borrow)]
        items: Vec<Item<'a>>,
        #[serde(borrow)]
        total_price: &'a serde_json::value::RawValue,
    }
    #[derive(serde::Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        price: &'a serde_json::value::RawValue,
        #[serde(borrow)]
        subtotal: &'a serde_json::value::RawValue,
    }
    let shown: Shown<'_> = serde_json::from_slice(body).unwrap();
    let items = shown.items.iter().map(|item| (item.price.get().to_owned(), item.subtotal.get().to_owned()));
    items.chain([(String::new(), shown.total_price.get().to_owned())]).collect()
}

proptest! {
    #[test]
    fn a_cart_survives_its_document(cart in cart()) {
        let document = encode(&cart).unwrap();
        prop_assert_eq!(document.version, cart.version());
        prop_assert_eq!(&decode(&document.body).unwrap(), &cart);
        prop_assert_eq!(encode(&decode(&document.body).unwrap()).unwrap(), document);
    }

    #[test]
    fn a_document_is_json_that_says_what_the_cart_says(cart in cart()) {
        let document = encode(&cart).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&document.body).unwrap();
        prop_assert_eq!(&json["user_id"], cart.owner().as_str());
        prop_assert_eq!(&json["version"], cart.version());
        prop_assert_eq!(&json["item_count"], cart.lines().len());
        prop_assert_eq!(&json["total_quantity"], cart.total_quantity());
        prop_assert_eq!(json["currency"].as_str(), cart.currency().map(Currency::code));
        for (item, line) in json["items"].as_array().unwrap().iter().zip(cart.lines()) {
            prop_assert_eq!(&item["name"], line.name.as_str());
            prop_assert_eq!(&item["quantity"], line.quantity.get());
        }
        let shown = prices(&document.body);
        for (text, line) in shown.iter().zip(cart.lines()) {
            prop_assert_eq!(&text.0, &line.price.to_string());
        }
        let decimals = cart.currency().map_or(0, Currency::exponent) as usize;
        for text in shown.iter().flat_map(|(price, subtotal)| [price, subtotal]).filter(|text| !text.is_empty()) {
            let shown = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            prop_assert_eq!(shown, decimals, "{}", text);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_damaged_document_is_an_error_or_a_cart(cart in cart(), at in any::<prop::sample::Index>(), with: u8, cut: bool) {
        let mut body = encode(&cart).unwrap().body.to_vec();
        let at = at.index(body.len());
        if cut {
            body.truncate(at);
            prop_assert!(decode(&body).is_err(), "half a document is none");
        } else {
            body[at] = with;
            let _ = decode(&body);
        }
    }
}

#[test]
fn yen_have_no_decimals_and_totals_are_exact() {
    let at = DateTime::from_timestamp(1_767_323_045, 0).unwrap();
    let line = |id: &str, minor, units| Line {
        product_id: ProductId::new(id).unwrap(),
        name: format!("The {id}"),
        price: Money::from_minor(minor, Currency::JPY).unwrap(),
        quantity: Quantity::new(units).unwrap(),
        added_at: at,
    };
    let cart =
        Cart::from_parts(OwnerId::new("ana").unwrap(), 3, vec![line("b", 300, 2), line("a", 7, 1)], at, at);
    let body = encode(&cart).unwrap().body;
    assert_eq!(
        std::str::from_utf8(&body).unwrap(),
        concat!(
            r#"{"user_id":"ana","version":3,"currency":"JPY","items":["#,
            r#"{"product_id":"a","name":"The a","price":7,"quantity":1,"subtotal":7,"added_at":"2026-01-02T03:04:05Z"},"#,
            r#"{"product_id":"b","name":"The b","price":300,"quantity":2,"subtotal":600,"added_at":"2026-01-02T03:04:05Z"}],"#,
            r#""item_count":2,"total_quantity":3,"total_price":607,"#,
            r#""created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z"}"#
        )
    );
}
