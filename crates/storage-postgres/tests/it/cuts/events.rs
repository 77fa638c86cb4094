//! The same of what is told.

use std::sync::Mutex;

use async_trait::async_trait;
use cartwright_storage::{
    Event, EventQuery, EventSink, EventStore, EventTypes, NewEvents, NewTarget, Publishing, Refused,
    TargetSecret, TargetStore,
};

use super::*;

/// What somebody outside was told.
#[derive(Default)]
struct Heard(Mutex<Vec<u64>>);

#[async_trait]
impl EventSink for Heard {
    async fn wanted(&self) -> Result<EventTypes, Refused> {
        Ok(EventTypes::ALL)
    }

    async fn publish(&self, events: &[Event]) -> Result<(), Refused> {
        self.0.lock().unwrap().extend(events.iter().map(|event| event.number));
        Ok(())
    }
}

async fn emit(store: &PostgresStore) -> bool {
    let mut events = NewEvents::new();
    for id in ["cup", "tea"] {
        events.stock_low(&product(id), 1, 5);
    }
    store.emit(&events, SystemClock.now()).await.is_ok()
}

/// A relay dies at each of its requests, and the next one takes over: each event has one number and one delivery.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_get_their_numbers_and_deliveries_once_wherever_a_relay_is_cut() {
    let shop = Shop::open().await;
    let target = NewTarget {
        url: "https://partner.example/hook".to_owned(),
        types: EventTypes::ALL,
        description: String::new(),
        enabled: true,
        secret: TargetSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
    };
    shop.whole.add_target(&target, 10, SystemClock.now()).await.unwrap();
    let written = Mutex::new(0);
    let act = async |store: &PostgresStore, case: usize| {
        let first = std::mem::replace(&mut *written.lock().unwrap(), case) < case;
        if first {
            assert!(emit(&shop.whole).await);
        }
        // Whoever was cut off may hold his turn for a moment: then nothing is numbered.
        let relayed = store.relay_events(100, SystemClock.now()).await;
        relayed.is_ok_and(|relayed| relayed.last == 2 * u64::try_from(case).unwrap())
    };
    let check = async |cases: usize| {
        let query = EventQuery { after: 0, types: EventTypes::ALL, owner: None, limit: 1_000 };
        let page = shop.whole.events(&query).await.unwrap();
        assert!(page.events.iter().map(|event| event.number).eq(1..=2 * u64::try_from(cases).unwrap()));
        let deliveries = shop.count("SELECT count(*) FROM jobs WHERE kind = 'webhook.deliver'").await;
        assert_eq!(deliveries, i64::try_from(2 * cases).unwrap());
    };
    shop.everywhere("a relay", act, check).await;
}

/// What is passed on is passed on in order, each at least once, and none is left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_passed_on_at_least_once_wherever_it_is_cut() {
    let shop = Shop::open().await;
    let (heard, written) = (Heard::default(), Mutex::new(0));
    let act = async |store: &PostgresStore, case: usize| {
        let first = std::mem::replace(&mut *written.lock().unwrap(), case) < case;
        if first {
            assert!(emit(&shop.whole).await);
            shop.whole.relay_events(100, SystemClock.now()).await.unwrap();
        }
        match store.publish_events(100, &heard).await {
            Ok(Publishing::Published { upto, .. }) => upto == 2 * u64::try_from(case).unwrap(),
            Ok(Publishing::Busy) | Err(_) => false,
            Ok(Publishing::Failed(error)) => panic!("{error}"),
        }
    };
    let check = async |cases: usize| {
        let heard = heard.0.lock().unwrap();
        let mut last = 0;
        for number in heard.iter() {
            assert!(*number <= last + 1, "none is left out: {heard:?}");
            last = last.max(*number);
        }
        assert_eq!(last, 2 * u64::try_from(cases).unwrap());
    };
    shop.everywhere("publishing", act, check).await;
}
