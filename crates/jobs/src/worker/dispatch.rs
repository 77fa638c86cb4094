//! Claims jobs, starts them, and tells how they ended.
//!
//! One task, so that nothing is shared. While one batch of ends is being written, the next one gathers; the same with
//! claims. So batches grow with the load, without a timer.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use cartwright_storage::{Claim, Claimed, Finished, Hold, JobOutcome, StorageError};
use futures_util::future::{BoxFuture, FutureExt, OptionFuture};
use tokio::{
    sync::watch,
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{
    Shared,
    held::Stop,
    pace::Pace,
    run::{self, Ended},
};

/// The pause after an error of the store.
const AFTER_ERROR: Duration = Duration::from_millis(500);
/// How long a job may wait here for a handler that is free. Longer than jobs wait that were claimed in advance of quick
/// ones; others may have it then.
const WAITS: Duration = Duration::from_secs(1);
/// How long after the last handler has been stopped it may take to tell of it.
const TELLING: Duration = Duration::from_secs(5);

/// When it was asked, for how many, and what came of it.
type Claiming = BoxFuture<'static, (Instant, u32, Result<Vec<Claimed>, StorageError>)>;
type Telling = BoxFuture<'static, (Vec<Finished>, Result<Vec<bool>, StorageError>)>;

pub(super) struct Dispatcher {
    shared: Arc<Shared>,
    news: watch::Receiver<()>,
    running: JoinSet<Ended>,
    /// Which job a task is of, for tasks that end without a word.
    tasks: HashMap<Id, Hold>,
    /// Claimed and not begun, with when each came: the first was first.
    waiting: VecDeque<(Instant, Claimed)>,
    ended: Vec<Finished>,
    claiming: Option<Claiming>,
    telling: Option<Telling>,
    pace: Pace,
    /// Not before.
    tell_at: Instant,
    /// Since the worker is to end: what runs is stopped at the first of these, and given up at the second.
    ending: Option<(Instant, Instant)>,
}

impl Dispatcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            news: shared.queue.news(),
            pace: Pace::new(now, shared.settings.poll),
            shared,
            running: JoinSet::new(),
            tasks: HashMap::new(),
            waiting: VecDeque::new(),
            ended: Vec::new(),
            claiming: None,
            telling: None,
            tell_at: now,
            ending: None,
        }
    }

    /// Until everything has ended after the worker was told to.
    pub(super) async fn run(mut self) {
        let ending = self.shared.ending.clone();
        loop {
            self.begin();
            self.tell();
            self.claim();
            if self.ending.is_some() && self.is_idle() {
                return;
            }
            let look_at = self.pace.look_at();
            let looks = self.ending.is_none() && self.claiming.is_none() && self.wanted() > 0;
            let stop_at = self.ending.map_or(look_at, |(stop_at, _)| stop_at);
            let give_up_at = self.ending.map_or(look_at, |(_, give_up_at)| give_up_at);
            let waits_until = self.waiting.front().map_or(look_at, |(since, _)| *since + WAITS);
            let now = Instant::now();
            tokio::select! {
                Some(ended) = self.running.join_next_with_id(), if !self.running.is_empty() => {
                    self.end(ended);
                    while let Some(ended) = self.running.try_join_next_with_id() {
                        self.end(ended);
                    }
                }
                Some((finished, told)) = OptionFuture::from(self.telling.as_mut()), if self.telling.is_some() => {
                    self.telling = None;
                    self.told(finished, told);
                }
                Some((asked, limit, claimed)) = OptionFuture::from(self.claiming.as_mut()), if self.claiming.is_some() => {
                    self.claiming = None;
                    self.claimed(asked, limit, claimed);
                }
                Ok(()) = self.news.changed(), if self.ending.is_none() => self.pace.news(),
                () = sleep_until(look_at), if looks && look_at > now => {}
                () = sleep_until(self.tell_at), if self.telling.is_none() && !self.ended.is_empty() => {}
                () = sleep_until(waits_until), if !self.waiting.is_empty() => self.let_go(),
                () = ending.cancelled(), if self.ending.is_none() => self.give_back(),
                () = sleep_until(stop_at), if self.ending.is_some() && stop_at > now => {
                    self.shared.held.stop_all(Stop::Ending);
                }
                () = sleep_until(give_up_at), if self.ending.is_some() => {
                    let jobs = self.running.len() + self.ended.len();
                    tracing::warn!(jobs, "the worker ends without having told how these jobs ended");
                    return;
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        let all_told = self.ended.is_empty() && self.telling.is_none();
        all_told && self.running.is_empty() && self.waiting.is_empty() && self.claiming.is_none()
    }

    /// How many jobs to claim: for the handlers that are free, and for those that soon will be. Not a few at a time while
    /// some are waiting.
    fn wanted(&self) -> u32 {
        let settings = &self.shared.settings;
        let most = usize::try_from(settings.batch).unwrap_or(usize::MAX);
        let target = settings.concurrency + self.pace.ahead().min(most);
        let wanted = target.saturating_sub(self.running.len() + self.waiting.len());
        if !self.waiting.is_empty() && wanted < target / 4 {
            return 0;
        }
        u32::try_from(wanted.min(most)).unwrap_or(u32::MAX)
    }

    fn claim(&mut self) {
        let now = Instant::now();
        if self.claiming.is_some() || self.ending.is_some() || self.pace.look_at() > now {
            return;
        }
        let limit = self.wanted();
        if limit == 0 {
            return;
        }
        self.pace.claims(now);
        let shared = Arc::clone(&self.shared);
        let claiming = async move {
            let claim =
                Claim { worker: &shared.name, queues: &shared.queues, limit, lease: shared.settings.lease };
            let claimed = shared.queue.store().claim(&claim, shared.queue.clock().now()).await;
            (now, limit, claimed)
        };
        self.claiming = Some(claiming.boxed());
    }

    fn claimed(&mut self, asked: Instant, limit: u32, claimed: Result<Vec<Claimed>, StorageError>) {
        let now = Instant::now();
        match claimed {
            Ok(jobs) => {
                self.pace.claimed(now, jobs.len(), limit);
                let at = self.shared.queue.clock().now();
                self.shared.figures.claimed(&jobs, at);
                self.shared.counts.claimed(&jobs, at);
                for job in jobs {
                    self.shared.held.add(job.hold, asked);
                    if self.ending.is_some() {
                        self.ended.push(given_back(&job));
                    } else {
                        self.waiting.push_back((now, job));
                    }
                }
                // It may have taken so long that they are not ours any more.
                self.shared.held.stop_unconfirmed(now, self.shared.settings.lease);
            }
            Err(error) => {
                tracing::warn!(%error, "no jobs could be claimed");
                self.pace.failed(now + AFTER_ERROR);
            }
        }
    }

    /// Starts what waits, as long as there is room.
    fn begin(&mut self) {
        while self.running.len() < self.shared.settings.concurrency {
            let Some((_, claimed)) = self.waiting.pop_front() else { break };
            let hold = claimed.hold;
            let Some(held) = self.shared.held.get(hold) else { continue };
            match held.stopped() {
                Some(Stop::Lost) => self.shared.held.remove([hold]),
                Some(Stop::Cancelled) => {
                    self.ended.push(Finished { hold, outcome: JobOutcome::Cancelled });
                }
                Some(Stop::Ending) => self.ended.push(given_back(&claimed)),
                None => {
                    let clock = self.shared.queue.clock();
                    let Some(handler) = self.shared.registry.handler(&claimed.kind).cloned() else {
                        let outcome = run::unknown(&claimed, clock.now());
                        self.ended.push(Finished { hold, outcome });
                        continue;
                    };
                    let attempt = run::run(claimed, handler, held, Arc::clone(clock));
                    self.tasks.insert(self.running.spawn(attempt).id(), hold);
                }
            }
        }
        self.shared.figures.running(self.running.len());
    }

    fn end(&mut self, ended: Result<(Id, Ended), JoinError>) {
        self.pace.ended();
        match ended {
            Ok((id, ended)) => {
                self.tasks.remove(&id);
                self.shared.figures.ended(&ended);
                self.shared.counts.ended(&ended, self.shared.queue.clock().now());
                match ended.outcome {
                    Some(outcome) => self.ended.push(Finished { hold: ended.hold, outcome }),
                    None => self.shared.held.remove([ended.hold]),
                }
            }
            // A value of the handler panicked while it was dropped. The lease runs out, and that was an attempt.
            Err(error) => {
                tracing::error!(%error, "a job ended without a word");
                self.shared.held.remove(self.tasks.remove(&error.id()));
            }
        }
    }

    fn tell(&mut self) {
        if self.telling.is_some() || self.ended.is_empty() || Instant::now() < self.tell_at {
            return;
        }
        let most = usize::try_from(self.shared.settings.batch).unwrap_or(usize::MAX);
        let finished: Vec<Finished> = self.ended.drain(..self.ended.len().min(most)).collect();
        self.shared.figures.tells(finished.len());
        let shared = Arc::clone(&self.shared);
        let telling = async move {
            let told = shared.queue.store().finish(&finished, shared.queue.clock().now()).await;
            (finished, told)
        };
        self.telling = Some(telling.boxed());
    }

    fn told(&mut self, finished: Vec<Finished>, told: Result<Vec<bool>, StorageError>) {
        match told {
            Ok(told) => {
                self.shared.held.remove(finished.iter().map(|finished| finished.hold));
                for (finished, _) in finished.iter().zip(told).filter(|(_, held)| !held) {
                    tracing::warn!(job = %finished.hold.id, "a job was lost to somebody else before its end");
                    self.shared.figures.lost();
                }
            }
            // Their leases are renewed meanwhile.
            Err(error) => {
                tracing::warn!(%error, "how jobs ended could not be written; it is tried again");
                self.ended.extend(finished);
                self.tell_at = Instant::now() + AFTER_ERROR;
            }
        }
    }

    /// What runs is slower than what ran before: what has waited for long is for others, and no more is claimed in advance.
    fn let_go(&mut self) {
        let now = Instant::now();
        self.pace.stalls(now);
        let long = self.waiting.iter().take_while(|(since, _)| *since + WAITS <= now).count();
        tracing::debug!(jobs = long, "claimed in advance, and given back");
        self.ended.extend(self.waiting.drain(..long).map(|(_, job)| given_back(&job)));
    }

    /// The worker is to end: what was not begun is for others.
    fn give_back(&mut self) {
        let stop_at = Instant::now() + self.shared.settings.patience;
        self.ending = Some((stop_at, stop_at + run::GRACE + TELLING));
        self.ended.extend(self.waiting.drain(..).map(|(_, job)| given_back(&job)));
    }
}

/// Its place in the queue stays its own.
fn given_back(claimed: &Claimed) -> Finished {
    Finished { hold: claimed.hold, outcome: JobOutcome::Returned { at: claimed.run_at } }
}
