//! Events: numbered, read, published, delivered, removed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use cartwright_domain::{Cart, Clock};
use cartwright_storage::{
    Event, EventPage, EventQuery, EventSink, EventType, EventTypes, GoodUntil, JobFilter, LastDelivery,
    NewEvents, NewTarget, Publishing, Refused, TargetChange, TargetId, TargetSecret, WebhookTarget,
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use crate::{
    Kit,
    kit::{PATIENCE, owner, product},
};

/// So many events of a product, which count on from a number.
fn stocks(name: &str, from: u32, events: u32) -> NewEvents {
    let mut new = NewEvents::new();
    for stock in from..from + events {
        new.stock_low(&product(name), stock, 9_999);
    }
    new
}

/// An event of each of these owners.
fn carts(owners: &[&str]) -> NewEvents {
    let mut new = NewEvents::new();
    for name in owners {
        new.cart_updated(&Cart::empty(owner(name)));
    }
    new
}

fn all_after(after: u64) -> EventQuery {
    EventQuery { after, types: EventTypes::ALL, owner: None, limit: 10_000 }
}

fn stock(event: &Event) -> u64 {
    let data: HashMap<String, u64> = serde_json::from_str(event.data.get()).unwrap();
    data["stock"]
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.number).collect()
}

impl Kit {
    async fn emit(&self, events: &NewEvents) {
        self.store.emit(events, self.clock.now()).await.unwrap();
    }

    /// Until there is nothing more to number.
    async fn relay(&self) -> u64 {
        loop {
            let relayed = self.store.relay_events(1_000, self.clock.now()).await.unwrap();
            if !relayed.more {
                return relayed.last;
            }
        }
    }

    async fn page(&self, query: &EventQuery) -> EventPage {
        self.store.events(query).await.unwrap()
    }

    /// All events after a number.
    pub(crate) async fn events_after(&self, after: u64) -> Vec<Event> {
        self.relay().await;
        let (mut events, mut query) = (Vec::new(), all_after(after));
        loop {
            let page = self.page(&query).await;
            let more = page.has_more();
            query.after = page.looked;
            events.extend(page.events);
            if !more {
                return events;
            }
        }
    }

    async fn target_of(&self, types: EventTypes) -> TargetId {
        let new = NewTarget {
            url: "https://hooks.example.com/".to_owned(),
            types,
            description: String::new(),
            enabled: true,
            secret: TargetSecret::new("whsec_1".to_owned()),
        };
        self.store.add_target(&new, 100, self.clock.now()).await.unwrap().unwrap().id
    }

    /// The keys of deliveries, in the order in which they were made.
    async fn deliveries(&self) -> Vec<String> {
        let filter = JobFilter { limit: 10_000, ..JobFilter::default() };
        let jobs = self.store.list_jobs(&filter).await.unwrap();
        jobs.into_iter().rev().map(|job| job.unique_key.unwrap()).collect()
    }
}

/// Rows of several events are read from anywhere, by type and by owner.
pub async fn events_are_numbered_and_read_from_anywhere(kit: Kit) {
    assert_eq!(kit.relay().await, 0);
    assert_eq!(kit.page(&all_after(0)).await, EventPage::default());
    kit.emit(&NewEvents::new()).await;
    kit.emit(&stocks("tea", 0, 3)).await;
    kit.emit(&carts(&["ana", "bob", "ana"])).await;
    kit.emit(&stocks("tea", 3, 1)).await;
    assert_eq!(kit.relay().await, 7);
    let events = kit.events_after(0).await;
    assert_eq!(numbers(&events), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!([stock(&events[0]), stock(&events[2]), stock(&events[6])], [0, 2, 3]);
    assert!(events.iter().all(|event| event.at == kit.clock.now()));
    assert_eq!((events[4].kind, events[4].subject.as_str()), (EventType::CartUpdated, "bob"));
    assert_eq!(events[4].owner, Some(owner("bob")));
    for after in 0..9 {
        for limit in 1..4 {
            let page = kit.page(&EventQuery { limit, ..all_after(after) }).await;
            let expected: Vec<u64> = (after + 1..=7).take(limit as usize).collect();
            assert_eq!(numbers(&page.events), expected, "{limit} after {after}");
            assert_eq!((page.last, page.removed), (7, 0));
            let looked = expected.last().copied().unwrap_or(after.max(7));
            assert!(page.looked >= looked, "{limit} after {after}: {}", page.looked);
            assert!(page.events.len() == limit as usize || !page.has_more(), "{limit} after {after}");
        }
    }
    let of_type = EventQuery { types: EventType::StockLow.into(), ..all_after(1) };
    let page = kit.page(&of_type).await;
    assert_eq!((numbers(&page.events), page.looked), (vec![2, 3, 7], 7));
    let of_ana = EventQuery { owner: Some(owner("ana")), ..all_after(0) };
    let page = kit.page(&of_ana).await;
    assert_eq!((numbers(&page.events), page.looked), (vec![4, 6], 7));
    let of_none = EventQuery { types: EventType::OrderCreated.into(), ..all_after(0) };
    let page = kit.page(&of_none).await;
    assert_eq!((page.events.len(), page.looked), (0, 7));
    assert!(kit.page(&all_after(u64::MAX)).await.events.is_empty());
}

/// More rows than are looked at in one go.
pub async fn a_search_for_rare_events_goes_on_where_it_ended(kit: Kit) {
    for n in 0..EventQuery::ROWS + 20 {
        kit.emit(&stocks("tea", n, 1)).await;
    }
    kit.emit(&carts(&["ana"])).await;
    kit.relay().await;
    let mut query = EventQuery { types: EventType::CartUpdated.into(), ..all_after(0) };
    let page = kit.page(&query).await;
    assert_eq!((page.events.len(), page.looked), (0, EventQuery::ROWS.into()));
    assert!(page.has_more());
    query.after = page.looked;
    let page = kit.page(&query).await;
    assert_eq!(numbers(&page.events), [u64::from(EventQuery::ROWS) + 21]);
    assert!(!page.has_more());
}

/// Whoever writes, and however many number: no gap, nothing twice, and what one has written is in its order.
pub async fn concurrent_events_are_numbered_once_and_without_gaps(kit: Kit) {
    const WRITERS: u32 = 6;
    const TIMES: u32 = 20;
    let kit = Arc::new(kit);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let kit = Arc::clone(&kit);
        tasks.spawn(async move {
            for n in 0..TIMES {
                kit.emit(&stocks(&format!("p{writer}"), n * 3, 3)).await;
            }
        });
    }
    for _ in 0..3 {
        let kit = Arc::clone(&kit);
        tasks.spawn(async move {
            let mut seen = 0;
            for _ in 0..TIMES {
                kit.store.relay_events(7, kit.clock.now()).await.unwrap();
                // What can be seen never has a gap.
                let page = kit.page(&all_after(seen)).await;
                assert_eq!(numbers(&page.events), (seen + 1..=page.looked).collect::<Vec<_>>());
                seen = page.looked;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let events = kit.events_after(0).await;
    assert_eq!(numbers(&events), (1..=u64::from(WRITERS * TIMES * 3)).collect::<Vec<_>>());
    for writer in 0..WRITERS {
        let own = events.iter().filter(|event| event.subject == format!("p{writer}"));
        assert!(own.map(stock).eq(0..u64::from(TIMES * 3)), "in the order in which they were written");
    }
}

/// Events become jobs when they are numbered: for those that listen at that time, of what they want, once.
pub async fn each_target_gets_a_delivery_of_what_it_wants(kit: Kit) {
    kit.emit(&stocks("tea", 0, 1)).await;
    kit.relay().await;
    let all = kit.target_of(EventTypes::ALL).await;
    let of_carts = kit.target_of(EventType::CartUpdated.into()).await;
    let off = kit.target_of(EventTypes::ALL).await;
    let disable = TargetChange { enabled: Some(false), ..TargetChange::default() };
    kit.store.change_target(off, &disable, kit.clock.now()).await.unwrap().unwrap();
    kit.emit(&stocks("tea", 1, 2)).await;
    let mut mixed = carts(&["ana"]);
    mixed.stock_low(&product("tea"), 3, 9);
    kit.emit(&mixed).await;
    kit.relay().await;
    kit.relay().await;
    let mut made = kit.deliveries().await;
    made.sort();
    let mut expected = vec![
        format!("webhook:{all}:2"),
        format!("webhook:{all}:3"),
        format!("webhook:{all}:4"),
        format!("webhook:{all}:5"),
        format!("webhook:{of_carts}:4"),
    ];
    expected.sort();
    assert_eq!(made, expected);
    assert!(kit.store.remove_target(all).await.unwrap() && !kit.store.remove_target(all).await.unwrap());
    kit.emit(&stocks("tea", 4, 1)).await;
    kit.relay().await;
    assert_eq!(kit.deliveries().await.len(), expected.len());
}

/// Takes what it gets, when it may.
#[derive(Default)]
struct Heard {
    events: Mutex<Vec<u64>>,
    /// Of events of these types. None unless said.
    wanted: EventTypes,
    refuses: bool,
    /// Says that it was asked, and waits for ever.
    asked: Option<Notify>,
}

#[async_trait]
impl EventSink for Heard {
    async fn wanted(&self) -> Result<EventTypes, Refused> {
        Ok(self.wanted)
    }

    async fn publish(&self, events: &[Event]) -> Result<(), Refused> {
        if self.refuses {
            return Err("not now".into());
        }
        self.events.lock().unwrap().extend(numbers(events));
        if let Some(asked) = &self.asked {
            asked.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// In order; by one at a time; and again from where it is known to have come, when the one who did it is gone.
pub async fn events_are_published_in_order_and_again_after_a_death(kit: Kit) {
    let all = || Heard { wanted: EventTypes::ALL, ..Heard::default() };
    kit.emit(&stocks("tea", 0, 3)).await;
    kit.emit(&stocks("tea", 3, 3)).await;
    kit.relay().await;
    let refusing = Heard { refuses: true, ..all() };
    let refused = kit.store.publish_events(4, &refusing).await.unwrap();
    assert!(matches!(refused, Publishing::Failed(_)), "{refused:?}");
    let heard = all();
    let published = kit.store.publish_events(4, &heard).await.unwrap();
    assert!(matches!(published, Publishing::Published { upto: 4, last: 6 }), "{published:?}");

    let doomed = Arc::new(Heard { asked: Some(Notify::new()), ..all() });
    let publishing = {
        let (store, doomed) = (Arc::clone(&kit.store), Arc::clone(&doomed));
        tokio::spawn(async move { store.publish_events(4, &*doomed).await })
    };
    tokio::time::timeout(PATIENCE, doomed.asked.as_ref().unwrap().notified()).await.unwrap();
    let busy = kit.store.publish_events(4, &heard).await.unwrap();
    assert!(matches!(busy, Publishing::Busy), "{busy:?}");
    publishing.abort();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while matches!(kit.store.publish_events(4, &heard).await.unwrap(), Publishing::Busy) {
        assert!(tokio::time::Instant::now() < deadline, "its turn ends with it");
        tokio::task::yield_now().await;
    }
    assert_eq!(*doomed.events.lock().unwrap(), [5, 6]);
    assert_eq!(*heard.events.lock().unwrap(), [1, 2, 3, 4, 5, 6]);
    let nothing = kit.store.publish_events(4, &refusing).await.unwrap();
    assert!(matches!(nothing, Publishing::Published { upto: 6, last: 6 }), "{nothing:?}");
    let figures = kit.store.event_figures(kit.clock.now()).await.unwrap();
    assert_eq!((figures.last, figures.published, figures.removed), (6, 6, 0));
}

/// What has its number when nobody wants it is gone for whoever comes later; of the rest he gets what he wants.
pub async fn events_that_nobody_wants_are_passed_over(kit: Kit) {
    let nobody = Heard { refuses: true, ..Heard::default() };
    kit.emit(&stocks("tea", 0, 3)).await;
    kit.relay().await;
    let passed = kit.store.publish_events(2, &nobody).await.unwrap();
    assert!(matches!(passed, Publishing::Published { upto: 3, last: 3 }), "{passed:?}");

    kit.emit(&stocks("tea", 3, 2)).await;
    kit.relay().await;
    let others = Heard { wanted: EventType::OrderCreated.into(), refuses: true, ..Heard::default() };
    let passed = kit.store.publish_events(9, &others).await.unwrap();
    assert!(matches!(passed, Publishing::Published { upto: 5, last: 5 }), "{passed:?}");

    kit.emit(&stocks("tea", 5, 2)).await;
    kit.relay().await;
    let somebody = Heard { wanted: EventType::StockLow.into(), ..Heard::default() };
    let published = kit.store.publish_events(9, &somebody).await.unwrap();
    assert!(matches!(published, Publishing::Published { upto: 7, last: 7 }), "{published:?}");
    assert_eq!(*somebody.events.lock().unwrap(), [6, 7]);
}

/// The oldest first; who reads from before is told.
pub async fn old_events_are_removed_in_portions(kit: Kit) {
    for n in 0..4 {
        kit.emit(&stocks("tea", n * 2, 2)).await;
        kit.relay().await;
        kit.advance(TimeDelta::hours(1));
    }
    let now = kit.clock.now();
    assert_eq!(kit.store.clean_events(now - TimeDelta::hours(9), 10).await.unwrap(), 0);
    let before = now - TimeDelta::minutes(90);
    assert_eq!(kit.store.clean_events(before, 2).await.unwrap(), 2);
    assert_eq!(kit.store.clean_events(before, 2).await.unwrap(), 1);
    assert_eq!(kit.store.clean_events(before, 2).await.unwrap(), 0);
    let page = kit.page(&all_after(0)).await;
    assert_eq!((numbers(&page.events), page.removed), (vec![7, 8], 6));
    assert!(page.missed(0) && page.missed(5) && !page.missed(6));
    let published = kit.store.publish_events(10, &Heard::default()).await.unwrap();
    assert!(matches!(published, Publishing::Published { upto: 8, last: 8 }), "{published:?}");
    assert_eq!(kit.store.clean_events(now, 9).await.unwrap(), 1);
    assert_eq!(kit.page(&all_after(3)).await, EventPage { events: vec![], looked: 8, last: 8, removed: 8 });
    kit.emit(&stocks("tea", 9, 1)).await;
    assert_eq!(numbers(&kit.events_after(8).await), [9], "no number comes again");
}

/// A receiver says that it wants no more, and meanwhile somebody gives the target another URL, or enables it again: what was
/// repaired goes on.
pub async fn what_was_changed_meanwhile_is_not_gone(kit: Kit) {
    let new = NewTarget {
        url: "https://hooks.example.com/old".to_owned(),
        types: EventTypes::ALL,
        description: String::new(),
        enabled: true,
        secret: TargetSecret::new("whsec_1".to_owned()),
    };
    let mut read = kit.store.add_target(&new, 1, kit.clock.now()).await.unwrap().unwrap();
    let moved =
        TargetChange { url: Some("https://hooks.example.com/new".to_owned()), ..TargetChange::default() };
    let enabled = TargetChange { enabled: Some(true), ..TargetChange::default() };
    for (event, change) in [(1, moved), (2, enabled)] {
        kit.advance(TimeDelta::microseconds(1));
        let changed = kit.store.change_target(read.id, &change, kit.clock.now()).await.unwrap().unwrap();
        let error = Some("410 Gone".to_owned());
        let late = LastDelivery { at: kit.clock.now(), event, status: Some(410), error };
        kit.store.note_delivery(read.id, &late, Some(read.updated_at)).await.unwrap();
        let noted = kit.store.target(read.id).await.unwrap().unwrap();
        assert_eq!((noted.enabled, &noted.disabled_because, &noted.last), (true, &None, &Some(late.clone())));
        kit.store.note_delivery(read.id, &late, Some(changed.updated_at)).await.unwrap();
        let noted = kit.store.target(read.id).await.unwrap().unwrap();
        assert_eq!(
            (noted.enabled, noted.disabled_because, noted.last),
            (false, late.error.clone(), Some(late))
        );
        read = changed;
    }
    // Nor is it said of one that an operator has disabled that its receiver did.
    kit.advance(TimeDelta::microseconds(1));
    let disable = TargetChange { enabled: Some(false), ..TargetChange::default() };
    kit.store.change_target(read.id, &disable, kit.clock.now()).await.unwrap();
    let late =
        LastDelivery { at: kit.clock.now(), event: 3, status: Some(410), error: Some("410 Gone".to_owned()) };
    kit.store.note_delivery(read.id, &late, Some(read.updated_at)).await.unwrap();
    let noted = kit.store.target(read.id).await.unwrap().unwrap();
    assert_eq!((noted.enabled, noted.disabled_because), (false, None));
}

fn secret(text: &str) -> TargetSecret {
    TargetSecret::new(text.to_owned())
}

/// Each that was replaced is kept with its own time, until a list comes without it; and one is replaced once.
async fn secrets_come_and_go(kit: &Kit, made: &WebhookTarget, at: DateTime<Utc>) {
    let hours = |hours| at + TimeDelta::hours(hours);
    let rotate = async |present: &str, new: &str, previous: &[GoodUntil]| {
        let (present, new) = (secret(present), secret(new));
        let rotated = kit.store.rotate_secret(made.id, &present, &new, previous, at).await.unwrap()?;
        assert_eq!((&rotated.secret, rotated.updated_at), (&new, at));
        assert_eq!(kit.store.target(made.id).await.unwrap(), Some(rotated.clone()));
        Some(rotated.previous)
    };
    let first = [(secret("whsec_1"), hours(1))];
    assert_eq!(rotate("whsec_1", "whsec_2", &first).await.unwrap(), first);
    let both = [(secret("whsec_2"), hours(2)), first[0].clone()];
    assert_eq!(rotate("whsec_2", "whsec_3", &both).await.unwrap(), both);
    assert_eq!(rotate("whsec_2", "whsec_4", &first).await, None, "it was replaced already");
    let three = [(secret("whsec_3"), hours(3)), both[0].clone(), both[1].clone()];
    assert_eq!(rotate("whsec_3", "whsec_5", &three).await.unwrap(), three);
    assert_eq!(rotate("whsec_5", "whsec_6", &[]).await.unwrap(), []);
}

/// As they were made and changed; secrets come and go.
pub async fn targets_are_kept_exactly(kit: Kit) {
    let now = kit.clock.now();
    let new = NewTarget {
        url: "https://hooks.example.com/a?key=\u{fc}'\"".to_owned(),
        types: [EventType::OrderCreated, EventType::OrderChanged].into_iter().collect(),
        description: "the ☕ warehouse's".to_owned(),
        enabled: false,
        secret: TargetSecret::new("whsec_1".to_owned()),
    };
    let made = kit.store.add_target(&new, 2, now).await.unwrap().unwrap();
    assert_eq!((made.url.as_str(), made.types, made.enabled), (new.url.as_str(), new.types, false));
    assert_eq!((made.description.as_str(), made.secret.expose()), (new.description.as_str(), "whsec_1"));
    assert_eq!((made.created_at, made.updated_at, made.last.clone()), (now, now, None));
    assert_eq!(kit.store.target(made.id).await.unwrap(), Some(made.clone()));
    let second = kit.store.add_target(&new, 2, now).await.unwrap().unwrap();
    assert_eq!(kit.store.add_target(&new, 2, now).await.unwrap(), None, "there are two");
    assert_eq!(kit.store.targets().await.unwrap(), [made.clone(), second.clone()]);

    kit.advance(TimeDelta::seconds(1));
    let later = kit.clock.now();
    let change =
        TargetChange { enabled: Some(true), types: Some(EventTypes::ALL), ..TargetChange::default() };
    let changed = kit.store.change_target(made.id, &change, later).await.unwrap().unwrap();
    assert_eq!((changed.enabled, changed.types, changed.updated_at), (true, EventTypes::ALL, later));
    assert_eq!((changed.url, changed.description), (made.url.clone(), made.description.clone()));
    secrets_come_and_go(&kit, &made, later).await;

    let went = LastDelivery { at: later, event: 7, status: Some(200), error: None };
    kit.store.note_delivery(made.id, &went, None).await.unwrap();
    let earlier = LastDelivery { at: now, event: 6, status: Some(500), error: Some("no".to_owned()) };
    kit.store.note_delivery(made.id, &earlier, None).await.unwrap();
    let noted = kit.store.target(made.id).await.unwrap().unwrap();
    assert_eq!((noted.last, noted.enabled), (Some(went), true));
    let gone = LastDelivery { at: later, event: 8, status: Some(410), error: Some("gone".to_owned()) };
    kit.store.note_delivery(made.id, &gone, Some(noted.updated_at)).await.unwrap();
    let noted = kit.store.target(made.id).await.unwrap().unwrap();
    assert_eq!((noted.last, noted.enabled), (Some(gone), false));
    assert_eq!(noted.disabled_because.as_deref(), Some("gone"));
    let enable = TargetChange { enabled: Some(true), ..TargetChange::default() };
    let enabled = kit.store.change_target(made.id, &enable, later).await.unwrap().unwrap();
    assert_eq!((enabled.enabled, enabled.disabled_because), (true, None));

    assert!(kit.store.remove_target(second.id).await.unwrap());
    let none = TargetId(second.id.0);
    assert_eq!(kit.store.target(none).await.unwrap(), None);
    assert_eq!(kit.store.change_target(none, &enable, later).await.unwrap(), None);
    let rotated =
        kit.store.rotate_secret(none, &second.secret, &secret("whsec_9"), &[], later).await.unwrap();
    assert_eq!(rotated, None);
    kit.store.note_delivery(none, &earlier, Some(later)).await.unwrap();
    let third = kit.store.add_target(&new, 2, now).await.unwrap().unwrap();
    assert!(third.id > second.id, "no number comes again");
}
