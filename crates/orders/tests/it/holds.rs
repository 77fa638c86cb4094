//! Holds through the service, with a clock that is moved.

use cartwright_domain::{Clock, HoldError, HoldId, HoldStatus, ManualClock, OrderError};
use cartwright_storage::HoldStore;
use chrono::TimeDelta;

use super::*;

async fn shop(clock: &Arc<ManualClock>, heard: &Arc<Heard>) -> (Shop, OrderService) {
    let shop = Shop::open().await;
    let service = OrderService::start(Parts {
        store: Arc::clone(&shop.store) as Arc<dyn ShopStore>,
        cache: Some(Arc::clone(&shop.cache)),
        histories: None,
        events: Arc::clone(&shop.events) as Arc<dyn EventBus>,
        stock: Arc::clone(heard) as _,
        clock: Arc::clone(clock) as _,
        settings: Settings::default(),
    });
    (shop, service)
}

fn lines(units: i64) -> Vec<(ProductId, Quantity)> {
    vec![(product("tea"), Quantity::new(units).unwrap())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_hear_of_what_is_held_and_of_what_is_back() {
    let (clock, heard) = (Arc::new(ManualClock::new(SystemClock.now())), Arc::new(Heard::default()));
    let (shop, service) = shop(&clock, &heard).await;
    shop.offer("tea", 2).await;
    let (hold, again) = service.reserve(owner("ana"), lines(2), None, None).await.unwrap();
    assert!(!again && hold.is_kept(clock.now()));
    let renewed = service.renew(hold.id, Some(owner("ana")), None).await.unwrap();
    assert_eq!(renewed, hold, "no time has passed");
    clock.advance(TimeDelta::minutes(10));
    assert_eq!(service.hold(hold.id, None).await.unwrap().status, HoldStatus::Expired);
    assert_eq!(service.expire_holds(10).await.unwrap(), 1);
    assert_eq!(service.expire_holds(10).await.unwrap(), 0);
    // Taken again, and given back.
    assert_eq!(service.renew(hold.id, None, None).await.unwrap().status, HoldStatus::Active);
    assert_eq!(service.release(hold.id, None).await.unwrap().status, HoldStatus::Released);
    let late = service.buy(owner("ana"), Purchase::Hold(hold.id), None, None).await.unwrap_err();
    let ended = OrderError::HoldEnded(HoldStatus::Released);
    assert!(matches!(&late, OrdersError::Refused { error, .. } if *error == ended), "{late}");
    let nowhere = HoldId::new(clock.now(), [7; 10]);
    for missing in [service.hold(nowhere, None).await, service.release(hold.id, Some(owner("bob"))).await] {
        assert!(matches!(missing, Err(OrdersError::NoHold)), "{missing:?}");
    }
    service.shutdown().await;
    assert_eq!(*heard.0.lock().unwrap(), vec![product("tea"); 4], "sold out and back, twice");
    let closed = service.reserve(owner("ana"), lines(1), None, None).await;
    assert!(matches!(closed, Err(OrdersError::ShuttingDown)), "{closed:?}");
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_at_once_holds_exactly_what_there_is() {
    let (clock, heard) = (Arc::new(ManualClock::new(SystemClock.now())), Arc::new(Heard::default()));
    let (shop, service) = shop(&clock, &heard).await;
    shop.offer("tea", 50).await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let service = service.clone();
            tokio::spawn(async move { service.reserve(owner(&format!("u{n}")), lines(1), None, None).await })
        })
        .collect();
    let mut held = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok((hold, _)) => held.push(hold),
            Err(OrdersError::NotHeld(HoldError::Order(OrderError::InsufficientStock(_)))) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((held.len(), shop.units("tea").await), (50, 0));
    // Each is claimed by three at once.
    let mut sold = 0;
    for hold in &held {
        let claim = || service.buy(hold.owner.clone(), Purchase::Hold(hold.id), None, None);
        let (one, two, three) = tokio::join!(claim(), claim(), claim());
        let orders = [one.unwrap(), two.unwrap(), three.unwrap()];
        sold += orders.iter().filter(|(_, again)| !again).count();
        assert!(orders.iter().all(|(order, _)| order.id == orders[0].0.id));
    }
    assert_eq!(sold, 50);
    service.shutdown().await;
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_who_go_away_leave_nothing_half_done() {
    let (clock, heard) = (Arc::new(ManualClock::new(SystemClock.now())), Arc::new(Heard::default()));
    let (shop, service) = shop(&clock, &heard).await;
    shop.offer("tea", 1000).await;
    for micros in (0..4_000).step_by(50) {
        let who = owner(&format!("u{micros}"));
        let holding = service.reserve(who.clone(), lines(1), None, None);
        if let Ok(Ok((hold, _))) = tokio::time::timeout(Duration::from_micros(micros), holding).await {
            let releasing = service.release(hold.id, Some(who));
            let _gone = tokio::time::timeout(Duration::from_micros(micros / 2), releasing).await;
        }
    }
    service.shutdown().await;
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
    let far = clock.now() + TimeDelta::hours(2);
    shop.store.expire_holds(far, 1000).await.unwrap();
    assert_eq!(shop.units("tea").await, 1000);
    assert_eq!(shop.store.stock_drift().await.unwrap(), 0);
}
