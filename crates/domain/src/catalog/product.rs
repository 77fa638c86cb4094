use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Attributes, Category, Description, ProductName, Stock};
use crate::{Listing, Money, ProductId};

/// What can be bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Which one.
    pub id: ProductId,
    /// All that an editor decides.
    #[serde(flatten)]
    pub details: ProductDetails,
    /// Grows by one with every change of the details; 1 for a new product.
    pub version: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// What an editor decides of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDetails {
    /// What it is called.
    pub name: ProductName,
    /// What is said of it; may be empty.
    pub description: Description,
    /// Price of one.
    pub price: Money,
    /// How many there are.
    pub stock: Stock,
    /// Where it belongs. `None`: nowhere in particular.
    pub category: Option<Category>,
    /// What else there is to say.
    pub attributes: Attributes,
    /// Whether it can be bought and is shown to shoppers.
    pub active: bool,
}

impl ProductDetails {
    /// A product with a name and a price: for sale, none in stock, and nothing else said of it.
    pub fn new(name: ProductName, price: Money) -> Self {
        Self {
            name,
            description: Description::default(),
            price,
            stock: Stock::NONE,
            category: None,
            attributes: Attributes::default(),
            active: true,
        }
    }
}

/// A product that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// `None`: the next integer that nobody uses, as text.
    pub id: Option<ProductId>,
    /// All else.
    pub details: ProductDetails,
}

/// What is to become of a product. `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductChange {
    /// What it is called.
    pub name: Option<ProductName>,
    /// What is said of it.
    pub description: Option<Description>,
    /// Price of one.
    pub price: Option<Money>,
    /// How many there are.
    pub stock: Option<Stock>,
    /// Where it belongs; `Some(None)` takes it out of its category.
    pub category: Option<Option<Category>>,
    /// What else there is to say, in the place of all that was said.
    pub attributes: Option<Attributes>,
    /// Whether it can be bought.
    pub active: Option<bool>,
}

impl ProductChange {
    /// The change that leaves nothing as it was.
    pub fn replace(details: ProductDetails) -> Self {
        let ProductDetails { name, description, price, stock, category, attributes, active } = details;
        Self {
            name: Some(name),
            description: Some(description),
            price: Some(price),
            stock: Some(stock),
            category: Some(category),
            attributes: Some(attributes),
            active: Some(active),
        }
    }
}

/// A field that a change may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProductField {
    /// [`ProductDetails::name`].
    Name,
    /// [`ProductDetails::description`].
    Description,
    /// [`ProductDetails::price`].
    Price,
    /// [`ProductDetails::stock`].
    Stock,
    /// [`ProductDetails::category`].
    Category,
    /// [`ProductDetails::attributes`].
    Attributes,
    /// [`ProductDetails::active`].
    Active,
}

impl Product {
    /// A product of now.
    pub fn create(id: ProductId, details: ProductDetails, now: DateTime<Utc>) -> Self {
        Self { id, details, version: 1, created_at: now, updated_at: now }
    }

    /// Carries out a change, and says which fields are different now. When none is, the version stays.
    pub fn apply(&mut self, change: &ProductChange, now: DateTime<Utc>) -> Vec<ProductField> {
        fn set<T: Clone + PartialEq>(
            changed: &mut Vec<ProductField>,
            field: ProductField,
            value: &mut T,
            wanted: Option<&T>,
        ) {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != value) {
                value.clone_from(wanted);
                changed.push(field);
            }
        }
        let mut changed = Vec::new();
        let details = &mut self.details;
        set(&mut changed, ProductField::Name, &mut details.name, change.name.as_ref());
        set(&mut changed, ProductField::Description, &mut details.description, change.description.as_ref());
        set(&mut changed, ProductField::Price, &mut details.price, change.price.as_ref());
        set(&mut changed, ProductField::Stock, &mut details.stock, change.stock.as_ref());
        set(&mut changed, ProductField::Category, &mut details.category, change.category.as_ref());
        set(&mut changed, ProductField::Attributes, &mut details.attributes, change.attributes.as_ref());
        set(&mut changed, ProductField::Active, &mut details.active, change.active.as_ref());
        if !changed.is_empty() {
            self.version += 1;
            self.updated_at = now;
        }
        changed
    }

    /// What a cart needs of it.
    pub fn listing(&self) -> Listing {
        Listing {
            product_id: self.id.clone(),
            name: self.details.name.to_string(),
            price: self.details.price,
            active: self.details.active,
        }
    }
}
