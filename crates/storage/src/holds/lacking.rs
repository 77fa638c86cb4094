use std::collections::{BTreeMap, HashMap};

use cartwright_domain::ProductId;

use crate::OfferedProduct;

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
