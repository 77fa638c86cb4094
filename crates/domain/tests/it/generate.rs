//! Carts and commands of every kind.

use cartwright_domain::{
    Cart, Command, Currency, Line, Listing, MAX_LINES, Money, OwnerId, ProductData, ProductId, Quantity,
};
use chrono::{DateTime, Utc};
use proptest::{collection::vec, option, prelude::*};

/// A command, and what it is decided by.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) command: Command,
    pub(crate) listing: Option<Listing>,
    pub(crate) allow_unlisted: bool,
    pub(crate) now: DateTime<Utc>,
}

/// The largest amount there is, in minor units: sums of full carts of it must still be right.
const MOST: i64 = 1_000_000_000_000;

pub(crate) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

pub(crate) fn owner(name: &str) -> OwnerId {
    OwnerId::new(name).unwrap()
}

pub(crate) fn product(n: u32) -> ProductId {
    ProductId::new(&format!("p{n}")).unwrap()
}

/// The catalogue's entry of a product: always the same one, so that orders of adds can be compared.
pub(crate) fn listing(n: u32, currency: Currency, active: bool) -> Listing {
    let price = Money::from_minor(i64::from(n) * 101, currency).unwrap();
    Listing { product_id: product(n), name: format!("Product {n}"), price, active }
}

fn quantity() -> impl Strategy<Value = Quantity> {
    prop_oneof![1..=5_i64, 990..=1000_i64].prop_map(|n| Quantity::new(n).unwrap())
}

fn currency() -> impl Strategy<Value = Currency> {
    prop_oneof![8 => Just(Currency::EUR), 1 => Just(Currency::JPY)]
}

fn money() -> impl Strategy<Value = Money> {
    (prop_oneof![0..10_000_i64, Just(MOST)], currency())
        .prop_map(|(minor, currency)| Money::from_minor(minor, currency).unwrap())
}

/// Few products, so that commands meet; now and then one that a full cart lacks.
fn product_number() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..8_u32, 1 => 1_000..1_010_u32]
}

fn command(n: u32) -> impl Strategy<Value = Command> {
    let data = option::of(money().prop_map(|price| ProductData { name: "theirs".to_owned(), price }));
    prop_oneof![
        5 => (quantity(), data).prop_map(move |(quantity, product_data)| Command::Add {
            product_id: product(n),
            quantity,
            product_data,
        }),
        3 => option::of(quantity())
            .prop_map(move |quantity| Command::SetQuantity { product_id: product(n), quantity }),
        2 => Just(Command::Remove { product_id: product(n) }),
        1 => Just(Command::Clear),
        1 => Just(Command::Merge { from: owner("guest") }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let parts = |n| (command(n), option::weighted(0.7, (currency(), prop::bool::weighted(0.9))), Just(n));
    (product_number().prop_flat_map(parts), any::<bool>(), -5..5_i64).prop_map(
        |((command, listed, n), allow_unlisted, second)| Step {
            command,
            listing: listed.map(|(currency, active)| listing(n, currency, active)),
            allow_unlisted,
            // Also backwards: clocks of machines differ.
            now: at(second),
        },
    )
}

/// Up to forty steps.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 0..40)
}

/// A cart of a store: new, with some lines, or about full; cheap, or as dear as can be.
pub(crate) fn cart() -> impl Strategy<Value = Cart> {
    let size = prop_oneof![2 => Just(0_usize), 4 => 1..12_usize, 1 => MAX_LINES - 1..=MAX_LINES];
    let lines = size.prop_flat_map(|size| vec((quantity(), 0..3_i64, any::<bool>()), size));
    (lines, 0..30_u64).prop_map(|(lines, version)| {
        if lines.is_empty() && version == 0 {
            return Cart::empty(owner("ana"));
        }
        let line = |(n, (quantity, second, dear)): (usize, (Quantity, i64, bool))| {
            let n = u32::try_from(n).unwrap();
            let minor = if dear { MOST } else { i64::from(n) };
            let price = Money::from_minor(minor, Currency::EUR).unwrap();
            Line {
                product_id: product(n),
                name: format!("Product {n}"),
                price,
                quantity,
                added_at: at(second),
            }
        };
        let lines = lines.into_iter().enumerate().map(line).collect();
        Cart::from_parts(owner("ana"), version.max(1), lines, at(0), at(3))
    })
}
