use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cartwright_domain::{Clock, HoldId, HoldStatus};
use cartwright_storage::{Placed, Released, Reserved, StockLocking};
use chrono::TimeDelta;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    Kit, RecordingFence,
    buying::{ALL, buy},
    holding::{AT_MOST, LASTS, claiming, hold, renewal},
    kit::PATIENCE,
};

/// Runs the tasks to their end.
async fn all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::new();
    while let Some(result) = timeout(PATIENCE, tasks.join_next()).await.expect("no deadlock") {
        results.push(result.unwrap());
    }
    results
}

/// Sixteen at once for what is enough for five; and for as many as one may have.
pub async fn concurrent_holders_get_exactly_what_there_is(kit: Kit) {
    kit.offer(&[("tea", 5), ("cup", 100)]).await;
    for (id, per_owner, expected) in [("tea", 50, 5), ("cup", 7, 7)] {
        let mut policy = kit.holds_by();
        policy.per_owner = per_owner;
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let (store, policy) = (kit.store.clone(), policy.clone());
            let request = hold(&format!("of {id}").replace(' ', "-"), &[(id, 1)]);
            tasks.spawn(
                async move { store.reserve_holds(&[request], &policy).await.unwrap().outcomes.remove(0) },
            );
        }
        let outcomes = all(tasks).await;
        let done = outcomes.iter().filter(|outcome| matches!(outcome, Reserved::Done(_))).count();
        assert_eq!(done, expected, "{outcomes:?}");
    }
    assert_eq!((kit.units("tea").await, kit.units("cup").await), (0, 93));
    kit.no_drift().await;
}

/// Released, claimed, renewed and cleaned up by many at once, in time, too late, and just at the end: its units leave it once.
pub async fn a_hold_ends_once(kit: Kit) {
    for (round, late) in [(0, LASTS), (1, TimeDelta::zero()), (2, LASTS), (3, TimeDelta::zero())] {
        let (tea, cup) = (format!("tea{round}"), format!("cup{round}"));
        kit.offer(&[(&tea, 3), (&cup, 3)]).await;
        let kept = kit.held("ana", &[(&tea, 3), (&cup, 1)]).await;
        kit.advance(late);
        let (now, policy, orders) = (kit.clock.now(), kit.holds_by(), kit.orders_by(StockLocking::Adaptive));
        let mut tasks = JoinSet::new();
        for task in 0..16 {
            let (store, policy, orders) = (kit.store.clone(), policy.clone(), orders.clone());
            let (id, renewal, order) = (kept.id, renewal(kept.id), claiming("ana", kept.id));
            tasks.spawn(async move {
                match task % if round < 2 { 2 } else { 4 } {
                    0 => {
                        let released = store.release_hold(id, None, now).await.unwrap().outcome;
                        i32::from(matches!(released, Released::Done(_)))
                    }
                    1 => i32::try_from(store.expire_holds(now, 10).await.unwrap().outcome).unwrap(),
                    2 => {
                        let fence = RecordingFence::default();
                        let placed = store.place_orders(&[order], &orders, &fence).await.unwrap();
                        i32::from(matches!(placed.outcomes[..], [Placed::Done(_)]))
                    }
                    _ => {
                        store.renew_hold(&renewal, &policy).await.unwrap();
                        0
                    }
                }
            });
        }
        let ended: i32 = all(tasks).await.iter().sum();
        let hold = kit.hold(kept.id).await.unwrap();
        let left = match hold.status {
            HoldStatus::Released | HoldStatus::Expired => 3,
            HoldStatus::Claimed | HoldStatus::Active => 0,
        };
        assert_eq!(kit.units(&tea).await, left, "{hold:?}");
        kit.no_drift().await;
        // In time it ends once; one that has expired may be renewed, and end again.
        if round < 2 || late == TimeDelta::zero() {
            assert_eq!(ended, 1, "{round}: {hold:?}");
        }
        kit.advance(AT_MOST);
        kit.sweep().await;
    }
}

const PRODUCTS: [&str; 4] = ["a", "b", "c", "d"];
const UNITS: i64 = 12;

/// Everything that can happen, at once, with products in opposite orders, and with time going on: stock, what is held and
/// what is sold always come to what there was.
pub async fn stock_held_and_sold_are_constant(kit: Kit) {
    for locking in ALL {
        kit.offer(&PRODUCTS.map(|id| (id, UNITS))).await;
        let kit = &kit;
        let (orders, policy) = (Arc::new(kit.orders_by(locking)), Arc::new(kit.holds_by()));
        let sold: [Arc<AtomicU64>; 4] = Default::default();
        let mut tasks: JoinSet<Vec<HoldId>> = JoinSet::new();
        for task in 0..12_u64 {
            let (store, clock) = (kit.store.clone(), kit.clock.clone());
            let (orders, policy, sold) = (orders.clone(), policy.clone(), sold.clone());
            tasks.spawn(async move {
                let (fence, mut mine) = (RecordingFence::default(), Vec::new());
                let name = format!("u{task}");
                for round in 0..12_u64 {
                    let dice = (task * 7 + round * 5 + task * round * 3) % 11;
                    let mut lines: Vec<(&str, i64)> = PRODUCTS.map(|id| (id, 1)).to_vec();
                    lines.rotate_left((task % 4) as usize);
                    if task % 2 == 0 {
                        lines.reverse();
                    }
                    lines.truncate(1 + (round % 3) as usize);
                    let request = match dice {
                        0..=4 => {
                            let request = hold(&name, &lines);
                            let id = request.id;
                            let batch = store.reserve_holds(&[request], &policy).await.unwrap();
                            if matches!(batch.outcomes[..], [Reserved::Done(_)]) {
                                mine.push(id);
                            }
                            None
                        }
                        5 | 6 => mine.last().map(|id| claiming(&name, *id)),
                        7 => Some(buy(&name, &lines)),
                        8 => {
                            if let Some(id) = mine.first() {
                                store.renew_hold(&renewal(*id), &policy).await.unwrap();
                            }
                            None
                        }
                        9 => {
                            if let Some(id) = mine.first() {
                                store.release_hold(*id, None, clock.now()).await.unwrap();
                            }
                            None
                        }
                        _ => {
                            clock.advance(TimeDelta::seconds(20));
                            store.expire_holds(clock.now(), 3).await.unwrap();
                            None
                        }
                    };
                    let Some(request) = request else { continue };
                    let batch = store.place_orders(&[request], &orders, &fence).await.unwrap();
                    if let [Placed::Done(order)] = &batch.outcomes[..] {
                        for line in &order.lines {
                            let at = PRODUCTS.iter().position(|id| *id == line.product_id.as_str()).unwrap();
                            sold[at].fetch_add(line.quantity.get().into(), Ordering::Relaxed);
                        }
                    }
                }
                mine
            });
        }
        let made: Vec<HoldId> = all(tasks).await.concat();
        assert!(made.len() > 10, "{} holds", made.len());
        kit.no_drift().await;
        // Without what has expired; and then with nothing held at all.
        for wait in [TimeDelta::zero(), AT_MOST] {
            kit.advance(wait);
            kit.sweep().await;
            let holds = kit.store.holds(&made).await.unwrap();
            for (at, id) in PRODUCTS.iter().enumerate() {
                let kept = holds.iter().flatten().filter(|hold| hold.is_kept(kit.clock.now()));
                let lines = kept.flat_map(|hold| &hold.lines).filter(|line| line.product_id.as_str() == *id);
                let held: u64 = lines.map(|line| u64::from(line.quantity.get())).sum();
                assert!(wait.is_zero() || held == 0);
                let all = u64::from(kit.units(id).await) + held + sold[at].load(Ordering::Relaxed);
                assert_eq!(all, UNITS as u64, "{locking:?} {id}: {held} held");
            }
            kit.no_drift().await;
        }
    }
}

/// Holds that expire while buyers ask and somebody cleans up: nobody is refused what is there, and no deadlock is heard of.
pub async fn nobody_is_refused_what_has_expired(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("a", 40), ("b", 40)]).await;
        for n in 0..20 {
            let lines = if n % 2 == 0 { [("a", 2), ("b", 2)] } else { [("b", 2), ("a", 2)] };
            kit.held(&format!("h{n}"), &lines).await;
        }
        kit.advance(LASTS);
        let (orders, now) = (Arc::new(kit.orders_by(locking)), kit.clock.now());
        let mut tasks = JoinSet::new();
        for task in 0..8_u64 {
            let (store, orders) = (kit.store.clone(), orders.clone());
            tasks.spawn(async move {
                let (fence, mut sold) = (RecordingFence::default(), 0);
                for _ in 0..6 {
                    if task % 4 == 0 {
                        store.expire_holds(now, 1).await.unwrap();
                        continue;
                    }
                    let lines = if task % 2 == 0 { [("a", 1), ("b", 1)] } else { [("b", 1), ("a", 1)] };
                    let batch = store.place_orders(&[buy("x", &lines)], &orders, &fence).await.unwrap();
                    assert!(matches!(batch.outcomes[..], [Placed::Done(_)]), "{locking:?}: {batch:?}");
                    sold += 1;
                }
                sold
            });
        }
        let sold: u32 = all(tasks).await.iter().sum();
        assert_eq!(sold, 36);
        kit.sweep().await;
        assert_eq!((kit.units("a").await, kit.units("b").await), (4, 4), "{locking:?}");
        kit.no_drift().await;
    }
}
