//! What outside texts are read as: the same again when it is written, or an error.

use std::{fmt::Display, str::FromStr};

use cartwright_domain::{
    Attributes, Currency, Cursor, HoldId, HoldStatus, JsonObject, Members, Money, OrderId, OrderStatus,
    OwnerId, ProductId, SearchText, SessionHandle, SessionHash, SessionId, TopWindow,
};
use proptest::{prelude::*, test_runner::TestCaseResult};

/// Whoever accepts a text writes the same text, or one that means the same.
fn comes_back<T: FromStr + Display + PartialEq + std::fmt::Debug>(
    text: &str,
    exactly: bool,
) -> TestCaseResult {
    let Ok(read) = text.parse::<T>() else { return Ok(()) };
    let written = read.to_string();
    if exactly {
        prop_assert_eq!(&written, text);
    }
    let Ok(again) = written.parse::<T>() else {
        return Err(TestCaseError::fail(format!("{text:?}: {written:?}")));
    };
    prop_assert_eq!(again, read);
    Ok(())
}

/// Texts that are nearly, or quite, what is looked for.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Za-z0-9._:@-]{0,102}",
        2 => "[A-Za-z0-9_-]{40,44}=?",
        2 => "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        1 => "[0-9a-f]{32}",
        2 => "[A-Za-z0-9_-]{16}",
        2 => "[inpda][+-]?[0-9a-f]{0,20},[A-Za-z0-9]{0,4}",
        2 => "pending|processing|completed|cancelled|failed|active|released|expired|consumed|day|week|month|all|24h|7d",
        2 => "[A-Za-z]{2,4}",
        1 => any::<String>(),
    ]
}

/// JSON, sound or not, deep or not.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1e400".to_owned()),
        Just("-0".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        "[0-9]{1,30}",
        Just("140492858745592023100000000000".to_owned()),
        "\"\\PC{0,6}\"",
        any::<f64>().prop_map(|number| number.to_string()),
    ];
    let tree = leaf.prop_recursive(20, 64, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec(("[ab]{0,2}", inner), 0..3).prop_map(|all| {
                let member = |(name, value): &(String, String)| format!("\"{name}\":{value}");
                format!("{{{}}}", all.iter().map(member).collect::<Vec<_>>().join(", "))
            }),
        ]
    });
    prop_oneof![8 => tree, 1 => any::<String>(), 1 => (0..200_usize).prop_map(|n| "{\"a\":".repeat(n) + "1" + &"}".repeat(n))]
}

proptest! {
    #[test]
    fn ids_and_names_are_one_text(text in text()) {
        comes_back::<OwnerId>(&text, true)?;
        comes_back::<ProductId>(&text, true)?;
        comes_back::<SessionHandle>(&text, true)?;
        comes_back::<Currency>(&text, false)?;
        comes_back::<Cursor>(&text, false)?;
        comes_back::<OrderId>(&text, false)?;
        comes_back::<HoldId>(&text, false)?;
        comes_back::<OrderStatus>(&text, false)?;
        comes_back::<HoldStatus>(&text, false)?;
        let _ = text.parse::<TopWindow>();
        if let Ok(session) = text.parse::<SessionId>() {
            prop_assert_eq!(session.expose(), text.clone());
            prop_assert_eq!(SessionHash::kept(session.hash().as_str()), Ok(session.hash()));
        }
        if let Ok(hash) = SessionHash::kept(&text) {
            prop_assert_eq!(hash.as_str(), text);
        }
    }

    #[test]
    fn every_id_that_is_made_is_read(random: [u8; 32], millis in 0..253_402_300_799_000_i64) {
        let id = SessionId::new(random);
        prop_assert_eq!(id.expose().parse(), Ok(id.clone()));
        prop_assert_eq!(id.hash().handle().as_str().parse(), Ok(id.hash().handle()));
        let now = chrono::DateTime::from_timestamp_millis(millis).unwrap();
        let order = OrderId::new(now, std::array::from_fn(|at| random[at]));
        prop_assert_eq!(order.to_string().parse(), Ok(order));
    }

    #[test]
    fn an_amount_that_is_read_is_written_exactly(digits in "[0-9]{0,14}", fraction in "(\\.[0-9]{0,6})?", exponent in "([eE][+-]?[0-9]{1,3})?") {
        let text = format!("{digits}{fraction}{exponent}");
        for currency in [Currency::JPY, Currency::EUR] {
            if let Ok(money) = Money::parse(&text, currency) {
                prop_assert_eq!(Money::parse(&money.to_string(), currency), Ok(money));
                prop_assert_eq!(Money::from_minor(money.minor(), currency), Ok(money));
                let (said, kept): (f64, f64) = (text.parse().unwrap(), money.to_string().parse().unwrap());
                prop_assert!((said - kept).abs() <= said.abs() * 1e-12, "{} is not {}", money, text);
            }
        }
    }

    #[test]
    fn documents_are_read_the_same_again(text in json()) {
        if let Ok(kept) = text.parse::<JsonObject<300>>() {
            prop_assert!(kept.as_str().len() <= 300);
            prop_assert_eq!(kept.as_str().parse::<JsonObject<300>>(), Ok(kept.clone()));
            prop_assert_eq!(JsonObject::<300>::kept(kept.as_str().to_owned()), Ok(kept));
        }
        if let Ok(value) = serde_json::from_str(&text)
            && let Ok(attributes) = Attributes::from_value(value)
        {
            let written = serde_json::to_string(&attributes).unwrap();
            prop_assert_eq!(Attributes::kept(&written), Ok(attributes));
        }
        let object = serde_json::from_str::<serde_json::Map<_, _>>(&text);
        match serde_json::from_str::<Members<'_>>(&text) {
            Ok(members) => {
                // What cannot be read as a value may be there all the same: nobody has looked at it yet.
                prop_assert!(members.repeated.iter().all(|name| members.values.contains_key(name)));
                if let Ok(object) = object {
                    prop_assert!(object.keys().eq(members.values.keys()));
                }
            }
            Err(_) => prop_assert!(object.is_err(), "{}", text),
        }
    }

    #[test]
    fn what_is_searched_is_the_same_however_it_is_spaced(words in prop::collection::vec("[a-zäöü0-9]{1,5}", 0..5), blank in "[ \t,.\u{a0}]{1,3}") {
        let (one, other) = (SearchText::new(&words.join(&blank)), SearchText::new(&words.join(" ")));
        prop_assert_eq!(one.words(), other.words());
    }
}
