use cartwright_domain::{Order, OrderStatus, Transition};
use cartwright_storage::Progress;

/// An order, and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderState {
    /// The order.
    pub order: Order,
    /// Every step it has taken, the oldest first.
    pub steps: Vec<Transition>,
    /// What whoever works on it said last. `None`: nothing.
    pub noted: Option<Progress>,
}

impl OrderState {
    /// How far it is, of a hundred. `None`: it is not to be completed any more.
    pub fn percent(&self) -> Option<u8> {
        match self.order.status {
            OrderStatus::Pending => Some(0),
            OrderStatus::Processing => Some(self.noted.as_ref().map_or(0, |noted| noted.percent)),
            OrderStatus::Completed => Some(100),
            OrderStatus::Failed | OrderStatus::Cancelled | OrderStatus::Expired => None,
        }
    }
}
