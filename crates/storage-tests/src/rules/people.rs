//! Somebody is forgotten, or handed what is kept of him.

use std::{sync::Arc, time::Duration};

use cartwright_domain::{
    Clock, HoldId, HoldStatus, Order, OrderId, OrderStatus, Profile, SessionId, Transition,
};
use cartwright_storage::{
    CartRequest, Erased, Erasure, FenceError, IdempotencyClaim, KeptOfPerson, NewSession, Outcome, Placed,
    Progress, SessionPolicy, Stocked, StorageError,
};
use chrono::TimeDelta;
use tokio::time::timeout;

use crate::{
    BlockingFence, Kit, RecordingFence,
    buying::{buy, checkout},
    holding::{claiming, hold, renewal},
    kit::{PATIENCE, add, claim, owner},
};

fn erasure(name: &str) -> Erasure {
    // Seen in nothing else.
    let random = std::collections::hash_map::RandomState::new();
    let bits = std::hash::BuildHasher::hash_one(&random, name);
    Erasure::new(owner(name), u128::from(bits).to_be_bytes()).unwrap()
}

/// The same request under a key of his own.
fn under_key(name: &str, key: &str, request: CartRequest) -> CartRequest {
    CartRequest { claim: Some(own(name, key)), ..request }
}

fn own(name: &str, key: &str) -> IdempotencyClaim {
    IdempotencyClaim { principal: name.to_owned(), ..claim(key, key.as_bytes()) }
}

impl Kit {
    async fn erase(&self, erasure: &Erasure) -> Stocked<Erased> {
        self.store.erase_owner(erasure, &self.fence, self.clock.now()).await.unwrap()
    }

    async fn kept_of(&self, name: &str) -> KeptOfPerson {
        self.store.kept_of(&owner(name), self.clock.now()).await.unwrap()
    }
}

/// What somebody has done.
#[derive(Debug)]
pub struct Life {
    /// Bought directly, of a cart, and from a hold.
    pub orders: [Order; 3],
    /// Active; expired but not cleaned up; and claimed.
    pub holds: [HoldId; 3],
}

/// Somebody lives in a shop that has a hundred of `tea`, and leaves traces wherever he can. The clock is moved by two days.
pub async fn live(kit: &Kit, name: &str) -> Life {
    let who = owner(name);
    let (store, now) = (&kit.store, || kit.clock.now());
    store.tell_abandoned(now() - TimeDelta::hours(24), 10, now()).await.unwrap();
    kit.done(under_key(name, "first", add(name, "tea", 2))).await;
    kit.advance(TimeDelta::hours(49));
    store.tell_abandoned(now() - TimeDelta::hours(24), 10, now()).await.unwrap();
    let mut request = buy(name, &[("tea", 3)]);
    request.claim = Some(own(name, "second"));
    let bought = kit.bought(request).await;
    let version = kit.cart(name).await.version();
    let of_cart = kit.bought(checkout(name, version)).await;
    kit.done(under_key(name, "third", add(name, "tea", 1))).await;
    let claimed = kit.held(name, &[("tea", 4)]).await;
    let of_hold = kit.bought(claiming(name, claimed.id)).await;
    let expired = kit.held(name, &[("tea", 5)]).await;
    kit.advance(TimeDelta::minutes(10));
    let active = kit.held(name, &[("tea", 6)]).await;
    kit.step(bought.id, OrderStatus::Processing).await;
    let note = Progress { percent: 10, note: format!("asked {name} for a signature") };
    assert!(store.note_order(bought.id, &note, now()).await.unwrap());
    let step = cartwright_storage::OrderStep {
        id: of_cart.id,
        owner: Some(who.clone()),
        to: OrderStatus::Cancelled,
        reason: Some(format!("{name} called")),
    };
    store.step_orders(&[step], now()).await.unwrap();
    let profile = format!("{{\"name\":\"{name}\"}}").parse().unwrap();
    store.put_profile(&who, &profile, &[], now()).await.unwrap();
    let session = NewSession {
        hash: SessionId::new([9; 32]).hash(),
        owner: Some(who),
        data: format!("{{\"name\":\"{name}\"}}").parse().unwrap(),
    };
    store.create_session(&session, &SessionPolicy::default(), now()).await.unwrap();
    Life { orders: [bought, of_cart, of_hold], holds: [active.id, expired.id, claimed.id] }
}

/// How many of the hundred are left after a life, and when it is forgotten: those of the cancelled order are back already.
const LEFT: (u32, u32) = (100 - 3 - 4 - 5 - 6, 100 - 3 - 4);

/// All of him and nobody else; units come back once; and again there is nothing to do.
pub async fn somebody_is_forgotten(kit: Kit) {
    kit.offer(&[("tea", 100), ("cup", 10)]).await;
    let life = live(&kit, "ana").await;
    kit.done(add("bob", "cup", 1)).await;
    let bobs = (kit.bought(buy("bob", &[("cup", 1)])).await, kit.held("bob", &[("cup", 2)]).await);
    let bob = kit.kept_of("bob").await;
    assert_eq!(kit.units("tea").await, LEFT.0);
    kit.fence.take();
    let erasure = erasure("ana");
    let erased = kit.erase(&erasure).await;
    let all = Erased { cart: true, profile: true, sessions: 1, holds: 3, orders: 3, answers: 3 };
    assert_eq!(erased, Stocked::unmoved(all), "there was some of it all the time");
    let raised = kit.fence.take();
    assert!(matches!(&raised[..], [(_, changing)] if *changing == [owner("ana")]), "{raised:?}");
    assert_eq!(kit.units("tea").await, LEFT.1);
    kit.no_drift().await;
    let nothing = kit.kept_of("ana").await;
    assert_eq!(kit.cart("ana").await.version(), 0);
    assert_eq!(nothing.profile, Profile::empty(owner("ana")));
    assert_eq!((nothing.cart.version(), nothing.sessions.len()), (0, 0));
    assert_eq!((nothing.holds.len(), nothing.orders.len()), (0, 0));
    for id in life.holds {
        assert_eq!(kit.hold(id).await, None);
    }
    let somebody = kit.kept_of(erasure.pseudonym.as_str()).await;
    let wanted = life.orders.map(|order| order.id);
    assert_eq!(somebody.orders.iter().map(|kept| kept.order.id).collect::<Vec<_>>(), wanted);
    for (kept, status) in
        somebody.orders.iter().zip([OrderStatus::Processing, OrderStatus::Cancelled, OrderStatus::Pending])
    {
        assert_eq!((&kept.order.owner, kept.order.status), (&erasure.pseudonym, status));
        assert!(kept.steps.iter().all(|step| step.reason.is_none()));
        assert_eq!(kept.steps.last().unwrap().to, status);
        assert!(kept.noted.as_ref().is_none_or(|noted| noted.note.is_empty() && noted.percent == 10));
    }
    assert_eq!(kit.kept_of("bob").await, bob);
    assert_eq!(kit.hold(bobs.1.id).await.unwrap().status, HoldStatus::Active);
    assert_eq!(kit.store.orders(&[bobs.0.id]).await.unwrap(), [Some(bobs.0)]);
    // Again.
    let again = self::erasure("ana");
    assert_ne!(again.pseudonym, erasure.pseudonym);
    assert_eq!(kit.erase(&again).await, Stocked::unmoved(Erased::default()));
    assert!(kit.fence.take().is_empty(), "there is no cart to be kept away from");
    assert_eq!(kit.units("tea").await, LEFT.1);
    // Who comes back begins anew: his keys, too.
    let Outcome::Done(answer) = kit.one(under_key("ana", "first", add("ana", "tea", 2))).await else {
        panic!()
    };
    assert_eq!((answer.cart.version(), answer.cart.total_quantity()), (1, 2));
    assert_eq!(kit.cart("ana").await, *answer.cart);
    assert_eq!(kit.bought(checkout("ana", 1)).await.owner, owner("ana"), "a version that was ordered before");
    kit.no_drift().await;
}

/// Shoppers see what is back.
pub async fn what_somebody_held_last_is_back(kit: Kit) {
    kit.offer(&[("tea", 2), ("cup", 5)]).await;
    kit.held("ana", &[("tea", 2), ("cup", 1)]).await;
    assert_eq!(kit.units("tea").await, 0);
    let erased = kit.erase(&erasure("ana")).await;
    assert_eq!((erased.outcome.holds, erased.outcome.cart), (1, false));
    assert_eq!(erased.turned, [crate::product("tea")]);
    assert!(kit.fence.take().is_empty());
    assert_eq!((kit.units("tea").await, kit.units("cup").await), (2, 5));
    kit.bought(buy("bob", &[("tea", 2)])).await;
    kit.no_drift().await;
}

/// Nor is anything given back.
pub async fn nobody_is_forgotten_without_the_fence(kit: Kit) {
    kit.offer(&[("tea", 100)]).await;
    live(&kit, "ana").await;
    let before = kit.kept_of("ana").await;
    let fence = RecordingFence::default();
    fence.refuse(true);
    let refused = kit.store.erase_owner(&erasure("ana"), &fence, kit.clock.now()).await;
    assert!(matches!(refused, Err(StorageError::Fence(FenceError::Unreachable { .. }))), "{refused:?}");
    assert_eq!(kit.kept_of("ana").await, before);
    assert_eq!(kit.units("tea").await, LEFT.0);
    kit.no_drift().await;
}

/// Each kind with all there is of it.
pub async fn what_is_kept_of_somebody_is_handed_out(kit: Kit) {
    kit.offer(&[("tea", 100), ("cup", 5000)]).await;
    let life = live(&kit, "ana").await;
    let mut made: Vec<OrderId> = life.orders.iter().map(|order| order.id).collect();
    for _ in 0..11 {
        let requests: Vec<_> = (0..100).map(|_| buy("ana", &[("cup", 2)])).collect();
        made.extend(requests.iter().map(|request| request.id));
        let outcomes = kit.place_by(cartwright_storage::StockLocking::Locked, &requests).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Placed::Done(_))));
    }
    kit.bought(buy("bob", &[("cup", 1)])).await;
    let kept = kit.kept_of("ana").await;
    assert_eq!((&kept.owner, &kept.cart), (&owner("ana"), &kit.cart("ana").await));
    assert_eq!(kept.profile, kit.store.profile(&owner("ana")).await.unwrap());
    assert_eq!(kept.sessions, kit.store.sessions_of(&owner("ana"), kit.clock.now()).await.unwrap());
    assert_eq!((kept.profile.version, kept.sessions.len()), (1, 1));
    let mut holds = life.holds.to_vec();
    holds.sort();
    assert_eq!(kept.holds.iter().map(|hold| hold.id).collect::<Vec<_>>(), holds);
    for hold in &kept.holds {
        assert_eq!(kit.hold(hold.id).await.as_ref(), Some(hold));
    }
    assert_eq!(kept.orders.iter().map(|kept| kept.order.id).collect::<Vec<_>>(), made);
    let first = &kept.orders[..5];
    for kept in first {
        let order = kit.store.orders(&[kept.order.id]).await.unwrap().remove(0);
        assert_eq!(order.as_ref(), Some(&kept.order));
        assert_eq!(kit.store.order_transitions(kept.order.id).await.unwrap(), kept.steps);
        assert_eq!(kit.store.order_note(kept.order.id).await.unwrap(), kept.noted);
    }
    assert_eq!(first[1].steps[1].reason.as_deref(), Some("ana called"));
    assert_eq!(kept.orders[1000].steps, [Transition::first(kept.orders[1000].order.created_at)]);
    let text = serde_json::to_string(&kept).unwrap();
    assert!(text.contains("ana called") && !text.contains(SessionId::new([9; 32]).hash().as_str()));
    let nobody = kit.kept_of("nobody").await;
    assert_eq!((nobody.cart.version(), nobody.orders.len(), nobody.profile.version), (0, 0, 0));
}

/// Whoever has the cart's lock is waited for.
pub async fn a_checkout_under_way_comes_before(kit: Kit) {
    kit.offer(&[("tea", 10)]).await;
    kit.done(add("ana", "tea", 2)).await;
    let fence = Arc::new(BlockingFence::default());
    let request = checkout("ana", 1);
    let id = request.id;
    let placing = tokio::spawn({
        let (store, fence) = (kit.store.clone(), fence.clone());
        let policy = kit.orders_by(cartwright_storage::StockLocking::Locked);
        async move { store.place_orders(&[request], &policy, &*fence).await.unwrap() }
    });
    fence.reached().await;
    let erasure = erasure("ana");
    let erasing = tokio::spawn({
        let (store, erasure, now) = (kit.store.clone(), erasure.clone(), kit.clock.now());
        async move { store.erase_owner(&erasure, &RecordingFence::default(), now).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!erasing.is_finished(), "it waits");
    fence.release();
    assert!(matches!(timeout(PATIENCE, placing).await.unwrap().unwrap().outcomes[..], [Placed::Done(_)]));
    let erased = timeout(PATIENCE, erasing).await.unwrap().unwrap().outcome;
    assert_eq!((erased.cart, erased.orders), (true, 1));
    let order = kit.store.orders(&[id]).await.unwrap().remove(0).unwrap();
    assert_eq!(order.owner, erasure.pseudonym);
    assert_eq!(kit.cart("ana").await.version(), 0);
}

/// And finds a cart that nobody has written to.
pub async fn a_write_that_waits_comes_after(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("ana", "tea", 2)).await;
    kit.done(add("ana", "tea", 5)).await;
    let fence = Arc::new(BlockingFence::default());
    let erasing = tokio::spawn({
        let (store, fence, now) = (kit.store.clone(), fence.clone(), kit.clock.now());
        async move { store.erase_owner(&erasure("ana"), &*fence, now).await.unwrap() }
    });
    fence.reached().await;
    let filled = kit.store.load_for_fill(&[owner("ana")]).await.unwrap();
    assert!(!filled[0].locked, "nobody stores what is about to go");
    let adding = kit.spawn(vec![add("ana", "tea", 1)], Arc::new(RecordingFence::default()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!adding.is_finished(), "it waits");
    fence.release();
    assert!(timeout(PATIENCE, erasing).await.unwrap().unwrap().outcome.cart);
    let outcomes = timeout(PATIENCE, adding).await.unwrap().unwrap().unwrap();
    let [Outcome::Done(answer)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((answer.cart.version(), answer.cart.total_quantity()), (1, 1));
    assert_eq!(kit.cart("ana").await, *answer.cart);
}

/// Whatever he does at the same time: stock, ledger, holds and orders agree, and in the end he is forgotten.
pub async fn who_is_forgotten_while_he_acts_is_forgotten_at_last(kit: Kit) {
    kit.offer(&[("tea", 1000), ("cup", 1000)]).await;
    let kit = Arc::new(kit);
    let mut tasks = tokio::task::JoinSet::new();
    let may_fail = |error: StorageError| match error {
        StorageError::Unavailable(_) => {}
        other => panic!("{other:?}"),
    };
    for task in 0..5 {
        let kit = Arc::clone(&kit);
        tasks.spawn(async move {
            for n in 0..12 {
                let products = if (task + n) % 2 == 0 { ["tea", "cup"] } else { ["cup", "tea"] };
                let lines = [(products[0], 1), (products[1], 2)];
                match task {
                    0 => {
                        kit.try_run(&[add("ana", products[0], 1)]).await.map(drop).unwrap_or_else(may_fail);
                        let version = kit.cart("ana").await.version().max(1);
                        let policy = kit.orders_by(cartwright_storage::StockLocking::Locked);
                        let request = [checkout("ana", version)];
                        let placed = kit.store.place_orders(&request, &policy, &kit.fence).await;
                        placed.map(drop).unwrap_or_else(may_fail);
                    }
                    1 => {
                        let request = hold("ana", &lines);
                        let id = request.id;
                        let held = kit.store.reserve_holds(&[request], &kit.holds_by()).await;
                        held.map(drop).unwrap_or_else(may_fail);
                        let renewed = kit.store.renew_hold(&renewal(id), &kit.holds_by()).await;
                        renewed.map(drop).unwrap_or_else(may_fail);
                        if n % 2 == 0 {
                            let policy = kit.orders_by(cartwright_storage::StockLocking::Adaptive);
                            let claimed = [claiming("ana", id)];
                            let placed = kit.store.place_orders(&claimed, &policy, &kit.fence).await;
                            placed.map(drop).unwrap_or_else(may_fail);
                        }
                    }
                    2 => {
                        let request = buy("ana", &lines);
                        let id = request.id;
                        let policy = kit.orders_by(cartwright_storage::StockLocking::Conditional);
                        let placed = kit.store.place_orders(&[request], &policy, &kit.fence).await;
                        placed.map(drop).unwrap_or_else(may_fail);
                        let step = cartwright_storage::OrderStep {
                            id,
                            owner: None,
                            to: OrderStatus::Cancelled,
                            reason: Some("ana said so".into()),
                        };
                        let stepped = kit.store.step_orders(&[step], kit.clock.now()).await;
                        stepped.map(drop).unwrap_or_else(may_fail);
                    }
                    _ => {
                        let erased =
                            kit.store.erase_owner(&erasure("ana"), &kit.fence, kit.clock.now()).await;
                        erased.map(drop).unwrap_or_else(may_fail);
                    }
                }
            }
        });
    }
    let all = async {
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    };
    timeout(2 * PATIENCE, all).await.expect("no deadlock");
    kit.erase(&erasure("ana")).await;
    assert_eq!(kit.erase(&erasure("ana")).await, Stocked::unmoved(Erased::default()));
    let nothing = kit.kept_of("ana").await;
    assert_eq!((nothing.cart.version(), nothing.holds.len(), nothing.orders.len()), (0, 0, 0));
    kit.no_drift().await;
    // What is not sold is in stock: nothing is held any more.
    let query = cartwright_domain::OrderQuery {
        paging: cartwright_domain::OrderPaging::After(None, cartwright_domain::PageSize::new(100).unwrap()),
        ..cartwright_domain::OrderQuery::default()
    };
    let orders = kit.store.list_orders(&query).await.unwrap().items;
    assert!(orders.iter().all(|order| order.owner.as_str().starts_with("erased-")));
    let sold: u32 = (orders.iter().filter(|order| !order.status.returns_stock()))
        .flat_map(|order| order.lines.iter().map(|line| u32::from(line.quantity.get())))
        .sum();
    assert_eq!(kit.units("tea").await + kit.units("cup").await, 2000 - sold);
}
