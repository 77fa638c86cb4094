//! The catalogue of a first start: enough to try everything with.

use cartwright_domain::{Currency, Listing, Money, ProductId};

/// Products "1" to "20", prices in US cents.
const PRODUCTS: [(&str, i64); 20] = [
    ("Laptop", 129_999),
    ("Wireless mouse", 2_499),
    ("Mechanical keyboard", 8_900),
    ("27-inch monitor", 24_900),
    ("USB-C dock", 11_950),
    ("Noise-cancelling headphones", 19_999),
    ("Webcam", 5_995),
    ("Laptop stand", 3_450),
    ("Desk lamp", 2_999),
    ("Notebook, dotted", 1_290),
    ("Fountain pen", 3_800),
    ("Backpack", 7_450),
    ("Water bottle", 1_875),
    ("Coffee beans, 1 kg", 2_150),
    ("Espresso cups, set of 4", 2_600),
    ("Chess set", 4_990),
    ("Running shoes", 9_999),
    ("Rain jacket", 13_500),
    ("Phone case", 1_499),
    ("Gift card", 5_000),
];

pub(crate) fn listings() -> anyhow::Result<Vec<Listing>> {
    let listing = |(id, (name, cents)): (usize, (&str, i64))| {
        Ok(Listing {
            product_id: ProductId::new(&id.to_string())?,
            name: name.to_owned(),
            price: Money::from_minor(cents, Currency::USD)?,
            active: true,
        })
    };
    (1..).zip(PRODUCTS).map(listing).collect()
}
