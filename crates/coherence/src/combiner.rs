//! Requests that arrive while a batch is under way wait together and go as the next batch.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot},
};
use tokio_util::task::TaskTracker;

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Too many wait already. Nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The task that carried the batch broke. Whether the request was carried out is not known.
    #[error("the batch was lost")]
    Lost,
}

/// A request with the place where its answer goes.
#[derive(Debug)]
pub struct Waiting<Req, Resp> {
    /// What is asked for.
    pub request: Req,
    reply: oneshot::Sender<Resp>,
}

impl<Req, Resp> Waiting<Req, Resp> {
    /// Whether the caller has gone away.
    pub fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Answers.
    pub fn answer(self, answer: Resp) {
        let _ = self.reply.send(answer); // the caller may have gone away; the work is done all the same
    }
}

/// A batch under way.
pub type BatchFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Takes a batch and carries it out: answers every request of it.
pub type Run<Req, Resp> = Arc<dyn Fn(Turn<Req, Resp>) -> BatchFuture + Send + Sync>;

/// Lanes in which requests wait for the batch before theirs. A lone request goes at once.
pub struct Combiner<Req: Send + 'static, Resp: Send + 'static> {
    lanes: Vec<Arc<Lane<Req, Resp>>>,
}

/// How much a lane takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests in one batch at most.
    pub batch: usize,
    /// Requests that wait at most; more are refused.
    pub waiting: usize,
    /// Batches under way at most.
    pub at_once: usize,
    /// A batch that takes longer is not waited for: the next one may begin beside it. Waiting makes batches large, and large
    /// ones are cheap; but not for a slow disk, or for somebody else's lock.
    pub slow: Duration,
    /// Whether as many requests as the only batch under way has are a batch themselves, and do not wait for it. Where one is
    /// worked on after the other, the next is there when the one before is done; and none is smaller than the one before for it.
    pub as_many_follow: bool,
    /// Whether a batch waits for those who were answered with the one before. Clients who were answered together come back
    /// together: the first of them would otherwise be a batch alone, for which all others wait.
    pub gathering: Option<Gathering>,
}

/// How long a batch waits for those who were answered with the one before.
#[derive(Debug, Clone, Copy)]
pub struct Gathering {
    /// Until so long after they were answered.
    pub at_most: Duration,
    /// Until so many wait, of a hundred that it had. Of nearly all of them large batches are made, which are cheap. With half of
    /// them two groups take turns: one is served while the other comes back.
    pub percent: usize,
}

impl<Req: Send + 'static, Resp: Send + 'static> Combiner<Req, Resp> {
    /// So many lanes, each of which gives its batches to `run`; the tracker knows those that are under way.
    pub fn new(lanes: usize, limits: Limits, tracker: &TaskTracker, run: &Run<Req, Resp>) -> Self {
        let lane = || Lane {
            state: Mutex::new(State {
                waiting: Vec::new(),
                running: 0,
                turn: None,
                turns: 0,
                last: None,
                enough: 0,
            }),
            gathered: Notify::new(),
            run: Arc::clone(run),
            limits,
            tracker: tracker.clone(),
        };
        Self { lanes: (0..lanes.max(1)).map(|_| Arc::new(lane())).collect() }
    }

    /// Hands a request in, at once; the future waits for its answer. When the caller stops waiting, the request is
    /// carried out all the same.
    ///
    /// A thread always uses the same lane. Batches are carried out on the runtime of whoever began them; should that
    /// end, [`NotTaken::Lost`] is answered.
    pub fn submit(
        &self,
        request: Req,
        runtime: &Handle,
    ) -> impl Future<Output = Result<Resp, NotTaken>> + use<Req, Resp> {
        let answer = self.hand_in(request, runtime);
        async move {
            let answer = answer.map_err(|_refused| NotTaken::Overloaded)?;
            answer.await.map_err(|_closed| NotTaken::Lost)
        }
    }

    /// As [`submit`](Self::submit), for a request that carries with it who waits. It is given back when too many wait.
    ///
    /// # Errors
    /// The request.
    pub fn hand_in(&self, request: Req, runtime: &Handle) -> Result<oneshot::Receiver<Resp>, Req> {
        match self.lanes.get(seat() % self.lanes.len()) {
            Some(lane) => lane.hand_in(request, runtime),
            None => Err(request),
        }
    }
}

/// The number of this thread: they count up from 0.
fn seat() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static SEAT: usize = NEXT.fetch_add(1, Ordering::Relaxed); }
    SEAT.with(|seat| *seat)
}

struct Lane<Req: Send + 'static, Resp: Send + 'static> {
    state: Mutex<State<Req, Resp>>,
    /// Told when as many wait as a batch was waiting for, and when the batch before it is answered.
    gathered: Notify,
    run: Run<Req, Resp>,
    limits: Limits,
    tracker: TaskTracker,
}

struct UnderWay {
    number: u64,
    since: Instant,
    /// `None`: it gathers.
    size: Option<usize>,
}

struct Ended {
    number: u64,
    size: usize,
    /// When.
    since: Instant,
    /// When those who wait for it were answered. `None`: they are not yet.
    answered: Option<Instant>,
}

struct State<Req, Resp> {
    waiting: Vec<Waiting<Req, Resp>>,
    /// Batches under way.
    running: usize,
    /// The batch that the next one waits for.
    turn: Option<UnderWay>,
    /// Batches so far.
    turns: u64,
    /// Of the batches that have ended, the one that began last.
    last: Option<Ended>,
    /// How many must wait for a batch that gathers.
    enough: usize,
}

impl<Req, Resp> State<Req, Resp> {
    /// The batch of that number, if it is the one that the next waits for.
    fn under_way(&mut self, number: u64) -> Option<&mut UnderWay> {
        self.turn.as_mut().filter(|under_way| under_way.number == number)
    }

    /// Notes the batch, unless another one had taken all who waited, or one that began later has ended before.
    fn ended(&mut self, batch: Ended) {
        if batch.size > 0 && self.last.as_ref().is_none_or(|last| last.number < batch.number) {
            self.last = Some(batch);
        }
    }

    /// The number of the next batch, if one is to begin now.
    fn next(&mut self, limits: &Limits) -> Option<u64> {
        let held = self.turn.as_ref().is_some_and(|under_way| {
            let as_many = under_way.size.is_some_and(|size| self.waiting.len() >= size);
            let follow = limits.as_many_follow && as_many && self.running == 1;
            under_way.since.elapsed() < limits.slow && !follow
        });
        if held || self.waiting.is_empty() || self.running >= limits.at_once {
            return None;
        }
        self.turns += 1;
        self.running += 1;
        self.turn = Some(UnderWay { number: self.turns, since: Instant::now(), size: None });
        Some(self.turns)
    }
}

impl<Req: Send + 'static, Resp: Send + 'static> Lane<Req, Resp> {
    fn hand_in(self: &Arc<Self>, request: Req, runtime: &Handle) -> Result<oneshot::Receiver<Resp>, Req> {
        let (reply, answer) = oneshot::channel();
        let next = {
            let mut state = self.lock();
            if state.waiting.len() >= self.limits.waiting {
                return Err(request);
            }
            state.waiting.push(Waiting { request, reply });
            if state.waiting.len() == state.enough {
                self.gathered.notify_one();
            }
            state.next(&self.limits)
        };
        self.begin(next, runtime);
        Ok(answer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<Req, Resp>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who waited for that batch have their answers.
    fn answered(&self, number: u64) {
        let mut state = self.lock();
        if let Some(last) = state.last.as_mut().filter(|last| last.number == number) {
            last.answered = Some(Instant::now());
            self.gathered.notify_one();
        }
    }

    fn begin(self: &Arc<Self>, next: Option<u64>, runtime: &Handle) {
        if let Some(number) = next {
            let turn = Turn {
                lane: Arc::clone(self),
                number,
                runtime: runtime.clone(),
                size: None,
                answers_later: false,
            };
            let mut batch = (self.run)(turn);
            // In a task of its own: a panic loses one batch (its callers are told), not the lane.
            if self.limits.at_once == 1 && self.limits.gathering.is_none() {
                self.tracker.spawn_on(batch, runtime);
                return;
            }
            let (lane, on) = (Arc::clone(self), runtime.clone());
            let watched = async move {
                lane.gather(number).await;
                if tokio::time::timeout(lane.limits.slow, &mut batch).await.is_err() {
                    let next = lane.lock().next(&lane.limits);
                    lane.begin(next, &on); // those who wait need not wait for this one
                    batch.await;
                }
            };
            self.tracker.spawn_on(watched, runtime);
        }
    }

    /// Says for how many a batch waits, and returns until when. `None`: enough are there.
    fn gathers_until(&self, Gathering { at_most, percent }: Gathering) -> Option<Instant> {
        let mut state = self.lock();
        let last = state.last.as_ref()?;
        let enough = (last.size * percent / 100).min(self.limits.batch);
        // Nobody comes back before he is answered; but that is not waited for as long as it may take.
        let until = last.answered.map_or(last.since + self.limits.slow / 2, |answered| answered + at_most);
        state.enough = enough;
        (state.waiting.len() < enough).then_some(until)
    }

    /// Waits for those who were answered with the last batch, as far as is said.
    async fn gather(&self, number: u64) {
        let Some(gathering) = self.limits.gathering else { return };
        while let Some(until) = self.gathers_until(gathering) {
            if tokio::time::timeout_at(until.into(), self.gathered.notified()).await.is_err() {
                break; // late enough
            }
        }
        let mut state = self.lock();
        state.enough = 0;
        // Only now does it begin to be slow.
        if let Some(under_way) = state.under_way(number) {
            under_way.since = Instant::now();
        }
    }
}

/// The right to carry out a batch. The next one begins when this is dropped.
pub struct Turn<Req: Send + 'static, Resp: Send + 'static> {
    lane: Arc<Lane<Req, Resp>>,
    number: u64,
    runtime: Handle,
    /// How many it has. `None`: it has not begun.
    size: Option<usize>,
    /// Whether it is said when they are answered. Otherwise that is when this is dropped.
    answers_later: bool,
}

impl<Req: Send + 'static, Resp: Send + 'static> Turn<Req, Resp> {
    /// The batch: all who wait by now, up to the limit.
    pub fn batch(&mut self) -> Vec<Waiting<Req, Resp>> {
        let mut state = self.lane.lock();
        let size = state.waiting.len().min(self.lane.limits.batch);
        self.size = Some(size);
        if let Some(under_way) = state.under_way(self.number) {
            under_way.size = Some(size);
        }
        let rest = state.waiting.split_off(size);
        std::mem::replace(&mut state.waiting, rest)
    }
}

impl<Req: Clone + Send + 'static, T: Send + 'static, E: Clone + Send + 'static> Turn<Req, Result<T, E>> {
    /// Carries out the batch: `run` answers all requests, in their order, or one error does. A request whose caller left
    /// before it was begun is not begun. The next batch may begin while this one is answered.
    pub async fn carry_out<F>(self, run: impl FnOnce(Vec<Req>) -> F)
    where
        F: Future<Output = Result<Vec<T>, E>>,
    {
        self.carry_out_and(run, |outcomes| std::future::ready(Ok(outcomes))).await;
    }

    /// As [`carry_out`](Self::carry_out), with something that must be done before anybody is answered, and need not hold up the
    /// next batch.
    pub async fn carry_out_and<F, G>(
        mut self,
        run: impl FnOnce(Vec<Req>) -> F,
        before_answers: impl FnOnce(Vec<T>) -> G,
    ) where
        F: Future<Output = Result<Vec<T>, E>>,
        G: Future<Output = Result<Vec<T>, E>>,
    {
        let batch: Vec<_> = self.batch().into_iter().filter(|waiting| !waiting.abandoned()).collect();
        let outcomes = run(batch.iter().map(|waiting| waiting.request.clone()).collect()).await;
        let (lane, number) = (Arc::clone(&self.lane), self.number);
        self.answers_later = true;
        drop(self);
        let outcomes = match outcomes {
            Ok(outcomes) => before_answers(outcomes).await,
            Err(error) => Err(error),
        };
        let answers = match outcomes {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) => batch.iter().map(|_| Err(error.clone())).collect::<Vec<_>>(),
        };
        for (waiting, answer) in batch.into_iter().zip(answers) {
            waiting.answer(answer);
        }
        lane.answered(number);
    }
}

impl<Req: Send + 'static, Resp: Send + 'static> Drop for Turn<Req, Resp> {
    fn drop(&mut self) {
        let (next, lost) = {
            let mut state = self.lane.lock();
            state.running -= 1;
            state.turn.take_if(|under_way| under_way.number == self.number);
            // Not even begun: the runtime has ended. Those who wait are told, outside of the lock.
            let lost = match self.size {
                Some(size) => {
                    let (number, since) = (self.number, Instant::now());
                    let answered = (!self.answers_later).then_some(since);
                    state.ended(Ended { number, size, since, answered });
                    Vec::new()
                }
                None => std::mem::take(&mut state.waiting),
            };
            (state.next(&self.lane.limits), lost)
        };
        drop(lost);
        self.lane.begin(next, &self.runtime);
    }
}

#[cfg(test)]
mod tests;
