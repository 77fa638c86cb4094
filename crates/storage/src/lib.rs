//! What a store must do: carts, catalogue, orders, holds, statistics, jobs, events, sessions, profiles. Names no
//! driver.
//!
//! A store keeps the truth. It offers intents, each of which is one transaction ([`CartStore::execute_batch`]), so
//! that no transaction object crosses this boundary. The implementations are `cartwright-storage-postgres` and
//! `cartwright-storage-sqlite`; both pass the suite in `cartwright-storage-tests`.

mod carts;
mod catalog;
mod claims;
mod decide;
mod error;
mod events;
mod gate;
mod holds;
mod import;
mod jobs;
mod left_alone;
mod lines;
mod listings;
mod offers;
mod orders;
mod people;
mod position;
mod profiles;
mod query_cache;
mod rows;
mod sessions;
mod statistics;

pub use carts::{Answer, BatchPolicy, CartRequest, CartStore, Fence, FenceError, FillRead, Outcome};
pub use catalog::{
    CatalogStore, CategoryCount, Changed, Created, Deleted, Facets, Found, Listed, MAX_FACETS, MAX_FOUND,
    PriceCount,
};
pub use claims::{IdempotencyClaim, KEY_LIFETIME, KeyState};
pub use decide::{CartChange, Decided, Loaded, decide};
pub use error::StorageError;
pub use events::{
    DELIVER, DELIVERIES, DELIVERY_ATTEMPTS, Emission, Event, EventFigures, EventPage, EventQuery, EventRow,
    EventSink, EventStore, EventType, EventTypes, GoodUntil, LastDelivery, NewEvents, NewTarget, Publishing,
    Refused, Relayed, TargetChange, TargetId, TargetSecret, TargetStore, UnknownEventType, WebhookTarget,
    delivery, delivery_jobs, event_page, pack_secrets, unpack_secrets,
};
pub use gate::GateStore;
pub use holds::{
    DecidedHolds, DecidedRelease, DecidedRenewal, HoldPolicy, HoldRequest, HoldStore, KeptHold,
    LoadedForHolds, Released, Renewal, Renewed, Reserved, StockForRenewal, Stocked, decide_holds,
    decide_release, decide_renewal,
};
pub use import::{Imported, ImportedProduct, fold_imported};
pub use jobs::{
    Attempt, AttemptEnd, Beat, Cancelling, Claim, Claimed, Counted, Enqueued, Finished, Heartbeat, Hold,
    JobCount, JobError, JobFilter, JobId, JobName, JobOutcome, JobRecord, JobState, JobStore, LEASE_LOST,
    MAX_ATTEMPT, MAX_ATTEMPTS, MAX_COUNTED, MAX_ERROR, MAX_HISTORY, MAX_NOTE, NewJob, Payload, Priority,
    Progress, QueueFigures, Rate, Retried, RetriedDead, SLOT_SECONDS, TakenBack, Tick, UniqueKey,
    WorkerRecord, kept_text, slot_of, span_quantile, span_step,
};
pub use left_alone::{LeftAlone, LeftAloneStore, WalkPoint};
pub use lines::{KeptLines, only_quantities};
pub use listings::ListingStore;
pub use offers::{Lacking, OfferedProduct, lacking};
pub use orders::{
    ClaimedHold, DecidedOrders, DecidedSteps, FollowUp, ListedOrders, LoadedForOrders, Moved, OrderBatch,
    OrderPolicy, OrderRequest, OrderStep, OrderStore, Placed, Stepped, StockLocking, TakenStep,
    decide_orders, decide_steps, read_order_lines, write_order_lines,
};
pub use people::{Erased, Erasure, KeptOfPerson, KeptOrder, PersonStore};
pub use position::{LogPosition, PositionStore, ReadFrom};
pub use profiles::{ProfileStore, PutProfile};
pub use query_cache::{CachedResult, GenerationStore, QueryCacheStore};
pub use rows::{KeptFacets, KeptProduct, PRICE_STEPS, ProductRow};
pub use sessions::{NewSession, ReplacedSession, Rotation, SessionPolicy, SessionStore};
pub use statistics::{MAX_PAIRED, PastOrder, Ranked, Refreshed, StatisticsStore};

/// Everything the cart service needs of a store.
pub trait Store: CartStore + GateStore + ListingStore + std::fmt::Debug {}
impl<T: CartStore + GateStore + ListingStore + std::fmt::Debug> Store for T {}

/// Everything that a store can do.
pub trait ShopStore:
    Store
    + CatalogStore
    + OrderStore
    + HoldStore
    + PositionStore
    + QueryCacheStore
    + GenerationStore
    + StatisticsStore
    + JobStore
    + EventStore
    + TargetStore
    + LeftAloneStore
    + SessionStore
    + ProfileStore
    + PersonStore
{
}
impl<T> ShopStore for T where
    T: Store
        + CatalogStore
        + OrderStore
        + HoldStore
        + PositionStore
        + QueryCacheStore
        + GenerationStore
        + StatisticsStore
        + JobStore
        + EventStore
        + TargetStore
        + LeftAloneStore
        + SessionStore
        + ProfileStore
        + PersonStore
{
}
