//! The catalogue of a first start: enough to try everything with.

use cartwright_domain::{
    Category, Currency, Description, Money, ProductDetails, ProductId, ProductName, Stock,
};
use cartwright_storage::ImportedProduct;

/// Products "1" to "20": category, name, price in US cents, how many there are, and what is said of it.
const PRODUCTS: [(&str, &str, i64, i64, &str); 20] = [
    ("Computers", "Laptop", 129_999, 12, "14 inches, 32 GB of memory, eighteen hours on one charge."),
    ("Computers", "Wireless mouse", 2_499, 140, "Quiet buttons; one battery lasts two years."),
    ("Computers", "Mechanical keyboard", 8_900, 35, "Tactile switches that can be replaced one by one."),
    ("Computers", "27-inch monitor", 24_900, 18, "4K, and a single cable for picture and power."),
    ("Computers", "USB-C dock", 11_950, 40, "Two monitors, four ports, 100 watts."),
    ("Audio", "Noise-cancelling headphones", 19_999, 27, "Thirty hours of quiet."),
    ("Computers", "Webcam", 5_995, 60, "Sharp in poor light, with a cover for the lens."),
    ("Office", "Laptop stand", 3_450, 75, "Folds flat; bamboo."),
    ("Home & Garden", "Desk lamp", 2_999, 52, "Warm in the evening, bright in the morning."),
    ("Office", "Notebook, dotted", 1_290, 300, "192 pages that ink does not bleed through."),
    ("Office", "Fountain pen", 3_800, 44, "A steel nib that writes from the first stroke."),
    ("Outdoor", "Backpack", 7_450, 31, "22 litres, a pocket for a laptop, waterproof."),
    ("Sports", "Water bottle", 1_875, 210, "Keeps tea hot for twelve hours."),
    ("Kitchen", "Coffee beans, 1 kg", 2_150, 90, "Roasted last week: chocolate, hazelnut."),
    ("Kitchen", "Espresso cups, set of 4", 2_600, 48, "Thick porcelain."),
    ("Toys & Games", "Chess set", 4_990, 22, "Weighted pieces on a board of maple."),
    ("Sports", "Running shoes", 9_999, 64, "For roads, in half sizes."),
    ("Outdoor", "Rain jacket", 13_500, 19, "Packs into its own pocket."),
    ("Phones", "Phone case", 1_499, 0, "Cork; back in spring."),
    ("Gifts", "Gift card", 5_000, 10_000, "For whoever has everything."),
];

pub(crate) fn products() -> anyhow::Result<Vec<ImportedProduct>> {
    let product = |(id, (category, name, cents, stock, text)): (usize, (&str, &str, i64, i64, &str))| {
        let details = ProductDetails::new(ProductName::new(name)?, Money::from_minor(cents, Currency::USD)?);
        let details = ProductDetails {
            description: Description::new(text)?,
            stock: Stock::new(stock)?,
            category: Some(Category::new(category)?),
            ..details
        };
        Ok(ImportedProduct::whole(ProductId::new(&id.to_string())?, details))
    };
    (1..).zip(PRODUCTS).map(product).collect()
}
