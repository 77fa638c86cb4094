//! The way to one edge: what waits for it, and the task that tells it.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::FutureExt;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Figures, Pace, Purge, PurgeError, SurrogateKey,
    queue::{Batch, Queue},
};

/// One edge. The others do not notice when it is slow or down.
#[derive(Debug)]
pub(crate) struct Lane {
    name: String,
    edge: Arc<dyn Purge>,
    pace: Pace,
    queue: Mutex<Queue>,
    /// Something waits that did not before.
    wake: Notify,
    closing: CancellationToken,
    failing: AtomicBool,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    purges: AtomicU64,
    purged: AtomicU64,
    everything: AtomicU64,
    failed: AtomicU64,
    took_micros: AtomicU64,
}

impl Lane {
    pub(crate) fn new(name: String, edge: Arc<dyn Purge>, pace: Pace, closing: CancellationToken) -> Self {
        Self {
            name,
            edge,
            pace,
            queue: Mutex::new(Queue::new(pace.waiting)),
            wake: Notify::new(),
            closing,
            failing: AtomicBool::new(false),
            counts: Counts::default(),
        }
    }

    pub(crate) fn add(&self, keys: &[SurrogateKey]) {
        let now = Instant::now();
        let mut queue = self.queue();
        for key in keys {
            queue.add(key.clone(), now);
        }
        drop(queue);
        self.wake.notify_one();
    }

    pub(crate) fn add_everything(&self) {
        self.queue().add_everything(Instant::now());
        self.wake.notify_one();
    }

    pub(crate) fn pending(&self) -> usize {
        self.queue().pending()
    }

    pub(crate) fn figures(&self) -> Figures {
        let (pending, oldest) = {
            let queue = self.queue();
            (queue.pending(), queue.oldest())
        };
        Figures {
            edge: self.name.clone(),
            purges: self.counts.purges.load(Relaxed),
            purged: self.counts.purged.load(Relaxed),
            everything: self.counts.everything.load(Relaxed),
            failed: self.counts.failed.load(Relaxed),
            pending,
            lag: oldest.map_or(Duration::ZERO, |oldest| oldest.elapsed()),
            took: Duration::from_micros(self.counts.took_micros.load(Relaxed)),
            answers: !self.failing.load(Relaxed),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the edge, until it is closing and nothing is left.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut pauses = self.pauses();
        let mut collects = true;
        while self.something_waits().await {
            if collects {
                self.unless_closing(self.pace.window).await;
            }
            let Some(batch) = self.queue().take(self.pace.batch) else { continue };
            // More waits than one purge takes: it has been waiting for long enough.
            collects = batch.len() < self.pace.batch;
            if self.purge(batch).await {
                pauses = self.pauses();
            } else {
                let pause = pauses.next().unwrap_or(self.pace.longest_pause).min(self.pace.longest_pause);
                if self.unless_closing(pause).await {
                    // There is not much time left: as if it were the first failure.
                    pauses = self.pauses();
                }
                collects = false;
            }
        }
    }

    /// Returns when there is something to purge; false when there will be nothing any more.
    async fn something_waits(&self) -> bool {
        loop {
            let ripens = {
                let mut queue = self.queue();
                queue.ripen(Instant::now());
                if queue.is_waiting() {
                    return true;
                }
                queue.ripens()
            };
            let closing = self.closing.is_cancelled();
            match ripens {
                None if closing => return false,
                Some(due) if closing => sleep_until(due).await,
                _ => tokio::select! {
                    () = self.wake.notified() => {}
                    () = self.closing.cancelled() => {}
                    () = sleep_until(ripens.unwrap_or_else(Instant::now)), if ripens.is_some() => {}
                },
            }
        }
    }

    /// Waits for that long; true when it was cut short because the lane begins to close.
    async fn unless_closing(&self, pause: Duration) -> bool {
        if self.closing.is_cancelled() {
            // Nobody waits for company at the end, but an edge that is down is not hammered.
            sleep(pause.min(self.pace.pause)).await;
            return false;
        }
        tokio::select! {
            () = sleep(pause) => false,
            () = self.closing.cancelled() => true,
        }
    }

    fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(self.pace.pause)
            .with_max_delay(self.pace.longest_pause)
            .without_max_times()
            .with_jitter()
            .build()
    }

    /// Whether it was purged. What was not waits again.
    async fn purge(&self, batch: Batch) -> bool {
        let asked = async {
            match &batch {
                Batch::Everything(_) => self.edge.purge_everything().await,
                Batch::Keys(keys) => {
                    let keys: Vec<_> = keys.iter().map(|(key, _)| key.clone()).collect();
                    self.edge.purge(&keys).await
                }
            }
        };
        let patience = self.pace.patience;
        // A lane that panicked would be silent for ever.
        let asked = AssertUnwindSafe(asked).catch_unwind();
        let told = match timeout(patience, asked).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) => Err(PurgeError::Rejected("it panicked".to_owned())),
            Err(_) => Err(PurgeError::Slow(patience)),
        };
        match told {
            Ok(()) => {
                self.count(&batch);
                self.queue().done(batch, Instant::now(), self.pace.again_after);
                if self.failing.swap(false, Relaxed) {
                    tracing::info!(edge = self.name, "the edge answers again");
                }
                true
            }
            Err(error) => {
                self.counts.failed.fetch_add(1, Relaxed);
                if !self.failing.swap(true, Relaxed) {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::warn!(
                        edge = self.name,
                        error,
                        "the edge was not purged; what has changed waits"
                    );
                }
                match error {
                    PurgeError::Rejected(_) => self.queue().give_up(&batch, Instant::now()),
                    _ => self.queue().put_back(batch),
                }
                false
            }
        }
    }

    fn count(&self, batch: &Batch) {
        self.counts.purges.fetch_add(1, Relaxed);
        match batch {
            Batch::Everything(_) => &self.counts.everything,
            Batch::Keys(_) => &self.counts.purged,
        }
        .fetch_add(batch.len() as u64, Relaxed);
        let took = batch.since().map_or(Duration::ZERO, |since| since.elapsed());
        self.counts.took_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}
