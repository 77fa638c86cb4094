use crate::{Currency, HoldId, HoldStatus, Money, ProductId};

/// A product of which there is less than was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// Which one.
    pub product_id: ProductId,
    /// How many there are.
    pub available: u32,
    /// How many were asked for.
    pub requested: u32,
}

/// A product that costs something else than the buyer was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceDifference {
    /// Which one.
    pub product_id: ProductId,
    /// Price of one in the cart.
    pub agreed: Money,
    /// Price of one now.
    pub current: Money,
}

/// Why nothing was bought. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is less of some products than was asked for. Not empty.
    #[error("Insufficient stock. Available: {}, Requested: {}",
        .0.first().map_or(0, |short| short.available), .0.first().map_or(0, |short| short.requested))]
    InsufficientStock(Vec<Shortage>),
    /// Not in the catalogue.
    #[error("there is no product {0} in the catalogue")]
    UnknownProduct(ProductId),
    /// In the catalogue, but not for sale.
    #[error("product {0} is not for sale")]
    ProductNotForSale(ProductId),
    /// All lines of an order have one currency.
    #[error("an order has one currency; there are products in {0} and in {1}")]
    Currencies(Currency, Currency),
    /// An order without lines.
    #[error("an order has at least one line")]
    NothingBought,
    /// An order has at most as many lines as a cart.
    #[error("an order has at most {} lines", crate::MAX_LINES)]
    TooManyLines,
    /// A line holds at most 1,000.
    #[error("a line holds at most {max} units, and more of product {0} were asked for", max = crate::Quantity::MAX)]
    TooManyUnits(ProductId),
    /// There is nothing in the cart.
    #[error("the cart is empty")]
    EmptyCart,
    /// The cart is not as the buyer saw it.
    #[error("the cart is at version {actual}")]
    CartMoved {
        /// Where it is.
        actual: u64,
    },
    /// Something in the cart is dearer than it was, and the buyer has not said that the new total is right. Not empty.
    #[error("{} products cost more than when they were put into the cart; the total is {total} now", .lines.len())]
    PricesRose {
        /// The sum at the prices of the moment, in major units.
        total: String,
        /// What is dearer.
        lines: Vec<PriceDifference>,
    },
    /// The buyer expected another total.
    #[error("the total is {total}, and not {expected}")]
    TotalChanged {
        /// What was expected.
        expected: String,
        /// What it is.
        total: String,
        /// What costs something else than it did when it was put into the cart.
        lines: Vec<PriceDifference>,
    },
    /// There is no such hold, or it is somebody else's.
    #[error("there is no hold {0}")]
    UnknownHold(HoldId),
    /// The hold keeps nothing any more.
    #[error("the hold is {0}")]
    HoldEnded(HoldStatus),
}
