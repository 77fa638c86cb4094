//! What carts and orders tell of.

use std::sync::Arc;

use cartwright_domain::OrderStatus;
use cartwright_storage::{Event, EventType, Placed};
use serde_json::{Value, json};

use crate::{
    Kit, RecordingFence,
    buying::{ALL, buy, checkout},
    claim,
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

/// Made and changed; a checkout tells of the empty cart, too; a replay, a refusal and a step that leads nowhere of nothing.
pub async fn orders_tell_what_becomes_of_them(kit: Kit) {
    kit.offer(&[("tea", 100), ("cup", 100)]).await;
    let mut request = buy("ana", &[("tea", 2), ("cup", 1)]);
    request.claim = Some(claim("k", b"x"));
    let order = kit.bought(request.clone()).await;
    assert!(matches!(kit.place(request).await, Placed::Replayed(_)));
    kit.refused(buy("ana", &[("tea", 1_000)])).await;
    kit.done(add("bob", "tea", 3)).await;
    let bought = kit.bought(checkout("bob", 1)).await;
    kit.step(order.id, OrderStatus::Cancelled).await;
    kit.step(order.id, OrderStatus::Cancelled).await;
    kit.step(order.id, OrderStatus::Processing).await;
    let events = kit.events_after(0).await;
    let (first, second) = (order.id.to_string(), bought.id.to_string());
    assert_eq!(
        said(&events),
        [
            (
                EventType::OrderCreated,
                &*first,
                Some("ana"),
                json!({"status": "pending", "currency": "EUR", "total_price": 7.5, "cart_version": null,
                    "items": [{"product_id": "tea", "quantity": 2}, {"product_id": "cup", "quantity": 1}]})
            ),
            cart("bob", 1, 3),
            cart("bob", 2, 0),
            (
                EventType::OrderCreated,
                &*second,
                Some("bob"),
                json!({"status": "pending", "currency": "EUR", "total_price": 7.5, "cart_version": 1,
                    "items": [{"product_id": "tea", "quantity": 3}]})
            ),
            (
                EventType::OrderChanged,
                &*first,
                Some("ana"),
                json!({"from": "pending", "status": "cancelled", "currency": "EUR", "total_price": 7.5,
                    "reason": "to cancelled"})
            ),
        ]
    );
}

impl Kit {
    async fn told_of_stock(&self) -> Vec<(String, Value)> {
        let events = self.events_after(0).await;
        let low = said(&events).into_iter().filter(|event| event.0 == EventType::StockLow);
        low.map(|(_, product, owner, data)| {
            assert_eq!(owner, None);
            (product.to_owned(), data)
        })
        .collect()
    }
}

/// When an order takes it below the threshold, by whichever way of getting at stock.
pub async fn low_stock_is_told_when_it_comes_to_be(kit: Kit) {
    for (n, locking) in ALL.into_iter().enumerate() {
        let names = ["tea", "cup", "pot"].map(|name| format!("{name}{n}"));
        let [tea, cup, pot] = names.each_ref().map(String::as_str);
        kit.offer(&[(tea, 7), (cup, 100), (pot, 3)]).await;
        let before = kit.told_of_stock().await.len();
        kit.place_by(locking, &[buy("ana", &[(tea, 2)])]).await;
        assert_eq!(kit.told_of_stock().await.len(), before, "five are enough");
        kit.place_by(locking, &[buy("ana", &[(tea, 1), (pot, 1)]), buy("bob", &[(cup, 96)])]).await;
        kit.place_by(locking, &[buy("ana", &[(tea, 1), (cup, 1)])]).await;
        let mut told = kit.told_of_stock().await.split_off(before);
        told.sort_by(|a, b| a.0.cmp(&b.0));
        let low = |product: &str| (product.to_owned(), json!({"stock": 4, "threshold": 5}));
        assert_eq!(told, [low(cup), low(tea)], "{locking:?}");
    }
}

/// Also when many buy at the same time, in whatever order they come.
pub async fn low_stock_is_told_once_whoever_buys(kit: Kit) {
    kit.offer(&[("tea", 60)]).await;
    let kit = Arc::new(kit);
    let mut tasks = tokio::task::JoinSet::new();
    for (n, locking) in ALL.into_iter().cycle().take(12).enumerate() {
        let kit = Arc::clone(&kit);
        tasks.spawn(async move {
            for _ in 0..5 {
                kit.place_by(locking, &[buy(&format!("buyer-{n}"), &[("tea", 1)])]).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(kit.units("tea").await, 0);
    let told = kit.told_of_stock().await;
    assert_eq!(told, [("tea".to_owned(), json!({"stock": 4, "threshold": 5}))]);
    let orders = kit.events_after(0).await;
    assert_eq!(orders.iter().filter(|event| event.kind == EventType::OrderCreated).count(), 60);
}

/// With what is in them, in the transaction that notes it; again after a renewal.
pub async fn expiring_holds_are_told_of(kit: Kit) {
    kit.offer(&[("tea", 90), ("cup", 90)]).await;
    let hold = kit.held("ana", &[("tea", 2), ("cup", 1)]).await;
    let now = cartwright_domain::Clock::now(&*kit.clock);
    let by = hold.expires_at + chrono::TimeDelta::seconds(1);
    for _ in 0..2 {
        kit.store.holds_expiring(now, by, 9).await.unwrap();
    }
    let renewed = kit.renewed(hold.id).await;
    kit.store.holds_expiring(now, renewed.expires_at, 9).await.unwrap();
    let told = kit.events_after(0).await;
    let id = hold.id.to_string();
    let one = |expires_at: chrono::DateTime<chrono::Utc>| {
        let expires_at = expires_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let items = json!([{"product_id": "tea", "quantity": 2}, {"product_id": "cup", "quantity": 1}]);
        (EventType::HoldExpiring, &*id, Some("ana"), json!({"expires_at": expires_at, "items": items}))
    };
    assert_eq!(said(&told), [one(hold.expires_at), one(renewed.expires_at)]);
}

/// As orders do; what becomes of them later takes nothing.
pub async fn holds_tell_of_the_stock_that_they_leave_low(kit: Kit) {
    kit.offer(&[("tea", 7), ("cup", 9)]).await;
    let hold = kit.held("ana", &[("tea", 3), ("cup", 4)]).await;
    let low = [("tea".to_owned(), json!({"stock": 4, "threshold": 5}))];
    assert_eq!(kit.told_of_stock().await, low);
    kit.held("bob", &[("tea", 1)]).await;
    kit.renewed(hold.id).await;
    kit.release(hold.id).await;
    assert_eq!(kit.told_of_stock().await, low, "once");
}
