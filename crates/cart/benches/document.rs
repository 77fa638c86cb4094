//! What writing and reading the JSON of a cart costs, on a usual cart and on a full one.
//!
//! `cargo bench -p cartwright-cart`

#![expect(clippy::unwrap_used, reason = "a bench of valid values")]

use std::hint::black_box;

use cartwright_cart::{decode, encode};
use cartwright_domain::{Cart, Currency, Line, Money, OwnerId, ProductId, Quantity};
use chrono::DateTime;
use criterion::{Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for lines in [5, 500] {
        documents(&mut criterion, lines);
    }
    criterion.final_summary();
}

fn cart(lines: usize) -> Cart {
    let now = DateTime::from_timestamp(1_700_000_000, 123_456_000).unwrap();
    let line = |n: usize| Line {
        product_id: ProductId::new(&format!("product-{n}")).unwrap(),
        name: format!("Headphones, wireless, number {n}"),
        price: Money::from_minor(12_999, Currency::EUR).unwrap(),
        quantity: Quantity::new(2).unwrap(),
        added_at: now,
    };
    Cart::from_parts(OwnerId::new("ana").unwrap(), 7, (0..lines).map(line).collect(), now, now)
}

fn documents(criterion: &mut Criterion, lines: usize) {
    let cart = cart(lines);
    let document = encode(&cart).unwrap();
    assert_eq!(decode(&document.body).unwrap(), cart);
    let mut group = criterion.benchmark_group("document");
    group.throughput(Throughput::Bytes(document.body.len() as u64));
    group.bench_function(format!("encode/{lines}"), |bencher| {
        bencher.iter(|| encode(black_box(&cart)).unwrap());
    });
    group.bench_function(format!("decode/{lines}"), |bencher| {
        bencher.iter(|| decode(black_box(&document.body)).unwrap());
    });
    group.finish();
}
