use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Cart, Currency, Money, OwnerId, ProductId, Quantity};

/// What somebody wants of a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Adds to a line, or makes it. Commutes with other adds.
    Add {
        /// Of which product.
        product_id: ProductId,
        /// How many more.
        quantity: Quantity,
        /// What the client says the product is; used only for products that are not in the catalogue.
        product_data: Option<ProductData>,
    },
    /// Sets a line's quantity.
    SetQuantity {
        /// Of which product.
        product_id: ProductId,
        /// `None` removes the line.
        quantity: Option<Quantity>,
    },
    /// Removes a line.
    Remove {
        /// Of which product.
        product_id: ProductId,
    },
    /// Removes all lines.
    Clear,
    /// Moves the lines of another cart into this one and leaves that one empty.
    Merge {
        /// Whose cart is emptied.
        from: OwnerId,
    },
}

impl Command {
    /// The product that must be looked up before the command can be decided, unless the cart has a line of it: a line
    /// that is there keeps its name and price, and whether it can still be bought is for checkout to say. `None`: no
    /// look-up is needed.
    pub fn needs_listing(&self) -> Option<&ProductId> {
        match self {
            Self::Add { product_id, .. } => Some(product_id),
            _ => None,
        }
    }

    /// The other cart that the command changes, if any.
    pub fn other_cart(&self) -> Option<&OwnerId> {
        match self {
            Self::Merge { from } => Some(from),
            _ => None,
        }
    }
}

/// A name and a price that a client gives for a product outside the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductData {
    /// 1 to 200 characters.
    pub name: String,
    /// Price of one.
    pub price: Money,
}

/// What the catalogue knows of a product that a cart needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which product.
    pub product_id: ProductId,
    /// Its name.
    pub name: String,
    /// Price of one.
    pub price: Money,
    /// Whether it can be bought.
    pub active: bool,
}

/// What a decision depends on besides the cart and the command.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time of the change.
    pub now: DateTime<Utc>,
    /// The catalogue's entry of the command's product. `None`: it is not in the catalogue.
    pub listing: Option<&'a Listing>,
    /// Whether products outside the catalogue may be added with the client's data.
    pub allow_unlisted: bool,
}

/// What a command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The cart has a new version.
    Changed,
    /// Everything was already as wanted; the version stays.
    Unchanged,
}

/// Why a command is refused. The cart is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CartError {
    /// The cart moved on since the caller looked.
    #[error("the cart is at version {actual}")]
    VersionMismatch {
        /// Where it is.
        actual: u64,
    },
    /// The line that should change is not there.
    #[error("the cart has no line for product {0}")]
    LineNotFound(ProductId),
    /// Not in the catalogue, and the client's word does not suffice.
    #[error("there is no product {0} in the catalogue")]
    UnknownProduct(ProductId),
    /// In the catalogue, but not for sale.
    #[error("product {0} is not for sale")]
    ProductNotForSale(ProductId),
    /// A line holds at most 1,000.
    #[error("a line holds at most {max} units: it has {present}, {adding} more were asked for", max = Quantity::MAX)]
    TooManyUnits {
        /// Units in the line now.
        present: u16,
        /// Units asked for.
        adding: u16,
    },
    /// A cart holds at most 500 lines.
    #[error("a cart holds at most {} lines", crate::MAX_LINES)]
    TooManyLines,
    /// All lines of a cart have one currency.
    #[error("the cart is in {cart}, the product in {product}")]
    CurrencyMismatch {
        /// Of the lines that are there.
        cart: Currency,
        /// Of the new one.
        product: Currency,
    },
    /// A cart cannot be merged into itself.
    #[error("a cart cannot be merged into itself")]
    MergeIntoItself,
}

impl Cart {
    /// Checks a caller's expectation of the version; an empty list expects nothing.
    ///
    /// # Errors
    /// [`CartError::VersionMismatch`].
    pub fn expect_version(&self, any_of: &[u64]) -> Result<(), CartError> {
        if any_of.is_empty() || any_of.contains(&self.version()) {
            Ok(())
        } else {
            Err(CartError::VersionMismatch { actual: self.version() })
        }
    }
}
