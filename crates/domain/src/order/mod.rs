//! Orders: what was bought, at which price, and what became of it.

mod error;
mod list;
mod status;

use std::{collections::HashMap, fmt};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Currency, HoldId, Money, OwnerId, ProductId, Quantity, time_id::time_id};

pub use error::{OrderError, PriceDifference, Shortage};
pub use list::{OrderPaging, OrderQuery};
pub use status::{OrderStatus, Transition, UnknownStatus};

time_id! {
    /// Which order: a UUID of version 7, so that ids grow with time.
    OrderId,
    /// A text that is no id of an order.
    OrderIdError,
    "the id of an order is a UUID, as 01890a5d-ac96-774b-bcce-b302099a8057"
}

/// One product of an order, as it was when it was bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// Which one. Once in an order.
    pub product_id: ProductId,
    /// Its name at that time.
    pub name: String,
    /// Price of one at that time, in the currency of the order.
    pub price: Money,
    /// How many.
    pub quantity: Quantity,
}

impl OrderLine {
    /// Price of the line, in minor units.
    pub fn subtotal_minor(&self) -> i64 {
        self.price.times(self.quantity.get())
    }
}

/// What somebody bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which order.
    pub id: OrderId,
    /// Who bought.
    pub owner: OwnerId,
    /// How far it is.
    pub status: OrderStatus,
    /// The currency of its lines.
    pub currency: Currency,
    /// What was bought, in the order in which it was asked for. Not empty.
    pub lines: Vec<OrderLine>,
    /// The version of the cart that it was made of. `None`: of no cart.
    pub cart_version: Option<u64>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When its status last changed.
    pub updated_at: DateTime<Utc>,
}

impl Order {
    /// The sum of its lines in minor units. Fits: 500 lines × 1,000 units × 10¹² is below 2⁶³.
    pub fn total_minor(&self) -> i64 {
        self.lines.iter().map(OrderLine::subtotal_minor).sum()
    }

    /// Writes an amount of its currency as exact decimal text.
    ///
    /// # Errors
    /// Only those of the writer.
    pub fn write_amount(&self, out: &mut impl fmt::Write, minor: i64) -> fmt::Result {
        self.currency.write_amount(out, minor)
    }
}

/// What is to be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purchase {
    /// These products, each once, at the prices of the moment.
    Lines(Vec<(ProductId, Quantity)>),
    /// All that is in the cart, which is empty afterwards.
    Cart {
        /// The version that the buyer has seen. There is one order of it, however often this is asked for.
        version: u64,
    },
    /// What a hold keeps, at the prices of the hold. There is one order of it, however often this is asked for.
    Hold(HoldId),
}

impl Purchase {
    /// Adds up what is asked for twice.
    ///
    /// # Errors
    /// [`OrderError::NothingBought`], [`OrderError::TooManyLines`], and [`OrderError::TooManyUnits`] of one product.
    pub fn of_lines(lines: impl IntoIterator<Item = (ProductId, Quantity)>) -> Result<Self, OrderError> {
        let mut bought: Vec<(ProductId, Quantity)> = Vec::new();
        let mut places = HashMap::new();
        for (product, quantity) in lines {
            let at = *places.entry(product.clone()).or_insert(bought.len());
            match bought.get_mut(at) {
                Some((_, sum)) => {
                    *sum = sum.plus(quantity).ok_or(OrderError::TooManyUnits(product))?;
                }
                None => bought.push((product, quantity)),
            }
        }
        match bought.len() {
            0 => Err(OrderError::NothingBought),
            1..=crate::MAX_LINES => Ok(Self::Lines(bought)),
            _ => Err(OrderError::TooManyLines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_with_time_and_are_read_as_they_are_written() {
        let at = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        let (first, second) = (OrderId::new(at(1_000), [255; 10]), OrderId::new(at(1_001), [0; 10]));
        assert!(first < second);
        assert_eq!(second.uuid().get_version_num(), 7);
        assert_eq!(first.to_string().parse(), Ok(first));
        for junk in
            ["", "1", "{01890a5d-ac96-774b-bcce-b302099a8057}", "01890a5dac96774bbcceb302099a8057", "é"]
        {
            assert_eq!(junk.parse::<OrderId>(), Err(OrderIdError), "{junk}");
        }
    }

    #[test]
    fn what_is_asked_for_twice_is_added_up() {
        let tea = ProductId::new("tea").unwrap();
        let units = |n| Quantity::new(n).unwrap();
        let bought = Purchase::of_lines([(tea.clone(), units(2)), (tea.clone(), units(3))]).unwrap();
        assert_eq!(bought, Purchase::Lines(vec![(tea.clone(), units(5))]));
        assert_eq!(Purchase::of_lines([]), Err(OrderError::NothingBought));
        let much = [(tea.clone(), units(600)), (tea.clone(), units(600))];
        assert_eq!(Purchase::of_lines(much), Err(OrderError::TooManyUnits(tea)));
        let many = (0..501).map(|n| (ProductId::new(&n.to_string()).unwrap(), Quantity::ONE));
        assert_eq!(Purchase::of_lines(many), Err(OrderError::TooManyLines));
    }
}
