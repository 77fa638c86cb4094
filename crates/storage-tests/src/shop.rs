//! Products and orders for rules about the catalogue.

use cartwright_domain::{
    Category, Clock, Currency, Description, Money, NewProduct, OrderLine, Product, ProductChange,
    ProductDetails, ProductId, ProductName, Quantity, Stock,
};
use cartwright_storage::{Changed, Created, Imported, ImportedProduct, PastOrder, ReadFrom};

use crate::{Kit, owner, product};

/// A product with five in stock, at a price in euros.
pub fn details(name: &str, minor: i64) -> ProductDetails {
    let price = Money::from_minor(minor, Currency::EUR).unwrap();
    ProductDetails {
        stock: Stock::new(5).unwrap(),
        ..ProductDetails::new(ProductName::new(name).unwrap(), price)
    }
}

/// The same in a category, with a description.
pub(crate) fn placed(name: &str, minor: i64, category: &str, description: &str) -> ProductDetails {
    ProductDetails {
        category: (!category.is_empty()).then(|| Category::new(category).unwrap()),
        description: Description::new(description).unwrap(),
        ..details(name, minor)
    }
}

/// A product of an import that says all of it.
pub fn imported(id: &str, details: ProductDetails) -> ImportedProduct {
    ImportedProduct::whole(product(id), details)
}

/// One that says only what it must: name, and price in euros.
pub(crate) fn sketched(id: &str, name: &str, minor: i64) -> ImportedProduct {
    let whole = imported(id, details(name, minor));
    ImportedProduct {
        description: None,
        stock: None,
        category: None,
        attributes: None,
        active: None,
        ..whole
    }
}

/// A change of nothing, to be filled in.
pub fn change() -> ProductChange {
    ProductChange::default()
}

/// A completed order of one unit of each product, made at the time of the kit. Its id is made of `n`.
pub fn order(kit: &Kit, n: u64, buyer: &str, products: &[&str]) -> PastOrder {
    let lines: Vec<(&str, i64)> = products.iter().map(|id| (*id, 1)).collect();
    sold(kit, n, buyer, &lines)
}

/// The same, with quantities.
pub fn sold(kit: &Kit, n: u64, buyer: &str, lines: &[(&str, i64)]) -> PastOrder {
    let line = |(id, quantity): &(&str, i64)| OrderLine {
        product_id: product(id),
        name: format!("The {id}"),
        price: Money::from_minor(250, Currency::EUR).unwrap(),
        quantity: Quantity::new(*quantity).unwrap(),
    };
    PastOrder {
        id: format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap(),
        owner: owner(buyer),
        status: "completed".to_owned(),
        currency: Currency::EUR,
        lines: lines.iter().map(line).collect(),
        created_at: kit.clock.now(),
    }
}

impl Kit {
    /// Makes a product that must not be there yet.
    pub(crate) async fn create(&self, id: Option<&str>, details: ProductDetails) -> Product {
        let new = NewProduct { id: id.map(product), details };
        match self.store.create_product(&new, None, self.clock.now()).await.unwrap() {
            Created::Created(product) => product,
            other => panic!("{id:?}: {other:?}"),
        }
    }

    /// Reads one product.
    pub(crate) async fn product(&self, id: &str) -> Option<Product> {
        let mut products = self.store.products(&[product(id)], ReadFrom::Primary).await.unwrap();
        assert_eq!(products.len(), 1);
        products.remove(0)
    }

    /// Changes a product, which must be there and be different afterwards.
    pub(crate) async fn change(&self, id: &str, change: ProductChange) -> Product {
        match self.store.change_product(&product(id), &change, &[], self.clock.now()).await.unwrap() {
            Changed::Changed { after, .. } => after,
            other => panic!("{other:?}"),
        }
    }

    /// Imports products.
    pub(crate) async fn import(&self, products: &[ImportedProduct]) -> Imported {
        self.store.import_products(products, self.clock.now()).await.unwrap()
    }

    /// Imports products that are named after themselves, and in stock.
    pub(crate) async fn stock(&self, ids: &[&str]) {
        let products: Vec<_> =
            ids.iter().map(|id| imported(id, details(&format!("The {id}"), 250))).collect();
        self.import(&products).await;
    }

    /// Deletes a product.
    pub(crate) async fn delete(&self, id: &str) -> cartwright_storage::Deleted {
        self.store.delete_product(&product(id), &[], self.clock.now()).await.unwrap()
    }

    /// Counts every order that is there. Orders may have to wait for transactions of other tests on the same server,
    /// so it waits for `orders` of them.
    pub(crate) async fn refresh(&self, orders: u64) {
        let counted = async {
            let mut counted = 0;
            while counted < orders {
                counted += self.store.refresh_statistics(self.clock.now(), 1000).await.unwrap().orders;
            }
            assert_eq!(counted, orders);
        };
        tokio::time::timeout(crate::kit::PATIENCE, counted).await.unwrap();
    }
}

/// The ids, for comparison.
pub(crate) fn ids<'a>(products: impl IntoIterator<Item = &'a Product>) -> Vec<&'a str> {
    products.into_iter().map(|product| product.id.as_str()).collect()
}

/// A product's id.
pub(crate) fn id(text: &str) -> ProductId {
    product(text)
}
