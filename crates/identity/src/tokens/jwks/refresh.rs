//! Keeps the keys fresh, in the background.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use cartwright_domain::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    JwksSettings,
    document::{Document, Skipped},
    fetch::{Answer, FetchError, Fetcher},
};
use crate::tokens::{
    BadSettings,
    keys::{Fetched, Keys},
    metrics::Looks,
};

/// The keys of an address. One task looks at it, in turns and when it is asked to; the others ask it and wait. So a caller
/// who goes away stops nothing, and a thousand callers with made-up keys are one look.
///
/// Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct Remote {
    asked: Arc<Notify>,
    progress: watch::Receiver<Progress>,
    cooldown: TimeDelta,
    /// Longer than a look takes.
    patience: Duration,
    _stop: DropGuard,
}

/// How far the task is.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Looks that were begun, and that came to an end.
    begun: u64,
    ended: u64,
    begun_at: Option<DateTime<Utc>>,
    /// Why the last one failed. `None`: it did not, or there was none.
    error: Option<Arc<FetchError>>,
}

impl Progress {
    /// Whether the last look is so short ago that another would be one too many. A clock that was put back is no reason.
    fn is_cooling(&self, cooldown: TimeDelta, now: DateTime<Utc>) -> bool {
        self.begun_at.is_some_and(|at| (TimeDelta::zero()..cooldown).contains(&(now - at)))
    }
}

impl Remote {
    /// Looks for the first time, and goes on in the background. When the first look fails there are no keys for now.
    pub(crate) async fn start(
        settings: &JwksSettings,
        keys: Arc<ArcSwap<Keys>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BadSettings> {
        let (progress, watched) = watch::channel(Progress::default());
        let asked = Arc::new(Notify::new());
        let cooldown = delta(settings.cooldown);
        let mut task = Task {
            fetcher: Fetcher::new(settings)?,
            settings: settings.clone(),
            keys,
            clock,
            progress,
            asked: Arc::clone(&asked),
            looks: Looks::register(),
            skipped: Vec::new(),
            pause: settings.cooldown,
        };
        task.look().await;
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        tokio::spawn(stop.run_until_cancelled_owned(task.run()));
        let patience = settings.timeout.saturating_add(Duration::from_secs(1));
        Ok(Self { asked, progress: watched, cooldown, patience, _stop: guard })
    }

    /// Has the address looked at, unless that was done just now, and waits until it has been. Whoever comes meanwhile waits
    /// for the same look.
    pub(crate) async fn ask(&self, now: DateTime<Utc>) {
        let mut progress = self.progress.clone();
        let awaited = {
            let seen = progress.borrow_and_update();
            if seen.ended < seen.begun {
                seen.begun
            } else if seen.is_cooling(self.cooldown, now) {
                return;
            } else {
                self.asked.notify_one();
                seen.begun + 1
            }
        };
        // An error: the task is gone, with its runtime, and there is nothing to wait for. Too long: the clock was put back
        // just now, and the task does not think that it is time.
        let _ = timeout(self.patience, progress.wait_for(|seen| seen.ended >= awaited)).await;
    }

    /// Why the last look failed, with its causes. `None`: it did not.
    pub(crate) fn error(&self) -> Option<String> {
        self.progress.borrow().error.as_deref().map(explain)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.progress.borrow().error.is_some()
    }
}

struct Task {
    settings: JwksSettings,
    fetcher: Fetcher,
    keys: Arc<ArcSwap<Keys>>,
    clock: Arc<dyn Clock>,
    progress: watch::Sender<Progress>,
    asked: Arc<Notify>,
    looks: Looks,
    /// Keys of the last answer that are not used: a warning for the same ones comes once.
    skipped: Vec<(usize, Skipped)>,
    /// Until the next look.
    pause: Duration,
}

impl Task {
    async fn run(mut self) {
        loop {
            // Nodes that were started together should not ask together for ever.
            let next = Instant::now() + self.pause.mul_f64(rand::random_range(0.9..=1.0));
            self.wait(next).await;
            self.look().await;
        }
    }

    /// Until it is time, or somebody asks who may.
    async fn wait(&self, next: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(next) => return,
                () = self.asked.notified() => {
                    // Somebody else may have asked at the same moment, and has been answered.
                    let cooldown = delta(self.settings.cooldown);
                    if !self.progress.borrow().is_cooling(cooldown, self.clock.now()) {
                        return;
                    }
                }
            }
        }
    }

    async fn look(&mut self) {
        let at = self.clock.now();
        self.progress.send_modify(|progress| {
            progress.begun += 1;
            progress.begun_at = Some(at);
        });
        let shortest = self.settings.cooldown.min(self.settings.refresh);
        let error = match self.fetcher.fetch().await {
            Ok(Answer { document, max_age }) => {
                self.publish(document, at);
                let longest = self.settings.refresh;
                self.pause = max_age.map_or(longest, |age| age.clamp(shortest, longest));
                None
            }
            Err(error) => {
                self.pause = shortest;
                Looks::failed();
                Some(Arc::new(error))
            }
        };
        self.report(error.as_deref());
        // Keys first, so that who waits finds them.
        self.progress.send_modify(|progress| {
            progress.ended = progress.begun;
            progress.error = error;
        });
    }

    /// `None`: they are the same as last time.
    fn publish(&mut self, document: Option<Document>, at: DateTime<Utc>) {
        let keys = self.keys.load_full();
        let before = keys.fetched.clone().unwrap_or_default();
        let until = at.checked_add_signed(delta(self.settings.max_stale)).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let (found, changed) = match document {
            None => (Arc::clone(&before.keys), false),
            Some(document) => {
                self.warn_of(document.skipped);
                let is_same = document.keys.len() == before.keys.len()
                    && document.keys.iter().zip(before.keys.iter()).all(|(new, old)| new.is_same(old));
                if is_same { (Arc::clone(&before.keys), false) } else { (document.keys.into(), true) }
            }
        };
        let generation = before.generation + u64::from(changed);
        self.looks.answered(found.len(), changed, at);
        if changed {
            tracing::info!(url = %self.settings.url, keys = found.len(), "the keys of tokens have changed");
        }
        let fetched = Some(Fetched { keys: found, at: Some(at), until, generation });
        self.keys.store(Arc::new(Keys { fixed: Arc::clone(&keys.fixed), fetched }));
    }

    fn warn_of(&mut self, skipped: Vec<(usize, Skipped)>) {
        if skipped != self.skipped && !skipped.is_empty() {
            let reasons: Vec<_> = skipped.iter().map(|(place, why)| format!("key {place}: {why}")).collect();
            tracing::warn!(url = %self.settings.url, "keys of tokens are left out; {}", reasons.join("; "));
        }
        self.skipped = skipped;
    }

    /// Says when it begins to fail, and when it is over.
    fn report(&self, error: Option<&FetchError>) {
        let url = &self.settings.url;
        match (error, self.progress.borrow().error.is_some()) {
            (Some(error), false) => tracing::warn!(
                %url, error = explain(error),
                "the keys of tokens cannot be fetched; those that are known are believed for up to {:?}",
                self.settings.max_stale
            ),
            (None, true) => tracing::info!(%url, "the keys of tokens can be fetched again"),
            _ => {}
        }
    }
}

fn explain(error: &FetchError) -> String {
    let first: &dyn std::error::Error = error;
    let causes = std::iter::successors(Some(first), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
