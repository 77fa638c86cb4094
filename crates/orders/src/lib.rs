//! Orders: admission to stock, checkout of carts, holds, and what becomes of orders.
//!
//! Knows only the traits of `cartwright-storage` and `cartwright-cache`, and the job queue, which does what orders leave to be
//! done ([`Processing`]): embed it with the implementations you like. What is
//! sold is decided in the order in which it was asked for, in transactions that many orders share; see [`Strategy`].

mod admission;
mod error;
mod history;
mod holds;
mod parts;
mod processing;
mod service;
mod state;

pub use admission::Strategy;
pub use error::OrdersError;
pub use history::History;
pub use holds::HoldSettings;
pub use parts::{NobodyListens, Parts, Settings, StockListener};
pub use processing::{Fulfilment, NotFulfilled, NothingToDo, OrderProgress, Processing, handlers};
pub use service::OrderService;
pub use state::OrderState;
