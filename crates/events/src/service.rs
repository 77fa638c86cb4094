use std::{sync::Arc, time::Duration};

use cartwright_cache::Publisher;
use cartwright_domain::{Clock, OwnerId};
use cartwright_jobs::JobQueue;
use cartwright_storage::{Event, EventQuery, EventTypes, ShopStore};
use cartwright_webhooks::Sender;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{EventsError, Listener, figures::Figures, hub::Hub, relay};

/// How often the store is looked into for one list.
const LOOKS: u32 = 20;

/// How the service works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long it is not looked whether something has happened, when nothing has.
    pub poll: Duration,
    /// How far back, in events of everybody, a listener of one owner's events may go on from.
    pub look_back: u64,
    /// How long a secret is good after another one was made.
    pub overlap: Duration,
    /// How many webhook targets there may be.
    pub targets: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(50),
            look_back: 100_000,
            overlap: Duration::from_secs(24 * 3600),
            targets: 100,
        }
    }
}

/// What a service is made of.
pub struct Parts {
    /// Where events are.
    pub store: Arc<dyn ShopStore>,
    /// Where deliveries wait.
    pub jobs: JobQueue,
    /// Channels outside of this process. `None`: there are none.
    pub publisher: Option<Arc<dyn Publisher>>,
    /// Sends webhooks, where that is allowed. `None`: nobody can.
    pub sender: Option<Sender>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How it works.
    pub settings: Settings,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn ShopStore>,
    pub(crate) jobs: JobQueue,
    pub(crate) publisher: Option<Arc<dyn Publisher>>,
    pub(crate) sender: Option<Sender>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) hub: Arc<Hub>,
    pub(crate) figures: Figures,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Shared {
    pub(crate) fn sender(&self) -> Result<&Sender, EventsError> {
        self.sender.as_ref().ok_or(EventsError::NoSender)
    }

    /// Runs it until the service stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled_owned(task).await });
    }
}

/// Which events somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Of these types.
    pub types: EventTypes,
    /// Of this owner. `None`: of anybody, and nobody's.
    pub owner: Option<OwnerId>,
}

/// A part of the events.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// In the order of their numbers.
    pub events: Vec<Event>,
    /// After this number the list goes on. `None`: there was no more.
    pub next: Option<u64>,
    /// The number of the last event that there was, wanted or not.
    pub last: u64,
}

/// Events. A clone is the same service.
#[derive(Clone)]
pub struct EventService {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for EventService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventService").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl EventService {
    /// Starts the service on the current tokio runtime, which must outlive it: from now on this process numbers and
    /// publishes events, when it is its turn.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(parts: Parts) -> Self {
        let Parts { store, jobs, publisher, sender, clock, settings } = parts;
        let shared = Arc::new(Shared {
            store,
            jobs,
            publisher,
            sender,
            clock,
            settings,
            hub: Arc::default(),
            figures: Figures::register(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let (newest, last) = watch::channel(0);
        shared.spawn(relay::tell(Arc::clone(&shared), last.clone()));
        if let Some(publisher) = shared.publisher.clone() {
            shared.spawn(relay::publish(Arc::clone(&shared), publisher, last));
        }
        shared.spawn(relay::relay(Arc::clone(&shared), newest));
        Self { shared }
    }

    /// Stops numbering and publishing. What is under way is given up, as when the process dies: another one, or the next,
    /// goes on.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// A part of the events, which may be fewer than wanted although there are more. `after`: those after this number;
    /// `None`: from the oldest that there is.
    ///
    /// # Errors
    /// [`EventsError::Gone`] when some after the number were removed, [`EventsError::Ahead`] when there is no event of that
    /// number yet, [`EventsError::Storage`] when they could not be read.
    pub async fn list(&self, filter: &Filter, after: Option<u64>, limit: u32) -> Result<Listed, EventsError> {
        let Filter { types, owner } = filter.clone();
        let mut query = EventQuery { after: after.unwrap_or_default(), types, owner, limit };
        let (mut events, mut more, mut last) = (Vec::new(), false, 0);
        // Few may be wanted among many: not all of them are looked at for one answer.
        for _ in 0..LOOKS {
            let page = self.shared.store.events(&query).await?;
            let from = query.after;
            match after {
                Some(after) if after > page.last => return Err(EventsError::Ahead { last: page.last }),
                Some(_) if page.missed(from) => return Err(EventsError::Gone { removed: page.removed }),
                _ => {}
            }
            (more, last) = (page.has_more(), page.last);
            query.after = page.looked;
            query.limit = query.limit.saturating_sub(u32::try_from(page.events.len()).unwrap_or(u32::MAX));
            events.extend(page.events);
            if query.limit == 0 || !more {
                break;
            }
        }
        Ok(Listed { events, next: more.then_some(query.after), last })
    }

    /// Listens to events after a number; `None`: from now on.
    ///
    /// # Errors
    /// [`EventsError::Storage`] when it could not be read where events are.
    pub async fn listen(&self, filter: Filter, after: Option<u64>) -> Result<Listener, EventsError> {
        Listener::start(Arc::clone(&self.shared), filter, after).await
    }
}
