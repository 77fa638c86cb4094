use std::{borrow::Cow, collections::BTreeMap};

use cartwright_domain::{
    Attributes, Category, Description, Money, ProductChange, ProductDetails, ProductId, ProductName, Stock,
};

/// How many products of an import were new, and how many are different now. Those that were the same are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Products that were not there, or were deleted.
    pub created: u64,
    /// Products that are different now.
    pub changed: u64,
}

/// What an import says of a product.
///
/// What it leaves out (`None`) stays as it is in a product that is there, and is as in
/// [a new product](ProductDetails::new) in one that is not, or that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedProduct {
    /// Which one.
    pub id: ProductId,
    /// What it is called.
    pub name: ProductName,
    /// Price of one.
    pub price: Money,
    /// What is said of it.
    pub description: Option<Description>,
    /// How many there are.
    pub stock: Option<Stock>,
    /// Where it belongs; `Some(None)` takes it out of its category.
    pub category: Option<Option<Category>>,
    /// What else there is to say, in the place of all that was said.
    pub attributes: Option<Attributes>,
    /// Whether it can be bought.
    pub active: Option<bool>,
}

impl ImportedProduct {
    /// Says all of a product.
    pub fn whole(id: ProductId, details: ProductDetails) -> Self {
        let ProductDetails { name, description, price, stock, category, attributes, active } = details;
        Self {
            id,
            name,
            price,
            description: Some(description),
            stock: Some(stock),
            category: Some(category),
            attributes: Some(attributes),
            active: Some(active),
        }
    }

    /// What becomes of a product that is there.
    pub fn change(&self) -> ProductChange {
        ProductChange {
            name: Some(self.name.clone()),
            description: self.description.clone(),
            price: Some(self.price),
            stock: self.stock,
            category: self.category.clone(),
            attributes: self.attributes.clone(),
            active: self.active,
        }
    }

    /// Says what `later`, of the same product, says; and what only `self` says.
    fn then(self, later: &Self) -> Self {
        let later = later.clone();
        Self {
            description: later.description.or(self.description),
            stock: later.stock.or(self.stock),
            category: later.category.or(self.category),
            attributes: later.attributes.or(self.attributes),
            active: later.active.or(self.active),
            ..later
        }
    }
}

/// One for each id, in the order of ids; those with the same id become what they come to one after the other.
///
/// One statement must not write a row twice, and writers that keep to one order do not wait for each other in a circle.
pub fn fold_imported(products: &[ImportedProduct]) -> Vec<Cow<'_, ImportedProduct>> {
    let mut folded: BTreeMap<&ProductId, Cow<'_, ImportedProduct>> = BTreeMap::new();
    for product in products {
        let one = match folded.remove(&product.id) {
            None => Cow::Borrowed(product),
            Some(earlier) => Cow::Owned(earlier.into_owned().then(product)),
        };
        folded.insert(&product.id, one);
    }
    folded.into_values().collect()
}

#[cfg(test)]
mod tests {
    use cartwright_domain::{Currency, Product};
    use chrono::DateTime;

    use super::*;

    fn says(id: &str, minor: i64, stock: Option<i64>, active: Option<bool>) -> ImportedProduct {
        ImportedProduct {
            id: ProductId::new(id).unwrap(),
            name: ProductName::new("Tea").unwrap(),
            price: Money::from_minor(minor, Currency::EUR).unwrap(),
            description: None,
            stock: stock.map(|units| Stock::new(units).unwrap()),
            category: None,
            attributes: None,
            active,
        }
    }

    #[test]
    fn rows_with_the_same_id_are_what_they_come_to_one_after_the_other() {
        let rows = [
            says("b", 1, Some(5), None),
            says("a", 7, None, None),
            says("b", 2, None, Some(false)),
            says("b", 3, Some(9), None),
        ];
        let folded = fold_imported(&rows);
        let ids: Vec<&str> = folded.iter().map(|product| product.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(*folded[1], says("b", 3, Some(9), Some(false)));

        let details = ProductDetails::new(ProductName::new("Old").unwrap(), rows[0].price);
        let mut one = Product::create(rows[0].id.clone(), details, DateTime::UNIX_EPOCH);
        let mut all = one.clone();
        one.apply(&folded[1].change(), DateTime::UNIX_EPOCH);
        for row in rows.iter().filter(|row| row.id == one.id) {
            all.apply(&row.change(), DateTime::UNIX_EPOCH);
        }
        assert_eq!(one.details, all.details);
    }
}
