use anyhow::Context;
use cartwright_domain::{
    Attributes, Category, Currency, Description, Money, ProductDetails, ProductId, ProductName, Stock,
};
use cartwright_storage::ImportedProduct;
use serde_json::json;

use super::{
    random::Dice,
    words::{ADJECTIVES, BRANDS, COLOURS, MATERIALS, PRAISE, SHELVES, Shelf},
};

/// Which stream of numbers products are made of.
const PRODUCTS: u64 = 1;
/// Every so manieth product is out of stock.
const SOLD_OUT: u64 = 20;

pub(crate) fn id(n: u32) -> anyhow::Result<ProductId> {
    Ok(ProductId::new(&format!("seed-{n}"))?)
}

fn shelf(n: u32) -> anyhow::Result<&'static Shelf> {
    let at = usize::try_from(n)? % SHELVES.len();
    SHELVES.get(at).context("there are shelves")
}

/// The n-th product: a function of its number.
pub(crate) fn product(seed: u64, n: u32) -> anyhow::Result<ImportedProduct> {
    let mut dice = Dice::of(seed, PRODUCTS, n.into());
    let shelf = shelf(n)?;
    let mut word = |of: &[&'static str]| dice.pick(of).copied().unwrap_or_default();
    let (brand, adjective, noun) = (word(BRANDS), word(ADJECTIVES), word(shelf.nouns));
    let (colour, material) = (word(COLOURS), word(MATERIALS));
    let sentences = [word(PRAISE), word(PRAISE), word(PRAISE)].join(" ").replace("{}", &noun.to_lowercase());
    let (low, high) = shelf.cents;
    // Most things are cheap: the square of an even number. Prices end in 9.
    let share = dice.below(1000);
    let cents = u64::from(low) + u64::from(high - low) * share * share / 1_000_000;
    let price = Money::from_minor(i64::try_from(cents / 10 * 10 + 9)?, Currency::USD)?;
    let stock = if dice.below(SOLD_OUT) == 0 { 0 } else { 1 + dice.below(500) };
    let attributes = json!({
        "brand": brand, "colour": colour, "material": material, "weight_g": 20 + dice.below(9_980),
    });
    let details = ProductDetails {
        description: Description::new(&format!("{sentences} Colour: {colour}."))?,
        stock: Stock::new(i64::try_from(stock)?)?,
        category: Some(Category::new(shelf.category)?),
        attributes: Attributes::from_value(attributes)?,
        ..ProductDetails::new(ProductName::new(&format!("{brand} {adjective} {noun}"))?, price)
    };
    Ok(ImportedProduct::whole(id(n)?, details))
}

/// The product that is the r-th in popularity, of so many: popular ones are spread over all shelves.
pub(crate) fn popular(rank: u32, products: u32) -> u32 {
    // A step that has no factor in common with any number of products up to ten millions visits each once.
    const STEP: u64 = 1_000_000_007;
    let at = u64::from(rank) * STEP % u64::from(products.max(1));
    u32::try_from(at).unwrap_or_default() + 1
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn products_are_the_same_each_time_and_differ() {
        assert_eq!(product(1, 5).unwrap(), product(1, 5).unwrap());
        assert_ne!(product(1, 5).unwrap(), product(2, 5).unwrap());
        let made: Vec<_> = (1..=2000).map(|n| product(1, n).unwrap()).collect();
        let names: HashSet<_> = made.iter().map(|product| product.name.as_str()).collect();
        assert!(names.len() > 1900, "{} names", names.len());
        assert!(made.iter().all(|product| product.price.minor() % 10 == 9));
        assert!(made.iter().any(|product| product.stock == Some(Stock::NONE)));
        assert_eq!(
            made.iter().filter_map(|p| p.category.clone()).collect::<HashSet<_>>().len(),
            SHELVES.len()
        );
    }

    #[test]
    fn every_product_has_its_popularity() {
        for products in [1, 2, 999, 1000] {
            let places: HashSet<u32> = (1..=products).map(|rank| popular(rank, products)).collect();
            assert_eq!(places.len(), products as usize);
            assert!(places.iter().all(|n| (1..=products).contains(n)));
        }
    }
}
