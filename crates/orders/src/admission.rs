//! How orders get at stock.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_coherence::{Combiner, Gathering, Limits, Run, Turn};
use cartwright_storage::{OrderRequest, Placed, StockLocking};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::{OrdersError, Settings, service::Shared};

/// How orders get at stock. All are exact; they differ in what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Orders that wait together go as one transaction: a product that everybody wants at once is sold as fast as the
    /// database commits batches. Products of which few are left are locked, unless this process knows that they
    /// are enough.
    #[default]
    Batched,
    /// A transaction for each order, in which products are locked.
    Pessimistic,
    /// A transaction for each order, which takes stock on the condition that there is enough, and is begun anew when there
    /// is not any more.
    Optimistic,
}

/// How many orders have a transaction of their own at the same time. More wait for connections anyway.
const AT_ONCE: usize = 16;
/// How long a batch waits for those who were answered with the batch before. With half of them it goes: while the database
/// works for them, the others are answered and come back.
const GATHERING: Gathering = Gathering { at_most: Duration::from_micros(500), percent: 50 };
/// A batch that takes longer is not waited for: another one writes its orders meanwhile, and only at the end waits for a
/// product that both sell. Small batches cost more than large ones, so a batch begins beside a quick one only
/// if it is as large.
const SLOW: Duration = Duration::from_millis(5);

pub(crate) type Admitted = Result<Placed, OrdersError>;

/// Lets orders in.
#[async_trait]
pub(crate) trait Admission: Send + Sync {
    /// Answers one. It is carried out to its end, also when the caller goes away.
    async fn admit(&self, request: OrderRequest) -> Admitted;
}

/// How much goes together.
pub(crate) fn limits(settings: &Settings) -> Limits {
    Limits {
        batch: settings.batch,
        waiting: settings.waiting,
        at_once: settings.transactions,
        slow: SLOW,
        as_many_follow: true,
        gathering: Some(GATHERING),
    }
}

pub(crate) fn admission(shared: &Arc<Shared>) -> Box<dyn Admission> {
    let settings = &shared.settings;
    match settings.strategy {
        Strategy::Batched => {
            let run: Run<OrderRequest, Admitted> = {
                let shared = Arc::clone(shared);
                Arc::new(move |turn| Box::pin(admit_together(Arc::clone(&shared), turn)))
            };
            let combiner = Combiner::new(1, limits(settings), &shared.tasks, &run);
            Box::new(Batched { shared: Arc::clone(shared), combiner })
        }
        Strategy::Pessimistic => Box::new(Alone::new(shared, StockLocking::Locked)),
        Strategy::Optimistic => Box::new(Alone::new(shared, StockLocking::Conditional)),
    }
}

async fn admit_together(shared: Arc<Shared>, turn: Turn<OrderRequest, Admitted>) {
    let place = async |requests: Vec<OrderRequest>| shared.place(&requests, StockLocking::Adaptive).await;
    turn.carry_out_and(place, async |placed| shared.forget_histories(placed, Placed::order).await).await;
}

struct Batched {
    shared: Arc<Shared>,
    combiner: Combiner<OrderRequest, Admitted>,
}

#[async_trait]
impl Admission for Batched {
    async fn admit(&self, request: OrderRequest) -> Admitted {
        let answer = {
            let _accepted = self.shared.accept()?;
            self.combiner.submit(request, &self.shared.runtime)
        };
        answer.await?
    }
}

/// Each order by itself.
struct Alone {
    shared: Arc<Shared>,
    locking: StockLocking,
    /// Places of those who wait or are under way.
    waiting: Arc<Semaphore>,
    under_way: Arc<Semaphore>,
}

impl Alone {
    fn new(shared: &Arc<Shared>, locking: StockLocking) -> Self {
        let waiting = shared.settings.waiting.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            shared: Arc::clone(shared),
            locking,
            waiting: Arc::new(Semaphore::new(waiting)),
            under_way: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

#[async_trait]
impl Admission for Alone {
    async fn admit(&self, request: OrderRequest) -> Admitted {
        let accepted = self.shared.accept()?;
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_full| OrdersError::Overloaded)?;
        // Fair, and never closed.
        let turn = Arc::clone(&self.under_way).acquire_owned().await.map_err(|_closed| OrdersError::Lost)?;
        let (shared, locking) = (Arc::clone(&self.shared), self.locking);
        let placed = self.shared.runtime.spawn(async move {
            let placed = shared.place(std::slice::from_ref(&request), locking).await;
            drop((turn, place));
            let placed = shared.forget_histories(placed?, Placed::order).await;
            drop(accepted);
            placed
        });
        let mut outcomes = placed.await.map_err(|_panicked| OrdersError::Lost)??;
        outcomes.pop().ok_or(OrdersError::Lost)
    }
}
