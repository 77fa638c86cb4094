//! What carts and orders tell of.

use std::sync::Arc;

use cartwright_storage::{Event, EventType};
use serde_json::{Value, json};

use crate::{
    Kit, RecordingFence,
    kit::{add, clear, merge},
};

/// Type, subject, owner and data of events.
fn said(events: &[Event]) -> Vec<(EventType, &str, Option<&str>, Value)> {
    let one = |event: &Event| -> Value { serde_json::from_str(event.data.get()).unwrap() };
    events
        .iter()
        .map(|event| {
            let owner = event.owner.as_ref().map(cartwright_domain::OwnerId::as_str);
            (event.kind, event.subject.as_str(), owner, one(event))
        })
        .collect()
}

fn cart(name: &str, version: u64, units: u64) -> (EventType, &str, Option<&str>, Value) {
    let (currency, total) =
        if units == 0 { (Value::Null, json!(0)) } else { (json!("EUR"), json!(2.5 * units as f64)) };
    let data = json!({"version": version, "currency": currency, "item_count": u64::from(units > 0),
        "total_quantity": units, "total_price": total});
    (EventType::CartUpdated, name, Some(name), data)
}

/// Each cart once for a transaction, as it is after it; nothing of what is refused, unchanged, or rolled back.
pub async fn carts_tell_of_each_new_version(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("ana", "tea", 2)).await;
    kit.run(&[add("bob", "tea", 1), add("ana", "tea", 1), add("ana", "tea", 3), add("eve", "none", 1)]).await;
    kit.done(clear("eve")).await;
    let refusing = RecordingFence::default();
    refusing.refuse(true);
    kit.store.execute_batch(&[add("ana", "tea", 1)], &kit.policy, &refusing).await.unwrap_err();
    kit.done(merge("ana", "bob")).await;
    kit.done(clear("ana")).await;
    let events = kit.events_after(0).await;
    assert_eq!(
        said(&events),
        [
            cart("ana", 1, 2),
            cart("ana", 3, 6),
            cart("bob", 1, 1),
            cart("ana", 4, 7),
            cart("bob", 2, 0),
            cart("ana", 5, 0),
        ]
    );
    assert!(events.iter().all(|event| event.at == cartwright_domain::Clock::now(&*kit.clock)));
}

/// Whoever writes them, and while others number.
pub async fn events_of_a_cart_are_in_the_order_of_its_versions(kit: Kit) {
    kit.list(&["tea"]).await;
    let kit = Arc::new(kit);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let kit = Arc::clone(&kit);
        tasks.spawn(async move {
            for n in 0..10 {
                kit.run(&[
                    add("ana", "tea", 1),
                    add(if (writer + n) % 2 == 0 { "bob" } else { "eve" }, "tea", 1),
                ])
                .await;
                kit.store.relay_events(3, cartwright_domain::Clock::now(&*kit.clock)).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let events = kit.events_after(0).await;
    assert_eq!(events.len(), 160);
    for name in ["ana", "bob", "eve"] {
        let versions = said(&events).into_iter().filter(|event| event.1 == name);
        let versions: Vec<u64> = versions.map(|event| event.3["version"].as_u64().unwrap()).collect();
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "{name}");
    }
}
