//! What happened, told to whoever wants to know.
//!
//! A store writes events in the transaction of what they tell of ([`NewEvents`], a row for each transaction), and numbers
//! them when they are committed ([`EventStore::relay_events`]). Numbers have no gaps, and their order is the order in which
//! events can be seen: whoever has read up to a number has missed nothing before it. Events of one cart, or of one order,
//! are numbered in the order of its versions, or steps.

mod deliveries;
mod kept;
mod new;
mod secrets;
mod targets;
mod types;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use deliveries::{DELIVER, DELIVERIES, DELIVERY_ATTEMPTS, delivery, delivery_jobs};
pub use kept::{Event, EventPage, EventQuery, EventRow, event_page};
pub use new::NewEvents;
pub use secrets::{GoodUntil, pack_secrets, unpack_secrets};
pub use targets::{
    LastDelivery, NewTarget, TargetChange, TargetId, TargetSecret, TargetStore, WebhookTarget,
};
pub use types::{EventType, EventTypes, UnknownEventType};

use crate::StorageError;

/// What a store tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission {
    /// Whether new versions of carts are told. They are most of what there is to tell.
    pub carts: bool,
    /// A product of which less than so many are left has little stock. 0: no product has.
    pub stock_low: u32,
}

impl Default for Emission {
    fn default() -> Self {
        Self { carts: true, stock_low: 5 }
    }
}

/// Why a sink did not take events.
pub type Refused = Box<dyn std::error::Error + Send + Sync>;

/// Passes events on to somebody outside of the store.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Which events somebody wants at the moment. The others are passed over.
    ///
    /// # Errors
    /// Whatever came in the way. Then nothing is passed over, nor on.
    async fn wanted(&self) -> Result<EventTypes, Refused>;

    /// In the order of their numbers. May come again with events that it has passed on already.
    ///
    /// # Errors
    /// Whatever came in the way. Then all of them come again.
    async fn publish(&self, events: &[Event]) -> Result<(), Refused>;
}

/// What a relay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relayed {
    /// So many events got their numbers.
    pub events: u64,
    /// So many deliveries were made of them.
    pub deliveries: u64,
    /// The number of the last event that there is.
    pub last: u64,
    /// Whether there may be more to number.
    pub more: bool,
}

/// What became of a round of publishing.
#[derive(Debug)]
pub enum Publishing {
    /// Events up to this number are published, and this is the last that there was.
    Published {
        /// Up to here.
        upto: u64,
        /// Up to here there are events.
        last: u64,
    },
    /// Somebody else is at it.
    Busy,
    /// The sink did not take them. They come again.
    Failed(Refused),
}

/// How far events have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventFigures {
    /// The number of the last event.
    pub last: u64,
    /// Events up to this number are published.
    pub published: u64,
    /// Events up to this number have been removed.
    pub removed: u64,
    /// How long the event has waited for its number that has waited longest. `None`: none does.
    pub oldest_waiting: Option<Duration>,
}

/// Keeps events.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Tells of something that nothing else is written of.
    ///
    /// # Errors
    /// [`StorageError`]: then it is not told, except that an error at the commit itself leaves it open.
    async fn emit(&self, events: &NewEvents, now: DateTime<Utc>) -> Result<(), StorageError>;

    /// Numbers events that are committed, about `most` of them, and makes a job for each that each enabled webhook target
    /// wants, in the same transaction. Any number of relays may be at it: one is, the others do nothing.
    ///
    /// # Errors
    /// [`StorageError`]: then none was numbered, except that an error at the commit itself leaves it open.
    async fn relay_events(&self, most: u32, now: DateTime<Utc>) -> Result<Relayed, StorageError>;

    /// Passes on what was numbered since the last time, at most `most`, one caller at a time, and remembers how far that
    /// came. A process that dies in between has them passed on again by the next one. What nobody wants is passed over, all
    /// that had its number before the sink was asked.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be read or remembered; what was passed on comes again.
    async fn publish_events(&self, most: u32, sink: &dyn EventSink) -> Result<Publishing, StorageError>;

    /// A part of the events.
    ///
    /// # Errors
    /// [`StorageError`] when they could not be read.
    async fn events(&self, query: &EventQuery) -> Result<EventPage, StorageError>;

    /// How far events have come.
    ///
    /// # Errors
    /// [`StorageError`] when that could not be read.
    async fn event_figures(&self, now: DateTime<Utc>) -> Result<EventFigures, StorageError>;

    /// Removes events that were numbered before a time, the oldest first, at most `rows` of the rows they are in. Returns
    /// how many rows.
    ///
    /// # Errors
    /// [`StorageError`]: then none was removed, except that an error at the commit itself leaves it open.
    async fn clean_events(&self, before: DateTime<Utc>, rows: u32) -> Result<u64, StorageError>;
}
