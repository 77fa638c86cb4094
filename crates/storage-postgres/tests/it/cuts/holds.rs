//! The same of holds.

use std::{collections::HashMap, sync::Mutex};

use cartwright_domain::{HoldId, ManualClock};
use cartwright_storage::{HoldPolicy, HoldRequest, HoldStore, Released, Renewal, Renewed, Reserved};
use cartwright_storage_tests::{LASTS, hold, renewal};
use chrono::{DateTime, Utc};

use super::*;

/// A shop with a thousand cups, and a hold for each case.
struct Holding {
    shop: Shop,
    clock: Arc<ManualClock>,
    holds: Mutex<HashMap<usize, HoldId>>,
}

impl Holding {
    async fn open() -> Self {
        let shop = Shop::open().await;
        shop.offer("cup", 1000).await;
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        Self { shop, clock, holds: Mutex::default() }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn policy(&self) -> HoldPolicy {
        let clock = self.clock.clone();
        HoldPolicy { clock, lasts: LASTS, at_most: LASTS * 1000, lines: 5, units: 5, per_owner: 5 }
    }

    async fn reserve(&self, store: &PostgresStore, request: HoldRequest) -> Option<HoldId> {
        for _ in 0..1000 {
            let reserved = store.reserve_holds(std::slice::from_ref(&request), &self.policy()).await.ok()?;
            match &reserved.outcomes[..] {
                [Reserved::Done(hold) | Reserved::Replayed(hold)] => return Some(hold.id),
                // The server has not noticed yet that the other connection is gone.
                [Reserved::KeyInFlight] => tokio::time::sleep(Duration::from_millis(10)).await,
                other => panic!("{other:?}"),
            }
        }
        None
    }

    /// The hold of two cups of this case, made when it is first asked for.
    async fn of(&self, case: usize) -> HoldId {
        let known = self.holds.lock().unwrap().get(&case).copied();
        if let Some(id) = known {
            return id;
        }
        let request = hold(&format!("u{case}"), &[("cup", 2)]);
        let id = self.reserve(&self.shop.whole, request).await.unwrap();
        self.holds.lock().unwrap().insert(case, id);
        id
    }

    /// What is in stock and what is held, and that the ledger says so.
    async fn check(&self, stock: usize, held: usize) {
        assert_eq!(self.shop.units("cup").await, u32::try_from(stock).unwrap());
        let entered = "SELECT coalesce(-sum(units), 0) FROM stock_ledger WHERE kind IN ('hold', 'release')";
        assert_eq!(self.shop.count(entered).await, i64::try_from(held).unwrap());
        let kept = "SELECT coalesce(sum(quantity), 0) FROM hold_lines WHERE expires_at IS NOT NULL";
        assert_eq!(self.shop.count(kept).await, i64::try_from(held).unwrap());
        assert_eq!(self.shop.whole.stock_drift().await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_under_a_key_is_made_once_wherever_it_is_cut() {
    let at = Holding::open().await;
    let act = async |store: &PostgresStore, case: usize| {
        let claim = Some(claim(&format!("key {case}"), b"two cups"));
        let request = HoldRequest { claim, ..hold(&format!("u{case}"), &[("cup", 2)]) };
        at.reserve(store, request).await.is_some()
    };
    at.shop.everywhere("a hold", act, async |cases| at.check(1000 - 2 * cases, 2 * cases).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_bought_once_wherever_it_is_cut() {
    for locking in ALL {
        let at = Holding::open().await;
        let act = async |store: &PostgresStore, case: usize| {
            let purchase = Purchase::Hold(at.of(case).await);
            let request = request(&format!("u{case}"), purchase, None);
            let policy = OrderPolicy { clock: at.clock.clone(), ..policy(locking) };
            let placed = store.place_orders(&[request], &policy, &RecordingFence::default()).await;
            placed.is_ok_and(|batch| matches!(batch.outcomes[..], [Placed::Done(_) | Placed::Replayed(_)]))
        };
        let check = async |cases: usize| {
            at.check(1000 - 2 * cases, 0).await;
            let cases = i64::try_from(cases).unwrap();
            assert_eq!(at.shop.count("SELECT count(*) FROM orders").await, cases);
            assert_eq!(at.shop.count("SELECT count(*) FROM jobs WHERE queue = 'orders'").await, cases);
        };
        at.shop.everywhere("a claim", act, check).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_goes_back_once_wherever_its_release_is_cut() {
    let at = Holding::open().await;
    let act = async |store: &PostgresStore, case: usize| {
        let released = store.release_hold(at.of(case).await, None, at.now()).await;
        released.is_ok_and(|done| matches!(done.outcome, Released::Done(_) | Released::Already(_)))
    };
    at.shop.everywhere("a release", act, async |_cases| at.check(1000, 0).await).await;
}

/// It had gone back, and takes its units again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_renewal_takes_its_units_once_wherever_it_is_cut() {
    let at = Holding::open().await;
    let act = async |store: &PostgresStore, case: usize| {
        if !at.holds.lock().unwrap().contains_key(&case) {
            let id = at.of(case).await;
            at.clock.advance(LASTS);
            at.shop.whole.expire_holds(at.now(), 10).await.unwrap();
            // The one of the case before is over, too.
            assert_eq!(at.shop.units("cup").await, 1000, "{id}");
        }
        let renewal: Renewal = renewal(at.of(case).await);
        let renewed = store.renew_hold(&renewal, &at.policy()).await;
        renewed.is_ok_and(|done| matches!(done.outcome, Renewed::Done(_)))
    };
    at.shop.everywhere("a late renewal", act, async |_cases| at.check(998, 2).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_goes_back_once_wherever_the_cleaning_is_cut() {
    let at = Holding::open().await;
    let act = async |store: &PostgresStore, case: usize| {
        at.of(case).await;
        at.clock.advance(LASTS);
        store.expire_holds(at.now(), 10).await.is_ok()
    };
    at.shop.everywhere("cleaning", act, async |_cases| at.check(1000, 0).await).await;
}

/// All cups are held, the holds have expired, and nobody has cleaned up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_is_bought_once_wherever_the_order_is_cut() {
    let at = Holding::open().await;
    let all: Vec<HoldRequest> = (0..200).map(|n| hold(&format!("h{n}"), &[("cup", 5)])).collect();
    at.shop.whole.reserve_holds(&all, &at.policy()).await.unwrap();
    at.check(0, 1000).await;
    at.clock.advance(LASTS);
    let act = async |store: &PostgresStore, case: usize| {
        let purchase = Purchase::of_lines([(product("cup"), Quantity::new(5).unwrap())]).unwrap();
        let claim = Some(claim(&format!("key {case}"), b"five cups"));
        let request = request(&format!("u{case}"), purchase, claim);
        let policy = OrderPolicy { clock: at.clock.clone(), ..policy(StockLocking::Adaptive) };
        for _ in 0..1000 {
            let placed =
                store.place_orders(std::slice::from_ref(&request), &policy, &RecordingFence::default()).await;
            let Ok(mut placed) = placed else { return false };
            match placed.outcomes.remove(0) {
                Placed::Done(_) | Placed::Replayed(_) => return true,
                // The server has not noticed yet that the other connection is gone.
                Placed::KeyInFlight => tokio::time::sleep(Duration::from_millis(10)).await,
                other => panic!("{other:?}"),
            }
        }
        false
    };
    let check = async |cases: usize| {
        let back = usize::try_from(at.shop.units("cup").await).unwrap();
        at.check(back, 1000 - 5 * cases - back).await;
        assert_eq!(at.shop.count("SELECT count(*) FROM orders").await, i64::try_from(cases).unwrap());
    };
    at.shop.everywhere("an order of what has expired", act, check).await;
}
