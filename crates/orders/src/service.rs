use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_cache::{CartEvent, EventBus, LeaseWanted};
use cartwright_coherence::{Combiner, DocumentFigures, FencedWrite, Fencing, Forgetting, Unwritten};
use cartwright_domain::{
    Clock, Money, Order, OrderId, OrderQuery, OrderStatus, OwnerId, ProductId, Purchase,
};
use cartwright_storage::{
    Fence, FollowUp, HoldRequest, IdempotencyClaim, ListedOrders, OrderBatch, OrderPolicy, OrderRequest,
    OrderStep, Placed, Progress, ShopStore, Stepped, StockLocking, Stocked, StorageError,
};
use metrics::{Counter, Histogram};
use tokio::runtime::Handle;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    OrderState, OrdersError, Parts, Settings, StockListener,
    admission::{Admission, admission},
    history::{self, Reads, reads},
    holds::{Reservation, reservations},
    processing::follow_up,
};

/// For how long the gate of the caches stays closed when an order had to close it.
const PAUSE: Duration = Duration::from_secs(2);

/// What all strategies have in common.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn ShopStore>,
    fencing: Fencing,
    pub(crate) forgetting: Forgetting,
    events: Arc<dyn EventBus>,
    stock: Arc<dyn StockListener>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    follow_up: FollowUp,
    pub(crate) figures: Figures,
    pub(crate) runtime: Handle,
    pub(crate) tasks: TaskTracker,
    stop: CancellationToken,
}

/// Metrics, looked up once.
pub(crate) struct Figures {
    batch: Histogram,
    made: Counter,
    refused: Counter,
    sold_out: Counter,
    pub(crate) held: Counter,
    pub(crate) expired: Counter,
    pub(crate) histories: DocumentFigures,
}

impl Figures {
    fn register() -> Self {
        let outcomes =
            |outcome: &'static str| metrics::counter!("cartwright_orders_total", "outcome" => outcome);
        Self {
            batch: metrics::histogram!("cartwright_order_batch"),
            made: outcomes("made"),
            refused: outcomes("refused"),
            sold_out: metrics::counter!("cartwright_sold_out_total"),
            held: metrics::counter!("cartwright_holds_total", "outcome" => "made"),
            expired: metrics::counter!("cartwright_holds_total", "outcome" => "cleaned"),
            histories: history::figures(),
        }
    }
}

/// The transaction of a batch.
struct Place<'a> {
    shared: &'a Shared,
    requests: &'a [OrderRequest],
    policy: OrderPolicy,
}

#[async_trait]
impl FencedWrite for Place<'_> {
    type Written = OrderBatch<Placed>;

    async fn write(&self, fence: &dyn Fence) -> Result<OrderBatch<Placed>, StorageError> {
        self.shared.store.place_orders(self.requests, &self.policy, fence).await
    }

    /// Nobody looks at an empty cart right away.
    fn wants_lease(&self, _carts: usize) -> LeaseWanted {
        LeaseWanted::No
    }
}

impl Shared {
    /// Shutdown waits while the token is held; and it is taken before looking, so that no request slips in between.
    pub(crate) fn accept(&self) -> Result<TaskTrackerToken, OrdersError> {
        let token = self.tasks.token();
        if self.stop.is_cancelled() { Err(OrdersError::ShuttingDown) } else { Ok(token) }
    }

    /// One transaction, and what follows from it in the background.
    pub(crate) async fn place(
        &self,
        requests: &[OrderRequest],
        locking: StockLocking,
    ) -> Result<Vec<Placed>, OrdersError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.figures.batch.record(requests.len() as f64);
        let allow_unlisted = self.settings.allow_unlisted;
        let (clock, follow_up) = (Arc::clone(&self.clock), self.follow_up.clone());
        let policy = OrderPolicy { clock, allow_unlisted, locking, follow_up };
        let write = Place { shared: self, requests, policy };
        let (OrderBatch { outcomes, turned }, raised) = match self.fencing.around(&*self.store, &write).await
        {
            Ok(written) => written,
            Err(error) => {
                if matches!(error, Unwritten::Storage(_)) {
                    self.doubt(requests.iter().map(|request| &request.owner)).await;
                }
                return Err(error.into());
            }
        };
        let made = outcomes.iter().filter(|outcome| matches!(outcome, Placed::Done(_))).count();
        self.figures.made.increment(made as u64);
        self.figures.refused.increment((outcomes.len() - made) as u64);
        self.figures.sold_out.increment(turned.len() as u64);
        let emptied = raised.map(|raised| raised.changing).unwrap_or_default();
        self.tell(emptied, turned);
        Ok(outcomes)
    }

    /// In the background: other devices hear of their empty carts, the catalogue's caches of what is sold out.
    pub(crate) fn tell(&self, emptied: Vec<OwnerId>, turned: Vec<ProductId>) {
        if !emptied.is_empty() {
            let events = Arc::clone(&self.events);
            let emptied: Vec<CartEvent> =
                emptied.into_iter().map(|owner| CartEvent { owner, version: u64::MAX }).collect();
            self.tasks.spawn_on(async move { events.publish(&emptied).await }, &self.runtime);
        }
        if !turned.is_empty() {
            let stock = Arc::clone(&self.stock);
            self.tasks.spawn_on(async move { stock.turned(turned).await }, &self.runtime);
        }
    }
}

/// Orders. A clone is the same service.
#[derive(Clone)]
pub struct OrderService {
    pub(crate) shared: Arc<Shared>,
    admission: Arc<dyn Admission>,
    pub(crate) reservations: Arc<Combiner<HoldRequest, Reservation>>,
    pub(crate) reads: Arc<Reads>,
}

impl std::fmt::Debug for OrderService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderService").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl OrderService {
    /// Starts the service on the current tokio runtime, which must be multi-threaded and outlive it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(parts: Parts) -> Self {
        let Parts { store, cache, histories, events, stock, clock, settings } = parts;
        let shared = Arc::new(Shared {
            store,
            fencing: Fencing { cache, pause: PAUSE },
            forgetting: Forgetting { cache: histories, pause: PAUSE },
            events,
            stock,
            clock,
            follow_up: follow_up(settings.processing),
            settings,
            figures: Figures::register(),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let admission = Arc::from(admission(&shared));
        let reservations = Arc::new(reservations(&shared));
        let reads = Arc::new(reads(&shared));
        Self { shared, admission, reservations, reads }
    }

    /// Buys. Whether the order was made just now, or before: `false` and `true` of the second of the results. When the
    /// caller stops waiting after the transaction was begun, it is carried out all the same.
    ///
    /// # Errors
    /// [`OrdersError`]; nothing was bought, except that [`OrdersError::Storage`] and [`OrdersError::Lost`] leave it open:
    /// an idempotency key, or the version of the cart, makes it safe to try again.
    pub async fn buy(
        &self,
        owner: OwnerId,
        purchase: Purchase,
        expected_total: Option<Money>,
        claim: Option<IdempotencyClaim>,
    ) -> Result<(Order, bool), OrdersError> {
        let id = OrderId::new(self.shared.clock.now(), rand::random());
        let request = OrderRequest { id, owner, purchase, expected_total, claim };
        match self.admission.admit(request).await? {
            Placed::Done(order) => Ok((order, false)),
            Placed::Replayed(order) => Ok((order, true)),
            Placed::Refused { error, cart } => Err(OrdersError::Refused { error, cart }),
            Placed::KeyReused => Err(OrdersError::KeyReused),
            Placed::KeyInFlight => Err(OrdersError::KeyInFlight),
        }
    }

    /// Cancels an order; what it took is back in stock, once. One that is cancelled already is answered as it is.
    /// `owner`: whose it must be; `None`: anybody's.
    ///
    /// # Errors
    /// [`OrdersError::Missing`], [`OrdersError::Forbidden`] when it is too late, and those of the store.
    pub async fn cancel(
        &self,
        id: OrderId,
        owner: Option<OwnerId>,
        reason: Option<String>,
    ) -> Result<Order, OrdersError> {
        let step = OrderStep { id, owner, to: OrderStatus::Cancelled, reason };
        match self.step(step).await? {
            Stepped::Done { order, .. } | Stepped::Already(order) => Ok(order),
            Stepped::Forbidden(order) => Err(OrdersError::Forbidden(Box::new(order))),
            Stepped::Missing => Err(OrdersError::Missing),
        }
    }

    /// Takes an order to another status. Carried out to its end, also when the caller goes away.
    ///
    /// # Errors
    /// [`OrdersError::ShuttingDown`], and those of the store.
    pub async fn step(&self, step: OrderStep) -> Result<Stepped, OrdersError> {
        self.steps(vec![step]).await?.pop().ok_or(OrdersError::Lost)
    }

    /// Takes an order to another status, or leaves it there, and notes how far it is: how it is then.
    ///
    /// # Errors
    /// [`OrdersError::Missing`], [`OrdersError::Forbidden`], and those of [`step`](Self::step).
    pub async fn take_step(
        &self,
        step: OrderStep,
        progress: Option<Progress>,
    ) -> Result<OrderState, OrdersError> {
        let id = step.id;
        match self.step(step).await? {
            Stepped::Done { .. } | Stepped::Already(_) => {}
            Stepped::Forbidden(order) => return Err(OrdersError::Forbidden(Box::new(order))),
            Stepped::Missing => return Err(OrdersError::Missing),
        }
        if let Some(progress) = progress {
            self.note(id, &progress).await?;
        }
        self.progress(id, None).await
    }

    /// Takes orders to other statuses, in one transaction; one answer for each, in order.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub async fn steps(&self, steps: Vec<OrderStep>) -> Result<Vec<Stepped>, OrdersError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let shared = Arc::clone(&self.shared);
        self.in_a_task(async move {
            let stepped = shared.store.step_orders(&steps, shared.clock.now()).await;
            if stepped.is_err() {
                shared.doubt(steps.iter().filter_map(|step| step.owner.as_ref())).await;
            }
            let OrderBatch { outcomes, turned } = stepped?;
            shared.tell(Vec::new(), turned);
            shared.forget_histories(outcomes, Stepped::order).await
        })
        .await
    }

    /// Something that may move stock, in a task of its own.
    pub(crate) async fn to_its_end<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Shared>) -> F,
    ) -> Result<T, OrdersError>
    where
        F: Future<Output = Result<Stocked<T>, StorageError>> + Send + 'static,
    {
        let (shared, work) = (Arc::clone(&self.shared), work(Arc::clone(&self.shared)));
        self.in_a_task(async move {
            let Stocked { outcome, turned } = work.await?;
            shared.tell(Vec::new(), turned);
            Ok(outcome)
        })
        .await
    }

    async fn in_a_task<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, OrdersError>> + Send + 'static,
    ) -> Result<T, OrdersError> {
        let accepted = self.shared.accept()?;
        let done = self.shared.runtime.spawn(async move {
            let done = work.await;
            drop(accepted);
            done
        });
        done.await.map_err(|_panicked| OrdersError::Lost)?
    }

    /// An order. `owner`: whose it must be; `None`: anybody's.
    ///
    /// # Errors
    /// [`OrdersError::Missing`], and those of the store.
    pub async fn order(&self, id: OrderId, owner: Option<&OwnerId>) -> Result<Order, OrdersError> {
        let found = self.shared.store.orders(&[id]).await?.pop().flatten();
        found.filter(|order| owner.is_none_or(|owner| order.owner == *owner)).ok_or(OrdersError::Missing)
    }

    /// How far an order is.
    ///
    /// # Errors
    /// As [`order`](Self::order).
    pub async fn progress(&self, id: OrderId, owner: Option<&OwnerId>) -> Result<OrderState, OrdersError> {
        let mut tries = 0;
        loop {
            let steps = self.shared.store.order_transitions(id).await?;
            let noted = self.shared.store.order_note(id).await?;
            let order = self.order(id, owner).await?;
            // It may have gone on between the two; but not for ever.
            tries += 1;
            if steps.last().is_some_and(|last| last.to == order.status) || tries == OrderStatus::ALL.len() {
                return Ok(OrderState { order, steps, noted });
            }
        }
    }

    /// Notes how far an order is that is being processed. `false`: it is not.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn note(&self, id: OrderId, progress: &Progress) -> Result<bool, OrdersError> {
        Ok(self.shared.store.note_order(id, progress, self.shared.clock.now()).await?)
    }

    /// A part of the orders, the newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, query: &OrderQuery) -> Result<ListedOrders, OrdersError> {
        Ok(self.shared.store.list_orders(query).await?)
    }

    /// Refuses what is new, finishes what was accepted, and returns when that is done.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}
