//! Values and rules of the shop: ids, money, carts, products, orders, the clock.
//!
//! Pure: no I/O, no async, no clock of its own. Every decision about a cart is
//! [`Cart::apply`], a function of values, so that it is tested without a database.

mod cart;
mod catalog;
mod checked;
mod clock;
mod command;
mod document;
mod gate;
mod hold;
mod ids;
mod members;
mod merge;
mod money;
mod order;
mod profile;
mod quantity;
mod session;
mod time_id;

pub use cart::{Cart, Line, MAX_LINES};
pub use catalog::{
    Attributes, AttributesError, Category, Cursor, CursorError, Description, ListQuery, MAX_PAGE_SIZE,
    NewProduct, Page, PageError, PageSize, Paging, Position, PriceRange, PriceRangeError, Product,
    ProductChange, ProductDetails, ProductField, ProductName, ProductSort, SearchQuery, SearchSort,
    SearchText, Stock, StockError, TextError, TopWindow, UnknownTopWindow, sort_key,
};
pub use clock::{Clock, ManualClock, SystemClock};
pub use command::{Applied, CartError, Command, Context, Listing, ProductData};
pub use document::{DocumentError, JsonObject};
pub use gate::{Gate, GateState, OpenGate, ReadSet};
pub use hold::{Hold, HoldError, HoldId, HoldIdError, HoldStatus, UnknownHoldStatus};
pub use ids::{IdError, OwnerId, ProductId};
pub use members::Members;
pub use merge::{MergeReport, MergedLine, merge};
pub use money::{Currency, Money, MoneyError};
pub use order::{
    Order, OrderError, OrderId, OrderIdError, OrderLine, OrderPaging, OrderQuery, OrderStatus,
    PriceDifference, Purchase, Shortage, Transition, UnknownStatus,
};
pub use profile::{Profile, ProfileData};
pub use quantity::{Quantity, QuantityError};
pub use session::{
    Session, SessionData, SessionHandle, SessionHandleError, SessionHash, SessionId, SessionIdError,
};
