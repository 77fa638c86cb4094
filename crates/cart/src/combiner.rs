//! Requests that arrive while a batch is under way wait together and go as the next batch.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::task::TaskTracker;

use crate::CartServiceError;

type Reply<Resp> = oneshot::Sender<Result<Resp, CartServiceError>>;
type Answer<Resp> = oneshot::Receiver<Result<Resp, CartServiceError>>;
/// A request with the place where its answer goes.
pub(crate) struct Waiting<Req, Resp> {
    pub(crate) request: Req,
    reply: Reply<Resp>,
}

impl<Req, Resp> Waiting<Req, Resp> {
    /// Whether the caller still wants to know.
    pub(crate) fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    pub(crate) fn answer(self, answer: Result<Resp, CartServiceError>) {
        let _ = self.reply.send(answer); // the caller may have gone away; the work is done all the same
    }
}

pub(crate) type BatchFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Carries out a batch: answers every request of it.
pub(crate) type Run<Req, Resp> = Arc<dyn Fn(Vec<Waiting<Req, Resp>>) -> BatchFuture + Send + Sync>;

/// Lanes, each with at most one batch under way. A lone request goes at once; there is no timer.
pub(crate) struct Combiner<Req, Resp> {
    lanes: Vec<Arc<Lane<Req, Resp>>>,
    run: Run<Req, Resp>,
    limits: Limits,
    tracker: TaskTracker,
    runtime: Handle,
}

/// How much a combiner takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Requests in one batch at most.
    pub(crate) batch: usize,
    /// Requests that wait in one lane at most; more are refused.
    pub(crate) waiting: usize,
}

struct Lane<Req, Resp> {
    state: Mutex<LaneState<Req, Resp>>,
}

struct LaneState<Req, Resp> {
    waiting: Vec<Waiting<Req, Resp>>,
    busy: bool,
}

impl<Req: Send + 'static, Resp: Send + 'static> Combiner<Req, Resp> {
    pub(crate) fn new(
        lanes: usize,
        limits: Limits,
        runtime: Handle,
        tracker: TaskTracker,
        run: Run<Req, Resp>,
    ) -> Self {
        let lane = || Arc::new(Lane { state: Mutex::new(LaneState { waiting: Vec::new(), busy: false }) });
        Self { lanes: (0..lanes.max(1)).map(|_| lane()).collect(), run, limits, tracker, runtime }
    }

    /// Hands a request in, at once; the future waits for its answer. Requests with the same `lane` keep their order.
    /// When the caller stops waiting, the request is carried out all the same.
    pub(crate) fn submit(
        &self,
        lane: usize,
        request: Req,
    ) -> impl Future<Output = Result<Resp, CartServiceError>> + use<Req, Resp> {
        let answer = self.hand_in(lane, request);
        async move { answer?.await.unwrap_or(Err(CartServiceError::Lost)) }
    }

    fn hand_in(&self, lane: usize, request: Req) -> Result<Answer<Resp>, CartServiceError> {
        let (reply, answer) = oneshot::channel();
        let at = lane % self.lanes.len();
        let lane = self.lanes.get(at).ok_or(CartServiceError::Lost)?;
        let start = {
            let mut state = lane.lock();
            if state.waiting.len() >= self.limits.waiting {
                return Err(CartServiceError::Overloaded);
            }
            state.waiting.push(Waiting { request, reply });
            !std::mem::replace(&mut state.busy, true)
        };
        if start {
            self.tracker
                .spawn_on(drive(Arc::clone(lane), Arc::clone(&self.run), self.limits.batch), &self.runtime);
        }
        Ok(answer)
    }
}

impl<Req, Resp> Lane<Req, Resp> {
    fn lock(&self) -> std::sync::MutexGuard<'_, LaneState<Req, Resp>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch; none ends the drive.
    fn take(&self, most: usize) -> Option<Vec<Waiting<Req, Resp>>> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            state.busy = false;
            return None;
        }
        if state.waiting.len() <= most {
            return Some(std::mem::take(&mut state.waiting));
        }
        let rest = state.waiting.split_off(most);
        Some(std::mem::replace(&mut state.waiting, rest))
    }
}

/// Runs batches until nobody waits.
async fn drive<Req: Send + 'static, Resp: Send + 'static>(
    lane: Arc<Lane<Req, Resp>>,
    run: Run<Req, Resp>,
    most: usize,
) {
    while let Some(batch) = lane.take(most) {
        // In a task of its own: a panic loses one batch (its callers are told), not the lane.
        if let Err(lost) = tokio::spawn(run(batch)).await {
            tracing::error!(error = %lost, "a batch was lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn combiner(run: Run<u32, u32>, limits: Limits) -> Arc<Combiner<u32, u32>> {
        Arc::new(Combiner::new(1, limits, Handle::current(), TaskTracker::new(), run))
    }

    #[tokio::test]
    async fn those_who_come_during_a_batch_go_together() {
        let batches = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let run: Run<u32, u32> = {
            let (batches, gate) = (Arc::clone(&batches), Arc::clone(&gate));
            Arc::new(move |batch| {
                let (batches, gate) = (Arc::clone(&batches), Arc::clone(&gate));
                Box::pin(async move {
                    gate.acquire().await.unwrap().forget();
                    batches.fetch_add(1, Ordering::SeqCst);
                    for one in batch {
                        let n = one.request;
                        one.answer(Ok(n * 2));
                    }
                })
            })
        };
        let combiner = combiner(run, Limits { batch: 100, waiting: 1000 });
        let first = tokio::spawn({
            let c = Arc::clone(&combiner);
            async move { c.submit(0, 1).await }
        });
        tokio::task::yield_now().await;
        let rest: Vec<_> = (2..50)
            .map(|n| {
                let c = Arc::clone(&combiner);
                tokio::spawn(async move { c.submit(0, n).await })
            })
            .collect();
        tokio::task::yield_now().await;
        gate.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap(), 2);
        for (n, task) in (2..50).zip(rest) {
            assert_eq!(task.await.unwrap().unwrap(), n * 2);
        }
        assert_eq!(batches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_panic_loses_its_batch_only() {
        let run: Run<u32, u32> = Arc::new(|batch| {
            Box::pin(async move {
                for one in batch {
                    assert_ne!(one.request, 13, "unlucky");
                    let n = one.request;
                    one.answer(Ok(n));
                }
            })
        });
        let combiner = combiner(run, Limits { batch: 1, waiting: 10 });
        assert!(matches!(combiner.submit(0, 13).await, Err(CartServiceError::Lost)));
        assert_eq!(combiner.submit(0, 14).await.unwrap(), 14);
    }

    #[tokio::test]
    async fn a_full_lane_refuses() {
        let run: Run<u32, u32> = Arc::new(|batch| {
            Box::pin(async move {
                let _keep = batch;
                std::future::pending::<()>().await;
            })
        });
        let combiner = combiner(run, Limits { batch: 1, waiting: 1 });
        for n in 0..2 {
            let c = Arc::clone(&combiner);
            tokio::spawn(async move { c.submit(0, n).await });
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        assert!(matches!(combiner.submit(0, 9).await, Err(CartServiceError::Overloaded)));
    }
}
