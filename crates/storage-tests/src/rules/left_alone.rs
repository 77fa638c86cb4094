//! Carts that nobody has touched for long.

use cartwright_domain::Clock;
use cartwright_storage::{EventType, WalkPoint};
use chrono::TimeDelta;

use crate::{
    Kit,
    kit::{add, clear, owner},
};

impl Kit {
    /// Tells of carts that were left alone for a day, and returns whose.
    async fn abandoned(&self, limit: u32) -> (Vec<(String, u64)>, bool) {
        let before = self.events_after(0).await.len() as u64;
        let now = self.clock.now();
        let (told, more) = self.store.tell_abandoned(now - TimeDelta::hours(24), limit, now).await.unwrap();
        let events = self.events_after(before).await;
        assert_eq!(events.len() as u64, told);
        let one = |event: &cartwright_storage::Event| {
            assert_eq!(
                (event.kind, event.owner.as_ref()),
                (EventType::CartAbandoned, Some(&owner(&event.subject)))
            );
            let data: serde_json::Value = serde_json::from_str(event.data.get()).unwrap();
            assert_eq!(data["item_count"], 1);
            (event.subject.clone(), data["version"].as_u64().unwrap())
        };
        (events.iter().map(one).collect(), more)
    }
}

fn carts(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect()
}

/// Each version once, in portions, when a day has passed; not what was left alone before anybody asked, nor what is empty.
pub async fn abandoned_carts_are_told_of_once(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("old", "tea", 1)).await;
    kit.advance(TimeDelta::hours(30));
    assert_eq!(kit.abandoned(10).await, (vec![], false), "from now on");
    for name in ["ana", "bob", "eve", "zoe"] {
        kit.done(add(name, "tea", 1)).await;
    }
    kit.done(clear("eve")).await;
    assert_eq!(kit.abandoned(10).await, (vec![], false));
    kit.advance(TimeDelta::hours(2));
    kit.done(add("bob", "tea", 1)).await;
    kit.advance(TimeDelta::hours(23));
    assert_eq!(kit.abandoned(2).await, (carts(&[("ana", 1)]), true), "eve's is looked at, and empty");
    assert_eq!(kit.abandoned(2).await, (carts(&[("zoe", 1)]), false));
    assert_eq!(kit.abandoned(2).await, (vec![], false), "once");
    kit.advance(TimeDelta::hours(3));
    assert_eq!(kit.abandoned(2).await, (carts(&[("bob", 2)]), false));
    kit.done(add("ana", "tea", 1)).await;
    assert_eq!(kit.abandoned(2).await, (vec![], false));
    kit.advance(TimeDelta::hours(26));
    assert_eq!(kit.abandoned(2).await, (carts(&[("ana", 2)]), false), "another version");
}

/// Several at once tell of each cart once.
pub async fn concurrent_walks_tell_once(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.abandoned(10).await;
    kit.advance(TimeDelta::hours(2));
    for n in 0..40 {
        kit.done(add(&format!("u{n:02}"), "tea", 1)).await;
    }
    kit.advance(TimeDelta::hours(26));
    let now = kit.clock.now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = std::sync::Arc::clone(&kit.store);
        tasks.spawn(async move {
            for _ in 0..10 {
                store.tell_abandoned(now - TimeDelta::hours(24), 7, now).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let events = kit.events_after(0).await;
    let told: Vec<&str> = (events.iter())
        .filter(|event| event.kind == EventType::CartAbandoned)
        .map(|event| event.subject.as_str())
        .collect();
    assert_eq!(told, (0..40).map(|n| format!("u{n:02}")).collect::<Vec<_>>());
}

/// From the beginning, in portions, and from where it was said that it has come; each walk by itself.
pub async fn carts_are_walked_along_in_the_order_of_their_hours(kit: Kit) {
    kit.list(&["tea"]).await;
    for name in ["c", "a"] {
        kit.done(add(name, "tea", 1)).await;
    }
    kit.advance(TimeDelta::hours(1));
    kit.done(add("b", "tea", 2)).await;
    kit.done(add("d", "tea", 2)).await;
    kit.done(clear("d")).await;
    kit.advance(TimeDelta::hours(1));
    kit.done(add("e", "tea", 2)).await;
    let before = kit.clock.now();
    let names = |carts: &[cartwright_domain::Cart]| -> Vec<String> {
        carts.iter().map(|cart| cart.owner().to_string()).collect()
    };
    let first = kit.store.left_alone("w", before, 2).await.unwrap();
    assert_eq!((names(&first.carts), first.more), (vec!["a".to_owned(), "c".to_owned()], true));
    assert_eq!(first.carts[0], kit.store.load(&[owner("a")]).await.unwrap()[0]);
    assert_eq!(
        kit.store.left_alone("w", before, 2).await.unwrap(),
        first,
        "it was not said that it has come so far"
    );
    let upto = first.upto.unwrap();
    assert_eq!(upto.hour, WalkPoint::hour_of(first.carts[0].updated_at().unwrap()));
    kit.store.walked("w", &upto).await.unwrap();
    let second = kit.store.left_alone("w", before, 3).await.unwrap();
    assert_eq!(
        (names(&second.carts), second.more),
        (vec!["b".to_owned()], false),
        "d's is empty, and e's is young"
    );
    kit.store.walked("w", &second.upto.unwrap()).await.unwrap();
    kit.store.walked("w", &upto).await.unwrap();
    let end = kit.store.left_alone("w", before, 3).await.unwrap();
    assert_eq!((end.carts.len(), end.upto, end.more), (0, None, false), "never back");
    assert_eq!(names(&kit.store.left_alone("other", before, 9).await.unwrap().carts), ["a", "c", "b"]);
}
