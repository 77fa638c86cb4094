//! What a service holds.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{Figures, Pace, Purge, SurrogateKey, lane::Lane};

/// Keys that are taken together: as many as wait outside of the bounded queues while they are.
const AT_ONCE: usize = 1000;

/// Takes the keys of what has changed, and tells every edge, in the background.
///
/// Telling it costs an insertion into a set for each key and edge: no waiting, no failure. Clones are the same purger. What
/// waits is lost with the process, or when the last clone is dropped, unless it is [shut down](Self::shutdown).
///
/// ```
/// use cartwright_edge::{Pace, Purger, SurrogateKey, Varnish};
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cartwright_edge::BadUrl> {
/// let purger = Purger::builder()
///     .edge("varnish-1", Arc::new(Varnish::new("http://10.0.0.5:6081")?), Pace::VARNISH)
///     .edge("varnish-2", Arc::new(Varnish::new("http://10.0.0.6:6081")?), Pace::VARNISH)
///     .start();
/// purger.changed([SurrogateKey::of("product", "17"), SurrogateKey::of("category", "Books")]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Purger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lanes: Vec<Arc<Lane>>,
    closing: CancellationToken,
    /// Ended when dropped.
    tasks: Mutex<JoinSet<()>>,
}

impl Purger {
    /// To be told which edges there are.
    pub fn builder() -> PurgerBuilder {
        PurgerBuilder::default()
    }

    /// One that has nobody to tell.
    pub fn nobody() -> Self {
        Self(Arc::new(Inner {
            lanes: Vec::new(),
            closing: CancellationToken::new(),
            tasks: Mutex::default(),
        }))
    }

    /// What depends on these keys has changed; to be called when the change can be read.
    pub fn changed(&self, keys: impl IntoIterator<Item = SurrogateKey>) {
        if self.0.lanes.is_empty() {
            return;
        }
        let mut keys = keys.into_iter().peekable();
        while keys.peek().is_some() {
            let some: Vec<_> = keys.by_ref().take(AT_ONCE).collect();
            for lane in &self.0.lanes {
                lane.add(&some);
            }
        }
    }

    /// Anything may have changed.
    pub fn everything_changed(&self) {
        for lane in &self.0.lanes {
            lane.add_everything();
        }
    }

    /// Of each edge.
    pub fn figures(&self) -> Vec<Figures> {
        self.0.lanes.iter().map(|lane| lane.figures()).collect()
    }

    /// Purges what was accepted without waiting for more, and ends. What is accepted later is not purged.
    ///
    /// Returns when nothing is left, after the second purges too, or when the time is over: with the number of keys that
    /// have not been purged, counted for each edge.
    pub async fn shutdown(&self, within: Duration) -> usize {
        self.0.closing.cancel();
        let mut tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = timeout(within, async { while tasks.join_next().await.is_some() {} }).await;
        tasks.shutdown().await;
        let left = self.0.lanes.iter().map(|lane| lane.pending()).sum();
        if ended.is_err() && left > 0 {
            tracing::warn!(left, "ended before the edge was told of all that has changed");
        }
        left
    }
}

/// Which edges there are.
#[derive(Debug, Default)]
pub struct PurgerBuilder {
    edges: Vec<(String, Arc<dyn Purge>, Pace)>,
}

impl PurgerBuilder {
    /// One more edge, by a name for logs and figures. Each is told at its own pace, whatever becomes of the others.
    #[must_use]
    pub fn edge(mut self, name: impl Into<String>, edge: Arc<dyn Purge>, pace: Pace) -> Self {
        self.edges.push((name.into(), edge, pace));
        self
    }

    /// Starts a task for each, on the runtime of the caller, which should be the one that ends last.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Purger {
        let closing = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let lanes = self.edges.into_iter().map(|(name, edge, pace)| {
            let lane = Arc::new(Lane::new(name, edge, pace, closing.clone()));
            tasks.spawn(Arc::clone(&lane).run());
            lane
        });
        let lanes = lanes.collect();
        Purger(Arc::new(Inner { lanes, closing, tasks: Mutex::new(tasks) }))
    }
}
