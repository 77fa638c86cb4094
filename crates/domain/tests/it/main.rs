//! Properties of carts and products: what holds for every sequence of commands, not only for the ones somebody thought of.

#![expect(clippy::unwrap_used, reason = "generators build values that are valid by construction")]

mod generate;
mod parsers;
mod products;

use std::collections::{BTreeMap, HashSet};

use cartwright_domain::{
    Applied, Cart, CartError, Command, Context, Currency, Line, MAX_LINES, ProductId, Quantity, merge,
};
use generate::{Step, at, cart, listing, owner, product, steps};
use proptest::{prelude::*, test_runner::TestCaseResult};

/// Carries out one step and says what became of it.
fn apply(cart: &mut Cart, step: &Step) -> Result<Applied, CartError> {
    let context =
        Context { now: step.now, listing: step.listing.as_ref(), allow_unlisted: step.allow_unlisted };
    cart.apply(&step.command, context)
}

/// What must be true of every cart, whatever was done to it.
fn check(cart: &Cart) -> TestCaseResult {
    let lines = cart.lines();
    prop_assert!(lines.len() <= MAX_LINES);
    let products: HashSet<&ProductId> = lines.iter().map(|line| &line.product_id).collect();
    prop_assert_eq!(products.len(), lines.len(), "two lines for one product");
    prop_assert!(lines.is_sorted_by_key(|line| (line.added_at, line.product_id.clone())));
    let currencies: HashSet<Currency> = lines.iter().map(|line| line.price.currency()).collect();
    prop_assert!(currencies.len() <= 1, "a cart in {:?}", currencies);

    // Wider than the cart's own sums, so that an overflow there shows here.
    let units: u128 = lines.iter().map(|line| u128::from(line.quantity.get())).sum();
    let amount: i128 =
        lines.iter().map(|line| i128::from(line.price.minor()) * i128::from(line.quantity.get())).sum();
    prop_assert_eq!(u128::from(cart.total_quantity()), units);
    prop_assert_eq!(i128::from(cart.total_minor()), amount);
    prop_assert_eq!(cart.version() == 0, cart.created_at().is_none());
    prop_assert_eq!(cart.version() == 0, cart.updated_at().is_none());
    Ok(())
}

fn by_product(cart: &Cart) -> BTreeMap<ProductId, Line> {
    cart.lines().iter().map(|line| (line.product_id.clone(), line.clone())).collect()
}

proptest! {
    #[test]
    fn every_sequence_of_commands_keeps_the_cart_whole(start in cart(), steps in steps()) {
        let mut cart = start;
        check(&cart)?;
        for step in &steps {
            let before = cart.clone();
            let outcome = apply(&mut cart, step);
            check(&cart)?;
            match outcome {
                Ok(Applied::Changed) => {
                    prop_assert_eq!(cart.version(), before.version() + 1);
                    prop_assert_eq!(cart.updated_at(), Some(step.now));
                    prop_assert_eq!(cart.created_at(), before.created_at().or(Some(step.now)));
                }
                Ok(Applied::Unchanged) | Err(_) => prop_assert_eq!(&cart, &before),
            }
        }
    }

    #[test]
    fn a_line_keeps_the_price_it_was_added_at(start in cart(), steps in steps()) {
        let mut cart = start;
        for step in &steps {
            let before = by_product(&cart);
            let _ = apply(&mut cart, step);
            for line in cart.lines() {
                if let Some(old) = before.get(&line.product_id) {
                    prop_assert_eq!((&line.name, line.price, line.added_at), (&old.name, old.price, old.added_at));
                }
            }
        }
    }

    #[test]
    fn adds_commute(
        (adds, shuffled) in prop::collection::vec((0..8_u32, 1..=25_i64), 1..30)
            .prop_flat_map(|adds| (Just(adds.clone()), Just(adds).prop_shuffle())),
    ) {
        let add_all = |adds: &[(u32, i64)]| {
            let mut cart = Cart::empty(owner("ana"));
            for (n, quantity) in adds {
                let listing = listing(*n, Currency::EUR, true);
                let command = Command::Add {
                    product_id: product(*n),
                    quantity: Quantity::new(*quantity).unwrap(),
                    product_data: None,
                };
                // 30 adds of 25 stay below the 1,000 of a line: none is refused, in whichever order.
                cart.apply(&command, Context { now: at(0), listing: Some(&listing), allow_unlisted: false }).unwrap();
            }
            cart
        };
        let (one, other) = (add_all(&adds), add_all(&shuffled));
        prop_assert_eq!(one.version(), adds.len() as u64);
        prop_assert_eq!(one.total_quantity(), adds.iter().map(|(_, quantity)| *quantity as u64).sum::<u64>());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_merge_loses_nothing(into in cart(), from in cart(), steps in steps()) {
        let mut into = into;
        for step in &steps {
            let _ = apply(&mut into, step);
        }
        let mut from = Cart::from_parts(owner("guest"), from.version() + 1, from.lines().to_vec(), at(0), at(0));
        let (into_before, from_before) = (into.clone(), from.clone());
        let outcome = merge(&mut into, &mut from, at(99));
        check(&into)?;
        check(&from)?;
        match outcome {
            Ok(report) => {
                prop_assert_eq!(
                    into.total_quantity(),
                    into_before.total_quantity() + from_before.total_quantity()
                );
                prop_assert!(from.lines().is_empty());
                prop_assert_eq!(report.lines.len(), from_before.lines().len());
                for merged in &report.lines {
                    prop_assert_eq!(into.line(&merged.product_id).map(|line| line.quantity), Some(merged.result));
                }
                let grown = u64::from(!from_before.lines().is_empty());
                prop_assert_eq!(into.version(), into_before.version() + grown);
                prop_assert_eq!(from.version(), from_before.version() + grown);
                let (again_into, again_from) = (into.clone(), from.clone());
                prop_assert_eq!(merge(&mut into, &mut from, at(100)).map(|report| report.lines.len()), Ok(0));
                prop_assert_eq!((into, from), (again_into, again_from), "merging twice is merging once");
            }
            Err(_) => prop_assert_eq!((into, from), (into_before, from_before)),
        }
    }

    #[test]
    fn versions_are_expected_as_asked(cart in cart(), any_of in prop::collection::vec(0..40_u64, 0..4)) {
        let expected = any_of.is_empty() || any_of.contains(&cart.version());
        prop_assert_eq!(cart.expect_version(&any_of).is_ok(), expected);
    }
}

/// The generators must reach the rules, or the properties above say little.
#[test]
fn the_generators_reach_every_rule() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met = HashSet::new();
    for _ in 0..400 {
        let tree = (cart(), steps()).new_tree(&mut runner).unwrap();
        let (mut cart, steps) = proptest::strategy::ValueTree::current(&tree);
        for step in &steps {
            met.insert(match apply(&mut cart, step) {
                Ok(Applied::Changed) => "changed",
                Ok(Applied::Unchanged) => "unchanged",
                Err(CartError::LineNotFound(_)) => "line not found",
                Err(CartError::UnknownProduct(_)) => "unknown product",
                Err(CartError::ProductNotForSale(_)) => "not for sale",
                Err(CartError::TooManyUnits { .. }) => "too many units",
                Err(CartError::TooManyLines) => "too many lines",
                Err(CartError::CurrencyMismatch { .. }) => "currency mismatch",
                Err(CartError::MergeIntoItself) => "merge into itself",
                Err(CartError::VersionMismatch { .. }) => "version mismatch",
            });
        }
    }
    // A version is checked before a command is applied, so `apply` never complains of one.
    let wanted = HashSet::from([
        "changed",
        "unchanged",
        "line not found",
        "unknown product",
        "not for sale",
        "too many units",
        "too many lines",
        "currency mismatch",
        "merge into itself",
    ]);
    assert_eq!(met, wanted);
}
