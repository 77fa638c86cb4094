//! Products, and what one asks of a catalogue.

mod attributes;
mod list;
mod product;
mod search;
mod stock;
mod text;

pub use attributes::{Attributes, AttributesError};
pub use list::{
    Cursor, CursorError, ListQuery, MAX_PAGE_SIZE, Page, PageError, PageSize, Paging, Position, ProductSort,
    sort_key,
};
pub use product::{NewProduct, Product, ProductChange, ProductDetails, ProductField};
pub use search::{
    PriceRange, PriceRangeError, SearchQuery, SearchSort, SearchText, TopWindow, UnknownTopWindow,
};
pub use stock::{Stock, StockError};
pub use text::{Category, Description, ProductName, TextError};
