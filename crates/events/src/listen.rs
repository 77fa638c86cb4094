//! Somebody who hears events as they come, from a number on.

use std::{collections::VecDeque, sync::Arc};

use cartwright_storage::{Event, EventQuery};

use crate::{EventsError, Filter, hub::Subscription, service::Shared};

/// Events that a listener reads from the store at once.
const READ_AT_ONCE: u32 = 100;

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Something happened.
    Event(Arc<Event>),
    /// What was asked for is not there (any more), or too much has happened since: look at everything anew. What comes
    /// next is from after this number.
    Reset(u64),
}

/// Hears events one after the other, without a gap. Who is slow is not told faster: what he has not taken waits in the
/// store, and at most some dozens in memory.
pub struct Listener {
    shared: Arc<Shared>,
    filter: Filter,
    heard: Subscription,
    /// All up to this number was heard, is in `ready`, or is not wanted.
    cursor: u64,
    /// Read, and not taken yet.
    ready: VecDeque<Arc<Event>>,
    /// Whether everything up to now was read from the store.
    live: bool,
}

impl Listener {
    pub(crate) async fn start(
        shared: Arc<Shared>,
        filter: Filter,
        after: Option<u64>,
    ) -> Result<Self, EventsError> {
        let last = shared.store.event_figures(shared.clock.now()).await?.last;
        let heard = shared.hub.listen(filter.owner.as_ref(), last);
        shared.figures.listeners.increment(1.0);
        let cursor = after.unwrap_or(last);
        Ok(Self { shared, filter, heard, cursor, ready: VecDeque::new(), live: false })
    }

    /// Waits for the next. Cancel safe.
    ///
    /// # Errors
    /// [`EventsError::Storage`] when events could not be read; it may be tried again.
    pub async fn next(&mut self) -> Result<Heard, EventsError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Heard::Event(event));
            }
            if !self.live {
                if let Some(reset) = self.catch_up().await? {
                    return Ok(reset);
                }
                continue;
            }
            match self.heard.next().await {
                None => self.live = false,
                Some(event) if event.number <= self.cursor => {}
                Some(event) => {
                    self.cursor = event.number;
                    if self.filter.types.contains(event.kind) {
                        return Ok(Heard::Event(event));
                    }
                }
            }
        }
    }

    /// Reads on from the store.
    async fn catch_up(&mut self) -> Result<Option<Heard>, EventsError> {
        let Filter { types, owner } = self.filter.clone();
        let query = EventQuery { after: self.cursor, types, owner, limit: READ_AT_ONCE };
        let page = self.shared.store.events(&query).await?;
        // Events of one owner are searched for among all: not without end.
        let too_far = self.filter.owner.is_some()
            && page.last.saturating_sub(self.cursor) > self.shared.settings.look_back;
        if page.missed(self.cursor) || self.cursor > page.last || too_far {
            self.cursor = page.last;
            self.live = true;
            return Ok(Some(Heard::Reset(page.last)));
        }
        self.live = !page.has_more();
        self.cursor = page.looked;
        self.ready.extend(page.events.into_iter().map(Arc::new));
        Ok(None)
    }

    /// Up to which number all that is wanted was heard: from there a listener may go on who lost his connection. `None`:
    /// there is more to hear at the moment.
    pub fn position(&mut self) -> Option<u64> {
        if !self.live || !self.ready.is_empty() {
            return None;
        }
        self.cursor = self.cursor.max(self.heard.heard_up_to()?);
        Some(self.cursor)
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("filter", &self.filter)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.figures.listeners.decrement(1.0);
    }
}
