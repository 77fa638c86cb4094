//! What deciding a command costs, on a usual cart and on a full one.
//!
//! `cargo bench -p cartwright-domain`

#![expect(clippy::unwrap_used, reason = "a bench of valid values")]

use std::hint::black_box;

use cartwright_domain::{
    Cart, Command, Context, Currency, Line, Listing, Money, OwnerId, ProductId, Quantity, merge,
};
use chrono::{DateTime, Utc};
use criterion::{BatchSize, Criterion};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for lines in [5, 500] {
        commands(&mut criterion, lines);
        totals(&mut criterion, lines);
        merging(&mut criterion, lines);
    }
    criterion.final_summary();
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn product(n: usize) -> ProductId {
    ProductId::new(&format!("product-{n}")).unwrap()
}

fn cart(owner: &str, lines: usize) -> Cart {
    let line = |n| Line {
        product_id: product(n),
        name: format!("Product {n}"),
        price: Money::from_minor(1_299, Currency::EUR).unwrap(),
        quantity: Quantity::ONE,
        added_at: now(),
    };
    Cart::from_parts(OwnerId::new(owner).unwrap(), 7, (0..lines).map(line).collect(), now(), now())
}

fn commands(criterion: &mut Criterion, lines: usize) {
    let full = cart("ana", lines);
    // The line in the middle: neither the best nor the worst case of the search.
    let product_id = product(lines / 2);
    let price = Money::from_minor(1_299, Currency::EUR).unwrap();
    let listing = Listing { product_id: product_id.clone(), name: "Product".to_owned(), price, active: true };
    let context = Context { now: now(), listing: Some(&listing), allow_unlisted: false };
    let commands = [
        ("add", Command::Add { product_id: product_id.clone(), quantity: Quantity::ONE, product_data: None }),
        (
            "set",
            Command::SetQuantity {
                product_id: product_id.clone(),
                quantity: Some(Quantity::new(9).unwrap()),
            },
        ),
        ("remove", Command::Remove { product_id }),
    ];
    for (name, command) in commands {
        criterion.bench_function(&format!("apply/{name}/{lines}"), |bencher| {
            let run = |mut cart: Cart| {
                cart.apply(black_box(&command), context).unwrap();
                cart
            };
            bencher.iter_batched(|| full.clone(), run, BatchSize::SmallInput);
        });
    }
}

fn totals(criterion: &mut Criterion, lines: usize) {
    let cart = cart("ana", lines);
    criterion.bench_function(&format!("totals/{lines}"), |bencher| {
        bencher.iter(|| (black_box(&cart).total_quantity(), black_box(&cart).total_minor()));
    });
}

fn merging(criterion: &mut Criterion, lines: usize) {
    let (into, from) = (cart("ana", lines), cart("guest", lines));
    criterion.bench_function(&format!("merge/{lines}"), |bencher| {
        let run = |(mut into, mut from): (Cart, Cart)| {
            merge(&mut into, &mut from, now()).unwrap();
            (into, from)
        };
        bencher.iter_batched(|| (into.clone(), from.clone()), run, BatchSize::SmallInput);
    });
}
