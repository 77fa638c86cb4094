use std::{sync::Arc, time::Duration};

use cartwright_domain::{
    Cart, Clock, Command, Currency, Listing, ManualClock, Money, OwnerId, ProductData, ProductId, Quantity,
};
use cartwright_storage::{
    Answer, BatchPolicy, CartRequest, Fence, IdempotencyClaim, Outcome, ShopStore, StorageError,
};
use chrono::{DateTime, TimeDelta};

use crate::RecordingFence;

/// How long a rule waits for what must come. Long, because it is only ever waited out by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A fresh store, with the clock, policy and fence that the rules use it with.
#[derive(Debug)]
pub struct Kit {
    /// What is tested.
    pub store: Arc<dyn ShopStore>,
    /// The time of all batches.
    pub clock: Arc<ManualClock>,
    /// By that clock; unlisted products are refused.
    pub policy: Arc<BatchPolicy>,
    /// The fence of all batches that bring none of their own.
    pub fence: RecordingFence,
}

impl Kit {
    /// A kit around a fresh store.
    pub fn new(store: impl ShopStore) -> Self {
        // A time with microseconds, so that a store which rounds is found out.
        let clock =
            Arc::new(ManualClock::new(DateTime::from_timestamp_micros(1_767_323_045_123_457).unwrap()));
        let policy = Arc::new(BatchPolicy { clock: clock.clone(), allow_unlisted: false });
        Self { store: Arc::new(store), clock, policy, fence: RecordingFence::default() }
    }

    /// The same kit, but products outside the catalogue may be added.
    pub fn allowing_unlisted(mut self) -> Self {
        self.policy = Arc::new(BatchPolicy { clock: self.clock.clone(), allow_unlisted: true });
        self
    }

    /// Puts products into the catalogue: named after themselves, 2.50 € each.
    pub async fn list(&self, products: &[&str]) {
        let listings: Vec<Listing> = products.iter().map(|id| listing(id, 250, Currency::EUR)).collect();
        self.store.put_listings(&listings).await.unwrap();
    }

    /// Carries out a batch that must succeed as a whole.
    pub async fn run(&self, requests: &[CartRequest]) -> Vec<Outcome> {
        let outcomes = self.try_run(requests).await.unwrap();
        assert_eq!(outcomes.len(), requests.len(), "one outcome for each request");
        outcomes
    }

    /// Carries out a batch.
    pub async fn try_run(&self, requests: &[CartRequest]) -> Result<Vec<Outcome>, StorageError> {
        self.store.execute_batch(requests, &self.policy, &self.fence).await
    }

    /// Carries out one request by itself.
    pub async fn one(&self, request: CartRequest) -> Outcome {
        self.run(&[request]).await.remove(0)
    }

    /// Carries out one request that must be done.
    pub async fn done(&self, request: CartRequest) -> Answer {
        match self.one(request).await {
            Outcome::Done(answer) => answer,
            other => panic!("expected it to be done, got {other:?}"),
        }
    }

    /// Starts a batch in a task of its own.
    pub fn spawn(
        &self,
        requests: Vec<CartRequest>,
        fence: Arc<dyn Fence>,
    ) -> tokio::task::JoinHandle<Result<Vec<Outcome>, StorageError>> {
        let (store, policy) = (self.store.clone(), self.policy.clone());
        tokio::spawn(async move { store.execute_batch(&requests, &policy, &*fence).await })
    }

    /// Reads one cart.
    pub async fn cart(&self, name: &str) -> Cart {
        let mut carts = self.store.load(&[owner(name)]).await.unwrap();
        assert_eq!(carts.len(), 1);
        carts.remove(0)
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        let before = self.clock.now();
        self.clock.advance(by);
        assert_eq!(self.clock.now() - before, by);
    }
}

/// An owner of that name.
pub fn owner(name: &str) -> OwnerId {
    OwnerId::new(name).unwrap()
}

/// A product of that name.
pub fn product(name: &str) -> ProductId {
    ProductId::new(name).unwrap()
}

/// A catalogue entry named after its product.
pub(crate) fn listing(id: &str, minor: i64, currency: Currency) -> Listing {
    let price = Money::from_minor(minor, currency).unwrap();
    Listing { product_id: product(id), name: format!("The {id}"), price, active: true }
}

/// A request without conditions.
pub fn request(name: &str, command: Command) -> CartRequest {
    CartRequest::new(owner(name), command)
}

fn quantity(n: i64) -> Quantity {
    Quantity::new(n).unwrap()
}

/// Adds units of a listed product.
pub fn add(name: &str, product_id: &str, units: i64) -> CartRequest {
    let product_id = product(product_id);
    request(name, Command::Add { product_id, quantity: quantity(units), product_data: None })
}

/// Adds one unit with the client's word for name and price.
pub fn add_unlisted(name: &str, product_id: &str, text: &str, minor: i64, currency: Currency) -> CartRequest {
    let price = Money::from_minor(minor, currency).unwrap();
    let product_data = Some(ProductData { name: text.to_owned(), price });
    request(name, Command::Add { product_id: product(product_id), quantity: Quantity::ONE, product_data })
}

/// Sets the units of a line; `None` removes it.
pub fn set(name: &str, product_id: &str, units: Option<i64>) -> CartRequest {
    request(name, Command::SetQuantity { product_id: product(product_id), quantity: units.map(quantity) })
}

/// Removes a line.
pub fn remove(name: &str, product_id: &str) -> CartRequest {
    request(name, Command::Remove { product_id: product(product_id) })
}

/// Removes all lines.
pub fn clear(name: &str) -> CartRequest {
    request(name, Command::Clear)
}

/// Moves the lines of `from` into the cart of `name`.
pub fn merge(name: &str, from: &str) -> CartRequest {
    request(name, Command::Merge { from: owner(from) })
}

/// An idempotency key of principal `p`.
pub fn claim(key: &str, fingerprint: &[u8]) -> IdempotencyClaim {
    IdempotencyClaim { principal: "p".to_owned(), key: key.to_owned(), fingerprint: fingerprint.to_vec() }
}

/// The same request under such a key.
pub fn claimed(request: CartRequest, key: &str, fingerprint: &[u8]) -> CartRequest {
    CartRequest { claim: Some(claim(key, fingerprint)), ..request }
}
