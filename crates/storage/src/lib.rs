//! What a store of carts must do. Names no driver.
//!
//! A store keeps the truth. It offers intents, each of which is one transaction ([`CartStore::execute_batch`]), so
//! that no transaction object crosses this boundary. The implementations are `cartwright-storage-postgres` and
//! `cartwright-storage-sqlite`; both pass the suite in `cartwright-storage-tests`.

mod carts;
mod catalog;
mod decide;
mod error;
mod gate;
mod lines;

pub use carts::{
    Answer, BatchPolicy, CartRequest, CartStore, Fence, FenceError, FillRead, IdempotencyClaim, Outcome,
};
pub use catalog::CatalogStore;
pub use decide::{CartChange, Decided, KEY_LIFETIME, KeyState, Loaded, decide};
pub use error::StorageError;
pub use gate::GateStore;
pub use lines::{KeptLines, only_quantities};

/// Everything the cart service needs of a store.
pub trait Store: CartStore + GateStore + CatalogStore + std::fmt::Debug {}
impl<T: CartStore + GateStore + CatalogStore + std::fmt::Debug> Store for T {}
