use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};

use super::{Order, OrderId, OrderStatus};
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
    /// So many after an order, or from the first.
    After(Option<OrderCursor>, PageSize),
}

impl Default for OrderPaging {
    fn default() -> Self {
        Self::Page(Page::default())
    }
}

/// The last order of a part: the next one begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderCursor {
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Which one.
    pub id: OrderId,
}

/// A text that no list has given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor; leave it out to begin with the newest")]
pub struct OrderCursorError;

impl OrderCursor {
    /// The cursor after an order.
    pub fn after(order: &Order) -> Self {
        Self { created_at: order.created_at, id: order.id }
    }
}

/// Microseconds since 1970, a dot, the id.
impl fmt::Display for OrderCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at.timestamp_micros(), self.id)
    }
}

impl FromStr for OrderCursor {
    type Err = OrderCursorError;
    fn from_str(text: &str) -> Result<Self, OrderCursorError> {
        let (micros, id) = text.split_once('.').ok_or(OrderCursorError)?;
        let micros = micros.parse().ok().and_then(DateTime::from_timestamp_micros).ok_or(OrderCursorError)?;
        Ok(Self { created_at: micros, id: id.parse().map_err(|_error| OrderCursorError)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_are_written() {
        let created_at = DateTime::from_timestamp_micros(1_795_243_289_087_745).unwrap();
        let cursor = OrderCursor { created_at, id: OrderId::new(created_at, [7; 10]) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for junk in ["", ".", "1.2", "x.01890a5d-ac96-774b-bcce-b302099a8057", "9999999999999999999.x"] {
            assert_eq!(junk.parse::<OrderCursor>(), Err(OrderCursorError), "{junk}");
        }
    }
}
