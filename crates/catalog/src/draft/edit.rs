use cartwright_domain::{Currency, Money, MoneyError, Product, ProductChange, ProductId};

use super::{Draft, Fault};

/// What is to be different about a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    change: ProductChange,
    /// A price that was said without a currency: it is in the one that the product has.
    price: Option<String>,
}

impl Draft {
    /// What is to be different about the product `id`. A price without currency is in the one that the product has.
    ///
    /// # Errors
    /// All that is wrong with it, but for a price that makes no sense in the product's currency.
    pub fn edit(mut self, id: &ProductId) -> Result<Edit, Vec<Fault>> {
        self.stays(id);
        for name in std::mem::take(&mut self.nulls) {
            let detail = format!("{name} cannot be taken out; leave it out to keep what it is");
            self.faults.push(Fault::new(format!("/{name}"), "null", detail));
        }
        if self.currency.is_some() && self.price.is_none() && !self.is_wrong("/price") {
            let detail = "a currency comes with the price in it";
            self.faults.push(Fault::new("/currency", "needs_price", detail));
        }
        let (price, deferred) = match (self.currency, self.price.take()) {
            (Some(currency), price) => {
                self.price = price;
                (self.price(currency), None)
            }
            (None, Some(text)) => {
                self.check_number(&text);
                (None, Some(text))
            }
            (None, None) => (None, None),
        };
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        let Self { name, description, stock, category, attributes, active, .. } = self;
        let change = ProductChange { name, description, price, stock, category, attributes, active };
        Ok(Edit { change, price: deferred })
    }

    /// What is no price in any currency.
    fn check_number(&mut self, text: &str) {
        if let Err(error @ (MoneyError::NotANumber(_) | MoneyError::Negative)) =
            Money::parse(text, Currency::USD)
        {
            self.faults.push(Fault::price(&error));
        }
    }
}

impl Edit {
    /// The change, unless it depends on the product.
    pub(crate) fn known(&self) -> Option<&ProductChange> {
        self.price.is_none().then_some(&self.change)
    }

    /// The change of this product.
    pub(crate) fn of(&self, product: &Product) -> Result<ProductChange, Fault> {
        let mut change = self.change.clone();
        if let Some(text) = &self.price {
            let currency = product.details.price.currency();
            change.price = Some(Money::parse(text, currency).map_err(|error| Fault::price(&error))?);
        }
        Ok(change)
    }
}
