//! A token that is not exactly as it was made is not accepted.

use cartwright_identity::Verifier;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::kit::{PAIRS, all_keys, ask, clock, start};

#[derive(Debug, Clone)]
enum Change {
    Replace(usize, char),
    Insert(usize, char),
    Remove(usize),
    Swap(usize, usize),
    Cut(usize),
    Repeat(usize, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = 0..10_000_usize;
    let character = prop_oneof![
        6 => proptest::char::ranges(vec!['A'..='Z', 'a'..='z', '0'..='9', '-'..='.', '_'..='_'].into()),
        1 => any::<char>(),
    ];
    let change = prop_oneof![
        4 => (place.clone(), character.clone()).prop_map(|(at, to)| Change::Replace(at, to)),
        1 => (place.clone(), character).prop_map(|(at, what)| Change::Insert(at, what)),
        1 => place.clone().prop_map(Change::Remove),
        1 => (place.clone(), place.clone()).prop_map(|(a, b)| Change::Swap(a, b)),
        1 => place.clone().prop_map(Change::Cut),
        1 => (place.clone(), place).prop_map(|(a, b)| Change::Repeat(a, b)),
    ];
    proptest::collection::vec(change, 1..4)
}

fn changed(token: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = token.chars().collect();
    for change in changes {
        let length = text.len().max(1);
        match *change {
            _ if text.is_empty() => {}
            Change::Replace(at, to) => _ = std::mem::replace(text.get_mut(at % length).unwrap(), to),
            Change::Insert(at, what) => text.insert(at % length, what),
            Change::Remove(at) => {
                text.remove(at % length);
            }
            Change::Swap(a, b) => text.swap(a % length, b % length),
            Change::Cut(at) => text.truncate(at % length),
            Change::Repeat(a, b) => {
                let (a, b) = (a % length, b % length);
                let piece = text.get(a.min(b)..a.max(b)).unwrap().to_vec();
                text.extend(piece);
            }
        }
    }
    text.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_change_is_accepted(changes in proptest::collection::vec(changes(), 50)) {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let verifier: Verifier = start(all_keys(&clock())).await;
            for (kid, pair) in PAIRS.all() {
                let good = pair.good(kid);
                // It is remembered, so that what is remembered is no help either.
                prop_assert!(ask(&verifier, &good).await.is_ok());
                for changes in &changes {
                    let token = changed(&good, changes);
                    if token != good {
                        prop_assert!(ask(&verifier, &token).await.is_err(), "{} was made of {}", token, good);
                    }
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn rubbish_is_refused(text in ".{0,200}", parts in "[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}") {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let verifier = start(all_keys(&clock())).await;
            prop_assert!(ask(&verifier, &text).await.is_err());
            prop_assert!(ask(&verifier, &parts).await.is_err());
            Ok(())
        })?;
    }
}

/// Every single bit of every byte, once.
#[tokio::test]
async fn no_bit_may_differ() {
    let verifier = start(all_keys(&clock())).await;
    for (kid, pair) in PAIRS.all() {
        let good = pair.good(kid).into_bytes();
        for at in 0..good.len() {
            for bit in 0..7 {
                let mut token = good.clone();
                token[at] ^= 1 << bit;
                let token = String::from_utf8(token).unwrap();
                assert!(ask(&verifier, &token).await.is_err(), "{kid}, byte {at}, bit {bit}");
            }
        }
    }
}
