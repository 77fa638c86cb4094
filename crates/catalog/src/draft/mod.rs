//! What somebody says of a product, before it is known whether it makes sense: the body of a request, a row of a file.

mod cells;
mod edit;
mod fault;
mod json;

use cartwright_domain::{
    Attributes, Category, Currency, Description, Money, NewProduct, ProductDetails, ProductId, ProductName,
    Stock,
};
use cartwright_storage::ImportedProduct;

pub(crate) use cells::Cells;
pub use cells::Column;
pub use edit::Edit;
pub use fault::{DraftError, Fault};

/// What was said of a product. What is wrong with it is collected, and told all at once.
#[derive(Debug, Default)]
pub struct Draft {
    id: Option<ProductId>,
    name: Option<ProductName>,
    description: Option<Description>,
    /// Decimal text: what it is worth depends on the currency.
    price: Option<String>,
    currency: Option<Currency>,
    stock: Option<Stock>,
    /// Inner `None`: in no category.
    category: Option<Option<Category>>,
    attributes: Option<Attributes>,
    active: Option<bool>,
    /// Fields that were said to be nothing, and always are something.
    nulls: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Draft {
    /// A product that is to be made. A price without currency is in `default`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn create(mut self, default: Currency) -> Result<NewProduct, Vec<Fault>> {
        let id = self.id.take();
        self.details(default).map(|details| NewProduct { id, details })
    }

    /// All that is to be said of the product `id`: what is left out is as in a new product.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn replace(mut self, id: &ProductId, default: Currency) -> Result<ProductDetails, Vec<Fault>> {
        self.stays(id);
        self.details(default)
    }

    /// A row of an import: what it leaves out is left out. A price without currency is in `default`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn import(mut self, default: Currency) -> Result<ImportedProduct, Vec<Fault>> {
        let id = self.id.take();
        if id.is_none() && !self.is_wrong("/id") {
            self.faults.push(Fault::missing("id"));
        }
        let (name, price) = self.name_and_price(default)?;
        let Some(id) = id else { return Err(self.faults) };
        let Self { description, stock, category, attributes, active, .. } = self;
        Ok(ImportedProduct { id, name, price, description, stock, category, attributes, active })
    }

    fn details(mut self, default: Currency) -> Result<ProductDetails, Vec<Fault>> {
        let (name, price) = self.name_and_price(default)?;
        Ok(ProductDetails {
            name,
            description: self.description.unwrap_or_default(),
            price,
            stock: self.stock.unwrap_or_default(),
            category: self.category.flatten(),
            attributes: self.attributes.unwrap_or_default(),
            active: self.active.unwrap_or(true),
        })
    }

    /// What every product has. All that is wrong, if anything is.
    fn name_and_price(&mut self, default: Currency) -> Result<(ProductName, Money), Vec<Fault>> {
        for (name, said) in [("name", self.name.is_some()), ("price", self.price.is_some())] {
            if !said && !self.is_wrong(&format!("/{name}")) {
                self.faults.push(Fault::missing(name));
            }
        }
        match (self.name.take(), self.price(default), self.faults.is_empty()) {
            (Some(name), Some(price), true) => Ok((name, price)),
            _ => Err(std::mem::take(&mut self.faults)),
        }
    }

    /// The price, if it was said; in `default` unless a currency was.
    fn price(&mut self, default: Currency) -> Option<Money> {
        let text = self.price.take()?;
        if self.is_wrong("/currency") {
            return None; // how many decimals it may have is not known
        }
        let money = Money::parse(&text, self.currency.unwrap_or(default));
        money.map_err(|error| self.faults.push(Fault::price(&error))).ok()
    }

    /// A product keeps its id: the draft may repeat it.
    fn stays(&mut self, id: &ProductId) {
        if self.id.take().is_some_and(|said| said != *id) {
            self.faults.push(Fault::new("/id", "contradiction", "a product keeps its id; leave it out"));
        }
    }

    fn is_wrong(&self, pointer: &str) -> bool {
        self.faults.iter().any(|fault| fault.pointer == pointer)
    }

    /// Takes what could be read, and collects what could not.
    fn keep<T>(&mut self, read: Result<T, Fault>) -> Option<T> {
        read.map_err(|fault| self.faults.push(fault)).ok()
    }
}
