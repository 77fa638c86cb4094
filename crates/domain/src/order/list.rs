use super::{OrderId, OrderStatus};
use crate::{OwnerId, Page, PageSize};

/// Which orders are listed, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderQuery {
    /// Whose. `None`: everybody's.
    pub owner: Option<OwnerId>,
    /// With which status. `None`: any.
    pub status: Option<OrderStatus>,
    /// Which part.
    pub paging: OrderPaging,
}

/// A part of a list of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderPaging {
    /// A numbered page, with the number of all.
    Page(Page),
    /// So many after an order, or from the newest.
    After(Option<OrderId>, PageSize),
}

impl Default for OrderPaging {
    fn default() -> Self {
        Self::Page(Page::default())
    }
}
