//! What rules about orders are written with.

use std::sync::atomic::{AtomicU64, Ordering};

use cartwright_domain::{
    Clock, Currency, Money, Order, OrderError, OrderId, OrderStatus, Purchase, Quantity, Stock,
};
use cartwright_storage::{FollowUp, OrderPolicy, OrderRequest, OrderStep, Placed, Stepped, StockLocking};
use chrono::DateTime;

use crate::{
    Kit, details, imported,
    kit::{owner, product},
};

/// Every way of getting at stock.
pub(crate) const ALL: [StockLocking; 3] =
    [StockLocking::Adaptive, StockLocking::Locked, StockLocking::Conditional];

/// One that no other order of this process has.
pub(crate) fn id() -> OrderId {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    OrderId::new(DateTime::UNIX_EPOCH, random)
}

/// Somebody buys products, each so many times.
pub fn buy(name: &str, lines: &[(&str, i64)]) -> OrderRequest {
    let lines = lines.iter().map(|(id, units)| (product(id), Quantity::new(*units).unwrap()));
    let purchase = Purchase::of_lines(lines).unwrap();
    OrderRequest { id: id(), owner: owner(name), purchase, expected_total: None, claim: None }
}

/// Somebody buys a version of his cart.
pub(crate) fn checkout(name: &str, version: u64) -> OrderRequest {
    let purchase = Purchase::Cart { version };
    OrderRequest { id: id(), owner: owner(name), purchase, expected_total: None, claim: None }
}

pub(crate) fn expecting(request: OrderRequest, minor: i64) -> OrderRequest {
    OrderRequest { expected_total: Some(Money::from_minor(minor, Currency::EUR).unwrap()), ..request }
}

impl Kit {
    /// What orders are decided by.
    pub fn orders_by(&self, locking: StockLocking) -> OrderPolicy {
        OrderPolicy {
            clock: self.clock.clone(),
            allow_unlisted: self.policy.allow_unlisted,
            locking,
            follow_up: FollowUp::default(),
        }
    }

    pub(crate) async fn place_by(&self, locking: StockLocking, requests: &[OrderRequest]) -> Vec<Placed> {
        let policy = self.orders_by(locking);
        let outcomes = self.store.place_orders(requests, &policy, &self.fence).await.unwrap().outcomes;
        assert_eq!(outcomes.len(), requests.len(), "one outcome for each request");
        outcomes
    }

    pub(crate) async fn place(&self, request: OrderRequest) -> Placed {
        self.place_by(StockLocking::Locked, &[request]).await.remove(0)
    }

    /// An order that must be made.
    pub(crate) async fn bought(&self, request: OrderRequest) -> Order {
        match self.place(request).await {
            Placed::Done(order) => order,
            other => panic!("expected an order, got {other:?}"),
        }
    }

    pub(crate) async fn refused(&self, request: OrderRequest) -> OrderError {
        match self.place(request).await {
            Placed::Refused { error, .. } => error,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    /// Puts products into the catalogue at 2.50 €, each with so many in stock.
    pub async fn offer(&self, products: &[(&str, i64)]) {
        let products: Vec<_> = (products.iter())
            .map(|(id, units)| {
                let mut details = details(&format!("The {id}"), 250);
                details.stock = Stock::new(*units).unwrap();
                imported(id, details)
            })
            .collect();
        self.import(&products).await;
    }

    pub(crate) async fn units(&self, id: &str) -> u32 {
        self.product(id).await.unwrap().details.stock.get()
    }

    pub(crate) async fn step(&self, id: OrderId, to: OrderStatus) -> Stepped {
        let step = OrderStep { id, owner: None, to, reason: Some(format!("to {to}")) };
        self.store.step_orders(&[step], self.clock.now()).await.unwrap().outcomes.remove(0)
    }

    pub(crate) async fn no_drift(&self) {
        assert_eq!(self.store.stock_drift().await.unwrap(), 0, "stock is what the ledger says");
    }
}
