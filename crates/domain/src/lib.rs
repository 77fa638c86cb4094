//! Values and rules of the shop: ids, money, carts, the clock.
//!
//! Pure: no I/O, no async, no clock of its own. Every decision about a cart is
//! [`Cart::apply`], a function of values, so that it is tested without a database.

mod cart;
mod clock;
mod command;
mod gate;
mod ids;
mod merge;
mod money;
mod quantity;

pub use cart::{Cart, Line, MAX_LINES};
pub use clock::{Clock, ManualClock, SystemClock};
pub use command::{Applied, CartError, Command, Context, Listing, ProductData};
pub use gate::{Gate, GateState, OpenGate, ReadSet};
pub use ids::{IdError, OwnerId, ProductId};
pub use merge::{MergeReport, MergedLine, merge};
pub use money::{Currency, Money, MoneyError};
pub use quantity::{Quantity, QuantityError};
