//! What becomes of orders, as jobs: they are put into the queue in the transaction that makes the orders.

use std::{error::Error, mem, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_domain::{Order, OrderId, OrderStatus};
use cartwright_jobs::{Job, JobContext, JobFailure, JobQueue, Policy, Registry, panic_message};
use cartwright_storage::{FollowUp, JobError, NewJob, OrderStep, Progress, Stepped, StorageError};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{
    FutureExt, StreamExt,
    future::{Fuse, FusedFuture},
    stream,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::{OrderService, OrdersError};

/// The queue of all of them.
const QUEUE: &str = "orders";
/// Orders of a job that are fulfilled at the same time.
const AT_ONCE: usize = 16;
/// How often an order that goes alone is given to the fulfilment.
const TRIES: u16 = 8;
/// The longest time that a fulfilment may have for an order.
const LONGEST: Duration = Duration::from_secs(1800);
/// The pause before an end of orders that could not be written is written again.
const AFTER_ERROR: Duration = Duration::from_millis(500);

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

    /// How long it may take for one order, at most half an hour. What takes longer is dropped where it waits; that, and a
    /// panic, is as [`NotFulfilled::Later`].
    fn time_limit(&self) -> Duration {
        Duration::from_secs(300)
    }
}

/// Why an order was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum NotFulfilled {
    /// It may go well the next time. The order is tried again, by itself; after eight times of that it has failed, and its
    /// stock is back.
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

    /// One attempt more than the fulfilment is asked: it ends the order when who made the last one was killed. How long an
    /// attempt takes is limited order by order: each begins within its limit, and ends within another.
    fn policy() -> Policy {
        let (backoff, timeout) = (Duration::from_secs(2), 2 * LONGEST + Duration::from_secs(300));
        Policy { max_attempts: TRIES + 1, backoff, timeout, ..Policy::default() }
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

/// How it went with an order. `None`: it was not begun.
type Outcome = Option<Result<(), NotFulfilled>>;

/// What became of orders.
#[derive(Default)]
struct Went {
    /// To be written.
    ends: Vec<OrderStep>,
    /// To be tried alone.
    again: Vec<OrderId>,
}

impl Went {
    fn add(&mut self, id: OrderId, outcome: Outcome) {
        match outcome {
            Some(Ok(())) => self.ends.push(step(id, OrderStatus::Completed, None)),
            Some(Err(NotFulfilled::Never(reason))) => {
                self.ends.push(step(id, OrderStatus::Failed, Some(reason)));
            }
            Some(Err(NotFulfilled::Later(error))) => {
                tracing::warn!(order = %id, %error, "an order was not fulfilled; it is tried alone");
                self.again.push(id);
            }
            None => self.again.push(id),
        }
    }
}

impl Processor {
    /// Orders that are cancelled, or done, are left alone: whoever begins anew goes on where the one before died. What was
    /// not done together the first time goes alone from then on: one of them may be why.
    async fn process(&self, orders: Vec<OrderId>, context: JobContext) -> Result<(), JobFailure> {
        let is_alone = orders.len() == 1;
        let steps = orders.into_iter().map(|id| step(id, OrderStatus::Processing, None)).collect();
        let open = self.service.steps(steps).await?.into_iter().filter_map(|stepped| match stepped {
            Stepped::Done { order, .. } | Stepped::Already(order) => Some(order),
            Stepped::Forbidden(_) | Stepped::Missing => None,
        });
        let mut open: Vec<Order> = open.collect();
        if !is_alone {
            return match context.attempt() {
                1 => self.together(open, &context).await,
                _ => self.each_alone(open.iter().map(|order| order.id)).await,
            };
        }
        match open.pop() {
            Some(order) => self.alone(order, &context).await,
            None => Ok(()),
        }
    }

    /// Ends are written as they come: while some are being written, the next ones gather. What fails, and what could not
    /// be begun in time, goes on alone.
    async fn together(&self, open: Vec<Order>, context: &JobContext) -> Result<(), JobFailure> {
        let (all, mut done) = (open.len().max(1), 0);
        let mut went = Went::default();
        let last_begin = Instant::now() + self.time_limit();
        let fulfilled = stream::iter(open).map(|order| self.in_time(order, last_begin));
        let mut fulfilled = fulfilled.buffer_unordered(AT_ONCE).ready_chunks(all);
        let mut writing = pin!(Fuse::terminated());
        loop {
            if writing.is_terminated() && !went.ends.is_empty() {
                writing.set(self.end(mem::take(&mut went.ends)).fuse());
            }
            tokio::select! {
                biased;
                written = &mut writing, if !writing.is_terminated() => written?,
                Some(portion) = fulfilled.next() => {
                    done += portion.len();
                    let percent = u8::try_from(done * 100 / all).unwrap_or(100);
                    context.progress(percent, format!("{done} of {all} orders"));
                    portion.into_iter().for_each(|(id, outcome)| went.add(id, outcome));
                }
                else => break,
            }
        }
        self.each_alone(went.again).await
    }

    async fn in_time(&self, order: Order, last_begin: Instant) -> (OrderId, Outcome) {
        let id = order.id;
        if Instant::now() > last_begin {
            return (id, None);
        }
        (id, Some(self.fulfil(order).await))
    }

    /// A job for each, if it has none.
    async fn each_alone(&self, orders: impl IntoIterator<Item = OrderId>) -> Result<(), JobFailure> {
        let jobs: Vec<ProcessOrders> =
            orders.into_iter().map(|id| ProcessOrders { orders: vec![id] }).collect();
        if !jobs.is_empty() {
            self.queue.enqueue_all(&jobs).await?;
        }
        Ok(())
    }

    /// It is tried again, until it was tried often enough.
    async fn alone(&self, order: Order, context: &JobContext) -> Result<(), JobFailure> {
        let id = order.id;
        let failed = |reason| vec![step(id, OrderStatus::Failed, Some(reason))];
        if context.attempt() > TRIES {
            // Nobody knows how far the last one came.
            self.end(failed(format!("given up after {TRIES} attempts"))).await?;
            return Err(JobFailure::fatal("nobody told how the last attempt ended: the order has failed"));
        }
        match self.fulfil(order).await {
            Ok(()) => self.end(vec![step(id, OrderStatus::Completed, None)]).await?,
            Err(NotFulfilled::Never(reason)) => self.end(failed(reason)).await?,
            Err(NotFulfilled::Later(error)) if context.attempt() < TRIES => return Err(error.into()),
            Err(NotFulfilled::Later(error)) => {
                self.end(failed(format!("given up after {TRIES} attempts"))).await?;
                return Err(JobFailure::fatal(error));
            }
        }
        Ok(())
    }

    fn time_limit(&self) -> Duration {
        self.fulfilment.time_limit().min(LONGEST)
    }

    /// One that panics, or hangs, takes no other order along.
    async fn fulfil(&self, order: Order) -> Result<(), NotFulfilled> {
        let progress = OrderProgress { service: self.service.clone(), id: order.id };
        // The call is inside: it may panic as well.
        let attempt = AssertUnwindSafe(async { self.fulfilment.fulfil(&order, &progress).await });
        let limit = self.time_limit();
        match timeout(limit, attempt.catch_unwind()).await {
            Ok(Ok(fulfilled)) => fulfilled,
            Ok(Err(panic)) => Err(NotFulfilled::Later(panic_message(&*panic).into())),
            Err(_elapsed) => Err(NotFulfilled::Later(format!("it took longer than {limit:?}").into())),
        }
    }

    /// A store that is away for a moment is waited for, as long as the job is ours: nothing is fulfilled twice for that.
    async fn end(&self, ends: Vec<OrderStep>) -> Result<(), OrdersError> {
        loop {
            match self.service.steps(ends.clone()).await {
                Err(OrdersError::Storage(error)) if matches!(*error, StorageError::Unavailable(_)) => {
                    tracing::warn!(%error, "how orders ended could not be written; it is tried again");
                    sleep(AFTER_ERROR).await;
                }
                other => return other.map(drop),
            }
        }
    }
}
