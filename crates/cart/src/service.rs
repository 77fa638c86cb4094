use std::{sync::Arc, time::Duration};

use cartwright_cache::{
    CacheStatus, CartCache, CartEvent, EventBus, EventHub, Layer, StoreValue, Subscription,
};
use cartwright_coherence::{Combiner, Fencing, Gathering, Limits, NotTaken, Run};
use cartwright_domain::{Cart, Clock, OwnerId, SystemClock, merge};
use cartwright_storage::{BatchPolicy, CartRequest, Store};
use metrics::{Counter, Histogram};
use tokio::runtime::Handle;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::{
    CartServiceError, DocumentError, GateSettings, MergePreview, Read, Reply, Source,
    demand::{Demand, StoreWritten},
    document::{decode, encode},
    gate,
    read::{self, Wanted},
    write,
};

/// How long a batch of writes or misses waits for those who were answered with the batch before: clients need about
/// this long to come back.
const GATHERING: Gathering = Gathering { at_most: Duration::from_millis(1), percent: 94 };

/// A batch that takes longer is not waited for by the next.
const SLOW: Duration = Duration::from_millis(5);

/// Transactions at the same time that read what the cache does not have; a second one begins when the first is slow.
const READ_TRANSACTIONS: usize = 4;

/// How the service works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether products outside the catalogue may be added with the client's name and price.
    pub allow_unlisted: bool,
    /// Write transactions at the same time. The next one waits for the one before, unless that is slow.
    pub write_transactions: usize,
    /// Requests in one write transaction at most.
    pub write_batch: usize,
    /// Cache reads at the same time: the calling threads are spread over so many lanes.
    pub read_lanes: usize,
    /// Carts in one cache read at most.
    pub read_batch: usize,
    /// Whether carts are stored in the shared cache as soon as they were written.
    pub store_written: StoreWritten,
    /// Requests that wait in a lane at most; more are refused as overload.
    pub waiting: usize,
    /// How the gate is looked after.
    pub gate: GateSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_unlisted: false,
            write_transactions: 4,
            write_batch: 128,
            read_lanes: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64)),
            read_batch: 128,
            store_written: StoreWritten::default(),
            waiting: 10_000,
            gate: GateSettings::default(),
        }
    }
}

/// Puts a [`CartService`] together.
#[derive(Debug)]
pub struct CartServiceBuilder {
    store: Arc<dyn Store>,
    cache: Option<Arc<dyn CartCache>>,
    events: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    settings: Settings,
}

impl CartServiceBuilder {
    /// Serves reads from this cache. Without one, every read asks the database.
    #[must_use]
    pub fn cache(mut self, cache: Arc<dyn CartCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Tells new versions on this bus. Without one, only the listeners of this process hear of them.
    #[must_use]
    pub fn events(mut self, events: Arc<dyn EventBus>) -> Self {
        self.events = events;
        self
    }

    /// Takes the time from this clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Works like this.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts the service on the current tokio runtime, which must be multi-threaded and outlive it. Writes, whatever
    /// must be finished, and the connections for both live there; a batch of reads runs on the runtime of a caller.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> CartService {
        let (runtime, tasks, stop) = (Handle::current(), TaskTracker::new(), CancellationToken::new());
        let settings = self.settings;
        let shared = Arc::new(Shared {
            store: self.store,
            fencing: Fencing { cache: self.cache.clone(), pause: settings.gate.pause },
            cache: self.cache,
            events: self.events,
            policy: BatchPolicy { clock: self.clock, allow_unlisted: settings.allow_unlisted },
            figures: Figures::register(),
            demand: Demand::new(settings.store_written),
            runtime: runtime.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        });
        let misses: Run<Wanted, ()> = {
            let shared = Arc::clone(&shared);
            Arc::new(move |turn| Box::pin(read::run_misses(Arc::clone(&shared), turn)))
        };
        let writes: Run<CartRequest, Answered<Reply>> = {
            let shared = Arc::clone(&shared);
            Arc::new(move |turn| Box::pin(write::run(Arc::clone(&shared), turn)))
        };
        let limits = |batch, at_once, gathering| Limits {
            batch,
            waiting: settings.waiting,
            at_once,
            slow: SLOW,
            as_many_follow: false,
            gathering,
        };
        let misses = Combiner::new(
            1,
            limits(settings.read_batch, READ_TRANSACTIONS, Some(GATHERING)),
            &tasks,
            &misses,
        );
        let reads: Run<OwnerId, Answered<Read>> = {
            let (shared, misses) = (Arc::clone(&shared), Arc::new(misses));
            Arc::new(move |turn| Box::pin(read::run(Arc::clone(&shared), Arc::clone(&misses), turn)))
        };
        let readers =
            Combiner::new(settings.read_lanes, limits(settings.read_batch, 1, None), &tasks, &reads);
        let writers = Combiner::new(
            1,
            limits(settings.write_batch, settings.write_transactions, Some(GATHERING)),
            &tasks,
            &writes,
        );
        if let Some(cache) = shared.cache.as_ref().filter(|cache| cache.gated()) {
            let keeper = gate::keep(Arc::clone(&shared.store), Arc::clone(cache), settings.gate, stop);
            shared.spawn(keeper);
        }
        CartService { inner: Arc::new(Inner { shared, readers, writers }) }
    }
}

/// What a caller gets.
pub(crate) type Answered<T> = Result<T, CartServiceError>;

/// What reads and writes have in common.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cache: Option<Arc<dyn CartCache>>,
    pub(crate) policy: BatchPolicy,
    pub(crate) figures: Figures,
    pub(crate) demand: Demand,
    events: Arc<dyn EventBus>,
    pub(crate) fencing: Fencing,
    pub(crate) runtime: Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Shared {
    /// Runs to its end, whatever becomes of the caller; shutdown waits for it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// After a commit: stores the documents and tells the listeners, at the same time. Who is told before the document
    /// is there reads it from the database.
    pub(crate) fn spawn_finish(&self, values: Vec<StoreValue>, events: Vec<CartEvent>) {
        let (bus, cache) = (Arc::clone(&self.events), self.cache.clone());
        self.spawn(async move {
            let store = async {
                if let Some(cache) = cache
                    && !values.is_empty()
                {
                    cache.store(values).await;
                }
            };
            futures_util::join!(store, bus.publish(&events)); // polled in this order: the documents are sent first
        });
    }
}

/// Metrics of the hot paths, looked up once.
pub(crate) struct Figures {
    pub(crate) read_batch: Histogram,
    pub(crate) write_batch: Histogram,
    memory: Counter,
    replica: Counter,
    primary: Counter,
    pub(crate) misses: Counter,
    /// Carts that were written and then stored in the cache.
    pub(crate) stored: Counter,
    /// Carts that were written and left to readers.
    pub(crate) left: Counter,
    pub(crate) bypasses: Counter,
}

impl Figures {
    fn register() -> Self {
        let reads = |answered: &'static str| metrics::counter!("cartwright_cart_reads_total", "answered_by" => answered);
        let written = |cached_by: &'static str| metrics::counter!("cartwright_cart_written_total", "cached_by" => cached_by);
        Self {
            read_batch: metrics::histogram!("cartwright_cart_read_batch"),
            write_batch: metrics::histogram!("cartwright_cart_write_batch"),
            memory: reads("memory"),
            replica: reads("replica"),
            primary: reads("primary"),
            misses: reads("database_miss"),
            stored: written("writer"),
            left: written("readers"),
            bypasses: reads("database_bypass"),
        }
    }

    pub(crate) fn hits(&self, layer: Layer) -> &Counter {
        match layer {
            Layer::Memory => &self.memory,
            Layer::Replica => &self.replica,
            Layer::Primary => &self.primary,
        }
    }
}

struct Inner {
    shared: Arc<Shared>,
    readers: Combiner<OwnerId, Answered<Read>>,
    writers: Combiner<CartRequest, Answered<Reply>>,
}

/// Carts. A clone is the same service.
#[derive(Clone)]
pub struct CartService {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for CartService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CartService").field("cache", &self.inner.shared.cache).finish_non_exhaustive()
    }
}

impl CartService {
    /// A service on this store; add what else it should use, then [`start`](CartServiceBuilder::start).
    pub fn builder(store: Arc<dyn Store>) -> CartServiceBuilder {
        CartServiceBuilder {
            store,
            cache: None,
            events: Arc::new(EventHub::new()),
            clock: Arc::new(SystemClock),
            settings: Settings::default(),
        }
    }

    /// The cart as JSON: the newest version that was acknowledged before the call, or a later one. The cart of somebody
    /// who has none is empty and has version 0.
    ///
    /// # Errors
    /// [`CartServiceError::Storage`] when neither cache nor database can answer, [`CartServiceError::Overloaded`], and
    /// the errors of a shutdown.
    pub async fn read(&self, owner: &OwnerId) -> Result<Read, CartServiceError> {
        if let Some(cache) = &self.inner.shared.cache
            && let Some(document) = cache.peek(owner)
        {
            self.inner.shared.figures.memory.increment(1);
            return Ok(Read { document, source: Source::Cache(Layer::Memory) });
        }
        let accepted = self.accept()?;
        // On the caller's own runtime: where that is a single thread, no other has to be woken.
        let near = Handle::try_current();
        let runtime = &self.inner.shared.runtime;
        let answer = self.inner.readers.submit(owner.clone(), near.as_ref().unwrap_or(runtime));
        drop(accepted);
        match answer.await {
            // The runtime of another caller may have ended under it.
            Err(NotTaken::Lost) => self.inner.readers.submit(owner.clone(), runtime).await?,
            answer => answer?,
        }
    }

    /// The cart as a value, with the same promise as [`read`](Self::read).
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub async fn cart(&self, owner: &OwnerId) -> Result<Cart, CartServiceError> {
        let read = self.read(owner).await?;
        decode(&read.document.body).map_err(|error| unreadable(&error))
    }

    /// Carries out a command. Commands that arrive together go in one transaction. When the caller stops waiting after
    /// the batch was begun, the command is carried out all the same.
    ///
    /// # Errors
    /// [`CartServiceError`]; nothing was changed, except that [`CartServiceError::Storage`] and
    /// [`CartServiceError::Lost`] leave it open: an idempotency key makes it safe to try again.
    pub async fn execute(&self, request: CartRequest) -> Result<Reply, CartServiceError> {
        let accepted = self.accept()?;
        let answer = self.inner.writers.submit(request, &self.inner.shared.runtime);
        drop(accepted);
        answer.await?
    }

    /// What merging `from` into the cart of `into` would do, as both are now. Changes nothing. `expected`: the versions of the
    /// latter that the caller is prepared for; none: any.
    ///
    /// # Errors
    /// [`CartServiceError::Refused`] when the merge would be refused, and those of [`read`](Self::read).
    pub async fn preview_merge(
        &self,
        into: &OwnerId,
        from: &OwnerId,
        expected: &[u64],
    ) -> Result<MergePreview, CartServiceError> {
        let (target, source) = futures_util::future::try_join(self.cart(into), self.cart(from)).await?;
        let (mut target, mut source) = (target, source);
        if let Err(error) = target.expect_version(expected) {
            let current = encode(&target).map_err(|error| unreadable(&error))?;
            return Err(CartServiceError::Refused { error, current });
        }
        let merged = merge(&mut target, &mut source, self.inner.shared.policy.clock.now());
        let document = encode(&target).map_err(|error| unreadable(&error))?;
        match merged {
            Ok(report) => Ok(MergePreview { document, report }),
            Err(error) => Err(CartServiceError::Refused { error, current: document }),
        }
    }

    /// Hears of every new version of a cart, on whichever node it was written. Versions may be skipped: look at the cart
    /// when told.
    pub fn subscribe(&self, owner: &OwnerId) -> Subscription {
        self.inner.shared.events.subscribe(owner)
    }

    /// Whether the database answers and has the schema that is needed.
    ///
    /// # Errors
    /// [`CartServiceError::Storage`] says what is wrong.
    pub async fn ping(&self) -> Result<(), CartServiceError> {
        let store = Arc::clone(&self.inner.shared.store);
        let ping = self.inner.shared.runtime.spawn(async move { store.ping().await });
        match ping.await {
            Ok(answer) => answer.map_err(|error| CartServiceError::Storage(Arc::new(error))),
            Err(_lost) => Err(CartServiceError::Lost),
        }
    }

    /// The cache as this node sees it. `None`: there is none.
    pub fn cache_status(&self) -> Option<CacheStatus> {
        self.inner.shared.cache.as_ref().map(|cache| cache.status())
    }

    /// Refuses what is new, finishes what was accepted, and returns when that is done.
    pub async fn shutdown(&self) {
        self.inner.shared.stop.cancel();
        self.inner.shared.tasks.close();
        self.inner.shared.tasks.wait().await;
    }

    /// Shutdown waits while the token is held, which is until the request is in its lane; and it is taken before
    /// looking, so that no request slips in between.
    fn accept(&self) -> Result<TaskTrackerToken, CartServiceError> {
        let token = self.inner.shared.tasks.token();
        if self.inner.shared.stop.is_cancelled() { Err(CartServiceError::ShuttingDown) } else { Ok(token) }
    }
}

fn unreadable(error: &DocumentError) -> CartServiceError {
    CartServiceError::Storage(Arc::new(cartwright_storage::StorageError::unexpected(format!(
        "a cart document that cannot be read: {error}"
    ))))
}
