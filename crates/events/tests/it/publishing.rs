//! Several nodes on one store, and what they publish.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cartwright_cache::{Message, Publisher, Unpublished};
use cartwright_events::{Filter, Heard};
use cartwright_storage::EventTypes;
use cartwright_testkit::eventually;
use tokio::time::{Instant, timeout};

use crate::kit::{Database, PATIENCE, open_policy, start, tell};

/// Channels that a test can listen to, and cut.
#[derive(Debug, Default)]
struct Channels {
    said: Mutex<Vec<(String, u64)>>,
    cut: AtomicBool,
}

#[async_trait]
impl Publisher for Channels {
    async fn heard(&self, channels: &[String]) -> Result<Vec<bool>, Unpublished> {
        Ok(vec![true; channels.len()])
    }

    async fn say(&self, messages: &[Message]) -> Result<(), Unpublished> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(Unpublished("cut".into()));
        }
        let mut said = self.said.lock().unwrap();
        for Message { channel, payload } in messages {
            let document: serde_json::Value = serde_json::from_slice(payload).unwrap();
            said.push((channel.clone(), document["id"].as_str().unwrap().parse().unwrap()));
        }
        Ok(())
    }
}

/// What a subscriber hears who leaves out what he has heard before.
fn first_heard(said: &[(String, u64)]) -> Vec<u64> {
    let mut heard: Vec<u64> = Vec::new();
    for (_, number) in said {
        if heard.last().is_none_or(|last| number > last) {
            heard.push(*number);
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_publish_everything_in_order_whoever_dies() {
    for database in Database::all().await {
        let channels = Arc::new(Channels::default());
        let publisher = || Some(Arc::clone(&channels) as Arc<dyn Publisher>);
        let (one, other) = (database.open().await, database.open().await);
        let (first, second) =
            (start(&one, open_policy(), publisher()), start(&other, open_policy(), publisher()));
        for n in 0..20 {
            tell(&one, "tea", 3).await;
            if n == 10 {
                // In the middle of whatever it does.
                first.shutdown().await;
                channels.cut.store(true, Ordering::SeqCst);
            }
            if n == 15 {
                channels.cut.store(false, Ordering::SeqCst);
            }
        }
        eventually(PATIENCE, async || first_heard(&channels.said.lock().unwrap()).last() == Some(&60)).await;
        let said = channels.said.lock().unwrap().clone();
        assert_eq!(first_heard(&said), (1..=60).collect::<Vec<_>>(), "no gap, and in order");
        assert!(said.iter().all(|(channel, _)| channel == "events:stock.low"));
        second.shutdown().await;
    }
}

/// On whichever node something happens, and whichever gives it its number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_of_every_node_hear_everything() {
    for database in Database::all().await {
        let (one, other) = (database.open().await, database.open().await);
        let (here, there) = (start(&one, open_policy(), None), start(&other, open_policy(), None));
        let everything = || Filter { types: EventTypes::ALL, owner: None };
        let mut listeners = [
            here.listen(everything(), None).await.unwrap(),
            there.listen(everything(), Some(0)).await.unwrap(),
        ];
        let telling = async {
            for n in 0..40 {
                tell(if n % 2 == 0 { &one } else { &other }, "tea", 2).await;
            }
        };
        let hearing = async {
            for listener in &mut listeners {
                for number in 1..=80 {
                    let heard = timeout(PATIENCE, listener.next()).await.unwrap().unwrap();
                    let Heard::Event(event) = heard else { panic!("{heard:?}") };
                    assert_eq!(event.number, number);
                }
            }
        };
        futures_util::join!(telling, hearing);
        let deadline = Instant::now() + PATIENCE;
        for listener in &mut listeners {
            while listener.position() != Some(80) {
                assert!(Instant::now() < deadline);
                // Whoever listens goes on listening.
                let more = timeout(Duration::from_millis(10), listener.next()).await;
                assert!(more.is_err(), "{more:?}");
            }
        }
        here.shutdown().await;
        there.shutdown().await;
    }
}
