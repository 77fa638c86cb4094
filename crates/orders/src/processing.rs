//! What becomes of orders, as jobs: they are put into the queue in the transaction that makes the orders.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_domain::{Order, OrderId, OrderStatus};
use cartwright_jobs::{Job, JobContext, JobFailure, JobQueue, Policy, Registry};
use cartwright_storage::{FollowUp, JobError, NewJob, OrderStep, Progress, Stepped};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::{OrderService, OrdersError};

/// The queue of all of them.
const QUEUE: &str = "orders";
/// Orders of a job that are fulfilled at the same time.
const AT_ONCE: usize = 16;

/// Who takes orders from one status to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processing {
    /// Jobs do: a [`Fulfilment`] does what there is to be done.
    Automatic {
        /// Not before: until then the buyer may change his mind.
        after: Duration,
    },
    /// Somebody outside does, step by step.
    Manual {
        /// What nobody has begun with by then expires, and its stock is back. `None`: it waits for ever.
        expire_after: Option<Duration>,
    },
}

/// Nobody does anything by itself, and nothing expires.
impl Default for Processing {
    fn default() -> Self {
        Self::Manual { expire_after: None }
    }
}

/// Does what an order asks for: charge, pack, send.
#[async_trait]
pub trait Fulfilment: Send + Sync + 'static {
    /// Called for each order that is being processed, at least once: a worker that dies is replaced by one that begins with
    /// the order anew. The order's id tells whether it was done before.
    ///
    /// # Errors
    /// [`NotFulfilled`].
    async fn fulfil(&self, order: &Order, progress: &OrderProgress) -> Result<(), NotFulfilled>;
}

/// Why an order was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum NotFulfilled {
    /// It may go well the next time. After eight times the order has failed, and its stock is back.
    #[error("the order could not be fulfilled this time")]
    Later(#[source] Box<dyn Error + Send + Sync>),
    /// It never will: the order has failed, and its stock is back.
    #[error("{0}")]
    Never(String),
}

/// There is nothing to be done: an order is completed when it is processed.
#[derive(Debug, Clone, Copy)]
pub struct NothingToDo;

#[async_trait]
impl Fulfilment for NothingToDo {
    async fn fulfil(&self, _order: &Order, _progress: &OrderProgress) -> Result<(), NotFulfilled> {
        Ok(())
    }
}

/// Where a fulfilment says how far it is.
#[derive(Debug)]
pub struct OrderProgress {
    service: OrderService,
    id: OrderId,
}

impl OrderProgress {
    /// So far, in per cent and in words. Whoever asks for the status of the order is told.
    pub async fn tell(&self, percent: u8, note: impl Into<String>) {
        let progress = Progress { percent, note: note.into() };
        if let Err(error) = self.service.note(self.id, &progress).await {
            tracing::debug!(%error, order = %self.id, "how far it is could not be written");
        }
    }
}

/// Takes orders through their processing.
#[derive(Debug, Serialize, Deserialize)]
struct ProcessOrders {
    orders: Vec<OrderId>,
}

impl Job for ProcessOrders {
    const KIND: &'static str = "orders.process";
    const QUEUE: &'static str = QUEUE;

    fn policy() -> Policy {
        let (backoff, timeout) = (Duration::from_secs(2), Duration::from_secs(600));
        Policy { max_attempts: 8, backoff, timeout, ..Policy::default() }
    }

    /// An order that is tried by itself is tried by one job.
    fn unique_key(&self) -> Option<String> {
        match self.orders[..] {
            [one] => Some(format!("orders.process:{one}")),
            _ => None,
        }
    }
}

/// Ends orders that nobody has begun with.
#[derive(Debug, Serialize, Deserialize)]
struct ExpireOrders {
    orders: Vec<OrderId>,
}

impl Job for ExpireOrders {
    const KIND: &'static str = "orders.expire";
    const QUEUE: &'static str = QUEUE;
}

/// One job for all orders of a batch: a row more for each batch, not for each order.
pub(crate) fn follow_up(processing: Processing) -> FollowUp {
    let later = move |now: DateTime<Utc>, pause: Duration, job: NewJob| {
        let pause = TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        NewJob { run_at: now.checked_add_signed(pause), ..job }
    };
    FollowUp::new(move |made: &[&Order], now| {
        let orders = made.iter().map(|order| order.id).collect();
        Ok(match processing {
            Processing::Automatic { after } => {
                vec![later(now, after, JobQueue::prepare(&ProcessOrders { orders })?)]
            }
            Processing::Manual { expire_after: Some(after) } => {
                vec![later(now, after, JobQueue::prepare(&ExpireOrders { orders })?)]
            }
            Processing::Manual { expire_after: None } => Vec::new(),
        })
    })
}

/// The handlers of the jobs that orders leave.
///
/// # Errors
/// None that there is: the names are right.
pub fn handlers(
    registry: Registry,
    service: &OrderService,
    queue: &JobQueue,
    fulfilment: Arc<dyn Fulfilment>,
) -> Result<Registry, JobError> {
    let (expiring, processing) =
        (service.clone(), Processor { service: service.clone(), queue: queue.clone(), fulfilment });
    registry
        .on(move |job: ProcessOrders, context| {
            let processor = processing.clone();
            async move { processor.process(job.orders, context).await }
        })?
        .on(move |job: ExpireOrders, _context| {
            let service = expiring.clone();
            async move {
                let reason = Some("nobody went on with it in time".to_owned());
                let steps = job.orders.into_iter().map(|id| step(id, OrderStatus::Expired, reason.clone()));
                service.steps(steps.collect()).await?;
                Ok(())
            }
        })
}

fn step(id: OrderId, to: OrderStatus, reason: Option<String>) -> OrderStep {
    OrderStep { id, owner: None, to, reason }
}

#[derive(Clone)]
struct Processor {
    service: OrderService,
    queue: JobQueue,
    fulfilment: Arc<dyn Fulfilment>,
}

impl Processor {
    /// Orders that are cancelled, or done, are left alone: whoever begins anew goes on where the one before died.
    async fn process(&self, orders: Vec<OrderId>, context: JobContext) -> Result<(), JobFailure> {
        let alone = orders.len() == 1;
        let steps = orders.into_iter().map(|id| step(id, OrderStatus::Processing, None)).collect();
        let open: Vec<Order> = (self.service.steps(steps).await?.into_iter())
            .filter_map(|stepped| match stepped {
                Stepped::Done { order, .. } | Stepped::Already(order) => Some(order),
                Stepped::Forbidden(_) | Stepped::Missing => None,
            })
            .collect();
        let (all, mut done) = (open.len(), 0);
        let (mut ends, mut again) = (Vec::new(), Vec::new());
        let mut fulfilled = stream::iter(open).map(|order| self.fulfil(order)).buffer_unordered(AT_ONCE);
        while let Some((id, outcome)) = fulfilled.next().await {
            done += 1;
            context
                .progress(u8::try_from(done * 100 / all).unwrap_or(100), format!("{done} of {all} orders"));
            match outcome {
                Ok(()) => ends.push(step(id, OrderStatus::Completed, None)),
                Err(NotFulfilled::Never(reason)) => ends.push(step(id, OrderStatus::Failed, Some(reason))),
                Err(NotFulfilled::Later(error)) => again.push((id, error)),
            }
        }
        self.service.steps(ends).await?;
        match again.pop() {
            None => Ok(()),
            Some((id, error)) if alone => Err(self.failed(id, error, &context).await?),
            Some(last) => {
                again.push(last);
                let each = again.into_iter().map(|(id, _)| ProcessOrders { orders: vec![id] });
                self.queue.enqueue_all(&each.collect::<Vec<_>>()).await?;
                Ok(())
            }
        }
    }

    async fn fulfil(&self, order: Order) -> (OrderId, Result<(), NotFulfilled>) {
        let progress = OrderProgress { service: self.service.clone(), id: order.id };
        (order.id, self.fulfilment.fulfil(&order, &progress).await)
    }

    /// It is tried again, until it was tried often enough.
    async fn failed(
        &self,
        id: OrderId,
        error: Box<dyn Error + Send + Sync>,
        context: &JobContext,
    ) -> Result<JobFailure, OrdersError> {
        if context.is_last_attempt() {
            let reason = format!("given up after {} attempts", context.attempt());
            self.service.steps(vec![step(id, OrderStatus::Failed, Some(reason))]).await?;
        }
        Ok(JobFailure::from(error))
    }
}
