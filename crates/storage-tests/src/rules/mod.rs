//! The rules, one function each. A rule panics when the store breaks it.

mod batches;
mod carts;
mod catalog;
mod concurrency;
mod fence;
mod gate;
mod imports;
mod keys;
mod limits;
mod lists;
mod orders;
mod product_keys;
mod products;
mod reads;
mod results;
mod search;
mod statistics;

pub use batches::*;
pub use carts::*;
pub use catalog::*;
pub use concurrency::*;
pub use fence::*;
pub use gate::*;
pub use imports::*;
pub use keys::*;
pub use limits::*;
pub use lists::*;
pub use orders::*;
pub use product_keys::*;
pub use products::*;
pub use reads::*;
pub use results::*;
pub use search::*;
pub use statistics::*;
