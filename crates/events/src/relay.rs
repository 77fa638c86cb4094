//! Numbers events, publishes them, and tells the hub.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use cartwright_cache::{Message, Publisher};
use cartwright_storage::{
    Event, EventQuery, EventSink, EventType, EventTypes, Publishing, Refused, StorageError,
};
use chrono::{DateTime, TimeDelta, Utc};
use metrics::Counter;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::service::Shared;

/// Events that are numbered in one transaction, about.
const NUMBERED_AT_ONCE: u32 = 3_000;
/// Events that are published, and read for listeners, at once.
const TOLD_AT_ONCE: u32 = 500;
/// How soon it goes on after it has done something: what happens meanwhile goes together.
const AFTER_WORK: Duration = Duration::from_millis(50);
/// How long nothing is tried after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// What is older is not published any more: whoever listens to channels wants to know what happens now.
const PUBLISHED_WITHIN: TimeDelta = TimeDelta::hours(1);

/// Warns once for each time that something stops working.
struct Trouble {
    what: &'static str,
    warned: bool,
}

impl Trouble {
    fn failed(&mut self, error: &(dyn std::error::Error + 'static)) {
        if self.warned {
            tracing::debug!(error, "{}", self.what);
        } else {
            tracing::warn!(error, "{}", self.what);
        }
        self.warned = true;
    }

    fn over(&mut self) {
        if std::mem::take(&mut self.warned) {
            tracing::info!("events go on");
        }
    }
}

/// Numbers what is committed, for ever. `last` is told how far numbers have come, whoever gave them.
pub(crate) async fn relay(shared: Arc<Shared>, last: watch::Sender<u64>) {
    let mut trouble = Trouble { what: "events are not numbered", warned: false };
    loop {
        match round(&shared, &last).await {
            Ok(next) => {
                trouble.over();
                match next {
                    Next::More => {}
                    Next::AfterWork => sleep(AFTER_WORK).await,
                    Next::Poll => sleep(shared.settings.poll).await,
                }
            }
            Err(error) => {
                shared.figures.not_numbered.increment(1);
                trouble.failed(&error);
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// When the next round is.
enum Next {
    /// At once: there is more than goes together.
    More,
    /// Something was numbered.
    AfterWork,
    /// There was nothing.
    Poll,
}

async fn round(shared: &Shared, last: &watch::Sender<u64>) -> Result<Next, StorageError> {
    let now = shared.clock.now();
    let figures = shared.store.event_figures(now).await?;
    shared.figures.show(&figures, shared.publisher.is_some());
    let before = *last.borrow();
    let mut newest = figures.last;
    let mut next = Next::Poll;
    let mut deliveries = 0;
    if figures.oldest_waiting.is_some() {
        let relayed = shared.store.relay_events(NUMBERED_AT_ONCE, now).await?;
        shared.figures.numbered.increment(relayed.events);
        newest = newest.max(relayed.last);
        deliveries = relayed.deliveries;
        if relayed.events > 0 {
            next = if relayed.more { Next::More } else { Next::AfterWork };
        }
    }
    if newest > before {
        last.send_replace(newest);
        // A store with one writer makes the deliveries with the events.
        if deliveries > 0 || matches!(next, Next::Poll) {
            shared.jobs.wake();
        }
    }
    Ok(next)
}

/// Publishes what is numbered, for ever.
pub(crate) async fn publish(
    shared: Arc<Shared>,
    publisher: Arc<dyn Publisher>,
    mut last: watch::Receiver<u64>,
) {
    let mut trouble = Trouble { what: "events are not published", warned: false };
    loop {
        let oldest = shared.clock.now() - PUBLISHED_WITHIN;
        let sink = Channels { publisher: &*publisher, oldest, published: &shared.figures.published };
        match shared.store.publish_events(TOLD_AT_ONCE, &sink).await {
            Ok(Publishing::Published { upto, last: newest }) => {
                trouble.over();
                if upto < newest {
                    continue;
                }
                // Who died while it was his turn has left something behind: it is looked at now and then.
                let _ = timeout(AFTER_FAILURE, last.changed()).await;
            }
            Ok(Publishing::Busy) => sleep(shared.settings.poll).await,
            Ok(Publishing::Failed(error)) => {
                shared.figures.not_published.increment(1);
                trouble.failed(&*error);
                sleep(AFTER_FAILURE).await;
            }
            Err(error) => {
                shared.figures.not_published.increment(1);
                trouble.failed(&error);
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

fn channel(kind: EventType) -> String {
    format!("events:{kind}")
}

/// A channel for each type of event.
struct Channels<'a> {
    publisher: &'a dyn Publisher,
    oldest: DateTime<Utc>,
    published: &'a Counter,
}

#[async_trait]
impl EventSink for Channels<'_> {
    async fn wanted(&self) -> Result<EventTypes, Refused> {
        let heard = self.publisher.heard(&EventType::ALL.map(channel)).await?;
        let wanted = EventType::ALL.into_iter().zip(heard).filter(|(_, heard)| *heard);
        Ok(wanted.fold(EventTypes::NONE, |all, (kind, _)| all.and(kind.into())))
    }

    async fn publish(&self, events: &[Event]) -> Result<(), Refused> {
        let message =
            |event: &Event| Message { channel: channel(event.kind), payload: Bytes::from(event.document()) };
        let messages: Vec<Message> =
            events.iter().filter(|event| event.at >= self.oldest).map(message).collect();
        if messages.is_empty() {
            return Ok(());
        }
        self.publisher.say(&messages).await?;
        self.published.increment(messages.len() as u64);
        Ok(())
    }
}

/// Tells the listeners of this process, for ever.
pub(crate) async fn tell(shared: Arc<Shared>, mut last: watch::Receiver<u64>) {
    let mut trouble = Trouble { what: "listeners do not hear of events", warned: false };
    loop {
        if last.changed().await.is_err() {
            return;
        }
        let newest = *last.borrow_and_update();
        while let Some(after) = shared.hub.wanted().filter(|after| *after < newest) {
            let query = EventQuery { after, types: EventTypes::ALL, owner: None, limit: TOLD_AT_ONCE };
            match shared.store.events(&query).await {
                Ok(page) => {
                    trouble.over();
                    shared.hub.tell(page.events, page.looked);
                }
                Err(error) => {
                    trouble.failed(&error);
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}
