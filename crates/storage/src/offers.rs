//! What is offered, and whether somebody can have it.

use std::collections::{BTreeMap, HashMap};

use cartwright_domain::{Currency, Money, OrderError, OrderLine, ProductId, Shortage};

/// A product as far as orders and holds need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedProduct {
    /// Its name.
    pub name: String,
    /// Price of one.
    pub price: Money,
    /// Whether it can be bought.
    pub active: bool,
    /// How many there are.
    pub stock: u32,
}

/// Products of which more is wanted than there is, and how many more.
pub type Lacking = BTreeMap<ProductId, u32>;

/// What is lacking when all that is wanted is to be had. Only of what is for sale: more of the rest helps nobody.
pub fn lacking<'a>(
    products: &HashMap<ProductId, OfferedProduct>,
    wanted: impl IntoIterator<Item = (&'a ProductId, u32)>,
) -> Lacking {
    let mut sums: HashMap<&ProductId, u32> = HashMap::new();
    for (product, units) in wanted {
        let sum = sums.entry(product).or_default();
        *sum = sum.saturating_add(units);
    }
    let lacks = |(id, wanted): (&ProductId, u32)| {
        let product = products.get(id).filter(|product| product.active)?;
        (wanted > product.stock).then(|| (id.clone(), wanted - product.stock))
    };
    sums.into_iter().filter_map(lacks).collect()
}

/// The product, if it can be bought.
pub(crate) fn for_sale<'a>(
    products: &'a HashMap<ProductId, OfferedProduct>,
    id: &ProductId,
) -> Result<&'a OfferedProduct, OrderError> {
    match products.get(id) {
        None => Err(OrderError::UnknownProduct(id.clone())),
        Some(product) if !product.active => Err(OrderError::ProductNotForSale(id.clone())),
        Some(product) => Ok(product),
    }
}

/// All that is short is named, so that the buyer can mend it at once.
pub(crate) fn in_stock<'a>(
    products: &HashMap<ProductId, OfferedProduct>,
    wanted: impl Iterator<Item = (&'a ProductId, u32)>,
) -> Result<(), OrderError> {
    let short = wanted.filter_map(|(product_id, requested)| {
        let available = products.get(product_id).map_or(0, |product| product.stock);
        let short = || Shortage { product_id: product_id.clone(), available, requested };
        (available < requested).then(short)
    });
    let short: Vec<Shortage> = short.collect();
    if short.is_empty() { Ok(()) } else { Err(OrderError::InsufficientStock(short)) }
}

pub(crate) fn one_currency(lines: &[OrderLine]) -> Result<Currency, OrderError> {
    let mut currencies = lines.iter().map(|line| line.price.currency());
    let first = currencies.next().ok_or(OrderError::NothingBought)?;
    match currencies.find(|currency| *currency != first) {
        Some(other) => Err(OrderError::Currencies(first, other)),
        None => Ok(first),
    }
}

/// Adds products that are not there yet. Shoppers are told that something has turned, and not how: once is enough.
pub(crate) fn add_turned(turned: &mut Vec<ProductId>, products: impl IntoIterator<Item = ProductId>) {
    for product in products {
        if !turned.contains(&product) {
            turned.push(product);
        }
    }
}
