use std::sync::Arc;

use cartwright_domain::{
    Clock, Currency, Hold, HoldError, HoldStatus, ManualClock, Money, OrderError, OrderStatus, ProductChange,
    Shortage,
};
use cartwright_storage::{
    Deleted, HoldPolicy, HoldRequest, OrderPolicy, OrderRequest, Placed, Released, Renewal, Renewed, Reserved,
};
use chrono::TimeDelta;

use crate::{
    Kit,
    buying::{ALL, buy, expecting},
    change, claim, details,
    holding::{AT_MOST, LASTS, claiming, hold, hold_id, renewal},
    imported,
    kit::{owner, product},
};

const MOMENT: TimeDelta = TimeDelta::microseconds(1);

fn short(id: &str, available: u32, requested: u32) -> OrderError {
    OrderError::InsufficientStock(vec![Shortage { product_id: product(id), available, requested }])
}

/// Names and prices are the catalogue's, lines are in the order in which they were asked for, stock is taken.
pub async fn a_hold_is_kept_exactly_and_takes_its_stock(kit: Kit) {
    kit.offer(&[("tea", 10), ("cup", 2)]).await;
    let request = hold("ana", &[("tea", 3), ("cup", 2)]);
    let batch = kit.store.reserve_holds(&[request], &kit.holds_by()).await.unwrap();
    assert_eq!(batch.turned, [product("cup")], "there is none any more");
    let Reserved::Done(made) = &batch.outcomes[0] else { panic!("{batch:?}") };
    let now = kit.clock.now();
    assert_eq!((made.status, made.currency, made.order), (HoldStatus::Active, Currency::EUR, None));
    assert_eq!((made.created_at, made.expires_at, made.until), (now, now + LASTS, now + AT_MOST));
    let lines: Vec<_> = made.lines.iter().map(|line| (line.product_id.as_str(), &*line.name)).collect();
    assert_eq!(lines, [("tea", "The tea"), ("cup", "The cup")]);
    assert_eq!(made.total_minor(), 1250);
    let read = kit.store.holds(&[hold_id(), made.id, made.id]).await.unwrap();
    assert_eq!(read, [None, Some(made.clone()), Some(made.clone())]);
    assert_eq!((kit.units("tea").await, kit.units("cup").await), (7, 0));
    kit.no_drift().await;
    let counted = kit.store.refresh_statistics(now, 100).await.unwrap();
    assert_eq!(counted.orders, 0, "nothing is bought yet");
    assert!(kit.store.reserve_holds(&[], &kit.holds_by()).await.unwrap().outcomes.is_empty());
    assert!(kit.store.holds(&[]).await.unwrap().is_empty());
    let brief = HoldRequest { lasts: Some(TimeDelta::seconds(5)), ..hold("ana", &[("tea", 1)]) };
    let Reserved::Done(brief) = kit.reserve(brief).await else { panic!() };
    assert_eq!(brief.expires_at, now + TimeDelta::seconds(5));
}

/// Limits, what is not there, and what is not for sale; each is refused alone.
pub async fn what_cannot_be_held_is_refused(kit: Kit) {
    kit.offer(&[("tea", 10), ("cup", 2), ("old", 5)]).await;
    kit.change("old", ProductChange { active: Some(false), ..change() }).await;
    let mut yen = details("Yen", 250);
    yen.price = Money::from_minor(250, Currency::JPY).unwrap();
    kit.import(&[imported("yen", yen)]).await;
    assert_eq!(kit.not_held(hold("a", &[("tea", 11)])).await, short("tea", 10, 11).into());
    assert_eq!(
        kit.not_held(hold("a", &[("none", 1)])).await,
        OrderError::UnknownProduct(product("none")).into()
    );
    assert_eq!(
        kit.not_held(hold("a", &[("old", 1)])).await,
        OrderError::ProductNotForSale(product("old")).into()
    );
    assert_eq!(
        kit.not_held(hold("a", &[("tea", 1), ("yen", 1)])).await,
        OrderError::Currencies(Currency::EUR, Currency::JPY).into()
    );
    assert_eq!(kit.not_held(hold("a", &[])).await, OrderError::NothingBought.into());
    for seconds in [-1, 0, 151] {
        let request = HoldRequest { lasts: Some(TimeDelta::seconds(seconds)), ..hold("a", &[("tea", 1)]) };
        assert_eq!(kit.not_held(request).await, HoldError::TooLong { max: AT_MOST });
    }
    let policy = HoldPolicy { lines: 1, units: 4, per_owner: 2, ..kit.holds_by() };
    let wanted = [
        hold("a", &[("tea", 1), ("cup", 1)]),
        hold("a", &[("tea", 5)]),
        hold("a", &[("cup", 3)]),
        hold("a", &[("cup", 2)]),
        hold("a", &[("tea", 1)]),
        hold("a", &[("tea", 1)]),
        hold("b", &[("tea", 1)]),
    ];
    let outcomes = kit.store.reserve_holds(&wanted, &policy).await.unwrap().outcomes;
    let refused: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Reserved::Refused(error) => Some(error.clone()),
            Reserved::Done(_) => None,
            other => panic!("{other:?}"),
        })
        .collect();
    let (lines, units) =
        (HoldError::TooManyLines { max: 1 }, HoldError::TooManyUnits { max: 4, requested: 5 });
    let (stock, holds) = (HoldError::Order(short("cup", 2, 3)), HoldError::TooManyHolds { max: 2 });
    assert_eq!(refused, [Some(lines), Some(units), Some(stock), None, None, Some(holds.clone()), None]);
    // From the database, and not any more when they have expired.
    let again = async |name| kit.store.reserve_holds(&[hold(name, &[("tea", 1)])], &policy).await.unwrap();
    assert_eq!(again("a").await.outcomes, [Reserved::Refused(holds.clone())]);
    kit.advance(LASTS);
    for _ in 0..2 {
        assert!(matches!(again("a").await.outcomes[..], [Reserved::Done(_)]));
    }
    assert_eq!(again("a").await.outcomes, [Reserved::Refused(holds)]);
    kit.no_drift().await;
}

/// One order of a hold, at its prices, which does not touch the stock again.
pub async fn a_hold_becomes_one_order(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("tea", 10), ("cup", 5)]).await;
        let kept = kit.held("ana", &[("tea", 3), ("cup", 5)]).await;
        let price = Money::from_minor(999, Currency::EUR).unwrap();
        kit.change("tea", ProductChange { price: Some(price), active: Some(false), ..change() }).await;
        let not_hers = claiming("bob", kept.id);
        let wrong = expecting(claiming("ana", kept.id), 2001);
        let wanted = [
            not_hers,
            wrong,
            expecting(claiming("ana", kept.id), 2000),
            claiming("ana", kept.id),
            buy("ana", &[("cup", 1)]),
        ];
        let outcomes = kit.place_by(locking, &wanted).await;
        let error = OrderError::UnknownHold(kept.id);
        assert_eq!(outcomes[0], Placed::Refused { error, cart: None });
        assert!(matches!(&outcomes[1], Placed::Refused { error: OrderError::TotalChanged { .. }, .. }));
        let Placed::Done(order) = &outcomes[2] else { panic!("{outcomes:?}") };
        assert_eq!(outcomes[3], Placed::Replayed(order.clone()));
        assert!(matches!(&outcomes[4], Placed::Refused { error: OrderError::InsufficientStock(_), .. }));
        assert_eq!((&order.lines, order.total_minor(), order.cart_version), (&kept.lines, 2000, None));
        assert_eq!((kit.units("tea").await, kit.units("cup").await), (7, 0));
        kit.no_drift().await;
        // Again, much later, and from elsewhere; also when its time is over.
        kit.advance(AT_MOST);
        assert_eq!(
            kit.place_by(locking, &[claiming("ana", kept.id)]).await,
            [Placed::Replayed(order.clone())]
        );
        let claimed = Hold { status: HoldStatus::Claimed, order: Some(order.id), ..kept.clone() };
        assert_eq!(kit.hold(kept.id).await, Some(claimed.clone()));
        assert_eq!(kit.not_renewed(kept.id).await, HoldError::Ended(HoldStatus::Claimed));
        assert_eq!(kit.release(kept.id).await.outcome, Released::Claimed(claimed));
        assert_eq!(kit.sweep().await.outcome, 0);
        // What is sold comes back as from any other order.
        kit.step(order.id, OrderStatus::Cancelled).await;
        assert_eq!((kit.units("tea").await, kit.units("cup").await), (10, 5));
        kit.no_drift().await;
    }
}

/// Keys of orders of holds, and of holds.
pub async fn holds_and_their_orders_are_made_once_for_a_key(kit: Kit) {
    kit.offer(&[("tea", 5)]).await;
    let keyed = |key: &str, fingerprint: u8, units| HoldRequest {
        claim: Some(claim(key, &[fingerprint])),
        ..hold("ana", &[("tea", units)])
    };
    let batch = [keyed("k", 1, 2), keyed("k", 1, 2)];
    let outcomes = kit.store.reserve_holds(&batch, &kit.holds_by()).await.unwrap().outcomes;
    let Reserved::Done(made) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(outcomes[1], Reserved::KeyInFlight, "of the same batch");
    assert_eq!(kit.reserve(keyed("k", 1, 2)).await, Reserved::Replayed(made.clone()));
    assert_eq!(kit.reserve(keyed("k", 2, 1)).await, Reserved::KeyReused);
    assert!(matches!(kit.reserve(keyed("much", 1, 4)).await, Reserved::Refused(_)));
    assert_eq!(kit.units("tea").await, 3);
    let order = || OrderRequest { claim: Some(claim("o", &[3])), ..claiming("ana", made.id) };
    let bought = kit.bought(order()).await;
    assert_eq!(kit.place(order()).await, Placed::Replayed(bought.clone()));
    assert_eq!(kit.reserve(keyed("o", 1, 1)).await, Reserved::KeyReused, "keys are of one kind");
    kit.release(made.id).await;
    assert!(matches!(kit.reserve(keyed("much", 1, 3)).await, Reserved::Done(_)), "refusals are not kept");
    kit.no_drift().await;
}

/// To the microsecond.
pub async fn a_hold_ends_at_its_very_moment(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("tea", 2)]).await;
        let (early, late) = (kit.held("ana", &[("tea", 1)]).await, kit.held("ana", &[("tea", 1)]).await);
        kit.advance(LASTS - MOMENT);
        assert_eq!(kit.sweep().await.outcome, 0);
        assert!(matches!(
            kit.place_by(locking, &[buy("bob", &[("tea", 1)])]).await[..],
            [Placed::Refused { .. }]
        ));
        assert!(matches!(kit.place_by(locking, &[claiming("ana", early.id)]).await[..], [Placed::Done(_)]));
        kit.advance(MOMENT);
        let error = OrderError::HoldEnded(HoldStatus::Expired);
        assert_eq!(
            kit.place_by(locking, &[claiming("ana", late.id)]).await,
            [Placed::Refused { error, cart: None }]
        );
        assert_eq!(kit.hold(late.id).await.unwrap().status, HoldStatus::Expired);
        assert!(matches!(kit.place_by(locking, &[buy("bob", &[("tea", 1)])]).await[..], [Placed::Done(_)]));
        assert_eq!(
            (kit.sweep().await.outcome, kit.units("tea").await),
            (1, 0),
            "there is nothing in it any more"
        );
        kit.no_drift().await;
    }
}

/// Up to the end, and not beyond; and only what can still be renewed.
pub async fn a_hold_is_renewed_up_to_its_end(kit: Kit) {
    kit.offer(&[("tea", 5)]).await;
    let made = kit.held("ana", &[("tea", 2)]).await;
    let start = kit.clock.now();
    kit.advance(TimeDelta::seconds(50));
    let renewed = kit.renewed(made.id).await;
    assert_eq!(renewed, Hold { expires_at: start + TimeDelta::seconds(110), ..made.clone() });
    assert_eq!(kit.hold(made.id).await, Some(renewed));
    let brief = Renewal { lasts: Some(TimeDelta::seconds(1)), ..renewal(made.id) };
    let Renewed::Done(same) = kit.store.renew_hold(&brief, &kit.holds_by()).await.unwrap().outcome else {
        panic!()
    };
    assert_eq!(same.expires_at, start + TimeDelta::seconds(110), "it does not come nearer");
    let long = Renewal { lasts: Some(AT_MOST + MOMENT), ..renewal(made.id) };
    let error = HoldError::TooLong { max: AT_MOST };
    assert_eq!(kit.store.renew_hold(&long, &kit.holds_by()).await.unwrap().outcome, Renewed::Refused(error));
    let not_his = Renewal { owner: Some(owner("bob")), ..renewal(made.id) };
    assert_eq!(kit.store.renew_hold(&not_his, &kit.holds_by()).await.unwrap().outcome, Renewed::Missing);
    assert_eq!(kit.renew(hold_id()).await.outcome, Renewed::Missing);
    kit.advance(TimeDelta::seconds(55));
    assert_eq!(kit.renewed(made.id).await.expires_at, start + AT_MOST);
    kit.advance(TimeDelta::seconds(45) - MOMENT);
    assert_eq!(kit.renewed(made.id).await.expires_at, start + AT_MOST);
    kit.advance(MOMENT);
    assert_eq!(kit.not_renewed(made.id).await, HoldError::AtItsEnd { until: start + AT_MOST });
    let released = kit.held("ana", &[("tea", 1)]).await;
    kit.release(released.id).await;
    assert_eq!(kit.not_renewed(released.id).await, HoldError::Ended(HoldStatus::Released));
    kit.no_drift().await;
}

/// Nobody has cleaned up, and nobody has to: the last one is bought by whoever comes next.
pub async fn an_expired_hold_keeps_nobody_from_buying(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("tea", 1), ("cup", 3)]).await;
        let name = format!("{locking:?}");
        let kept = kit.held(&name, &[("cup", 2), ("tea", 1)]).await;
        assert_eq!(kit.refused(buy("bob", &[("tea", 1)])).await, short("tea", 0, 1));
        kit.advance(LASTS);
        // One that does not fit takes nothing.
        let policy = kit.orders_by(locking);
        let wanted = [buy("bob", &[("tea", 2)]), buy("bob", &[("tea", 1)]), buy("eve", &[("tea", 1)])];
        let batch = kit.store.place_orders(&wanted, &policy, &kit.fence).await.unwrap();
        assert!(
            matches!(&batch.outcomes[..], [
                Placed::Refused { error: two, .. },
                Placed::Done(_),
                Placed::Refused { error: late, .. }
            ] if *two == short("tea", 1, 2) && *late == short("tea", 0, 1)),
            "{batch:?}"
        );
        assert_eq!(kit.units("tea").await, 0);
        kit.no_drift().await;
        // The cups are still in it, the tea is not.
        assert_eq!(kit.hold(kept.id).await.unwrap().status, HoldStatus::Expired);
        let detail = kit.not_renewed(kept.id).await;
        assert_eq!(detail.to_string(), "Insufficient stock. Available: 0, Requested: 1");
        assert_eq!(detail, short("tea", 0, 1).into());
        assert_eq!(kit.hold(kept.id).await.unwrap().status, HoldStatus::Expired);
        let error = OrderError::HoldEnded(HoldStatus::Expired);
        let claimed = kit.place_by(locking, &[claiming(&name, kept.id)]).await;
        assert_eq!(claimed, [Placed::Refused { error, cart: None }]);
        assert_eq!(kit.units("cup").await, 1);
        assert_eq!(kit.sweep().await.outcome, 1);
        assert_eq!((kit.units("tea").await, kit.units("cup").await), (0, 3));
        kit.no_drift().await;
    }
}

/// What a node with a faster clock took from a hold is gone, whatever a slower one thinks of its expiry.
pub async fn a_slower_clock_brings_no_hold_back(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("tea", 2), ("cup", 2)]).await;
        let name = format!("{locking:?}");
        let kept = kit.held(&name, &[("tea", 2), ("cup", 1)]).await;
        let slow = Arc::new(ManualClock::new(kit.clock.now()));
        kit.advance(LASTS);
        kit.bought(buy("bob", &[("tea", 1)])).await;
        assert_eq!(
            kit.store.holds(&[kept.id]).await.unwrap()[0].as_ref().unwrap().status,
            HoldStatus::Expired
        );
        let orders = OrderPolicy { clock: slow.clone(), ..kit.orders_by(locking) };
        let claimed = kit.store.place_orders(&[claiming(&name, kept.id)], &orders, &kit.fence).await.unwrap();
        let error = OrderError::HoldEnded(HoldStatus::Expired);
        assert_eq!(claimed.outcomes, [Placed::Refused { error, cart: None }]);
        let holds = HoldPolicy { clock: slow.clone(), ..kit.holds_by() };
        let renewed = kit.store.renew_hold(&renewal(kept.id), &holds).await.unwrap();
        assert_eq!(renewed.outcome, Renewed::Refused(short("tea", 1, 2).into()));
        let soon = slow.now() + AT_MOST;
        assert_eq!(
            kit.store.holds_expiring(slow.now(), soon, 9).await.unwrap(),
            [],
            "it has expired already"
        );
        let released = kit.store.release_hold(kept.id, None, slow.now()).await.unwrap();
        assert!(
            matches!(&released.outcome, Released::Done(hold) if hold.status == HoldStatus::Expired),
            "{released:?}"
        );
        assert_eq!((kit.units("tea").await, kit.units("cup").await), (1, 2));
        kit.no_drift().await;
    }
}

/// Units of a hold that has expired can be held by the next one; what came back and was not enough is in stock.
pub async fn an_expired_hold_keeps_nobody_from_holding(kit: Kit) {
    kit.offer(&[("tea", 4), ("cup", 0)]).await;
    for name in ["a", "b", "c", "d"] {
        kit.held(name, &[("tea", 1)]).await;
    }
    assert_eq!(kit.not_held(hold("bob", &[("tea", 1)])).await, short("tea", 0, 1).into());
    kit.advance(LASTS);
    let wanted = [hold("bob", &[("tea", 3)]), hold("eve", &[("tea", 1), ("cup", 1)])];
    let batch = kit.store.reserve_holds(&wanted, &kit.holds_by()).await.unwrap();
    assert!(matches!(&batch.outcomes[..], [Reserved::Done(_), Reserved::Refused(_)]), "{batch:?}");
    assert_eq!((batch.turned, kit.units("tea").await), (vec![product("tea")], 1));
    kit.no_drift().await;
    assert_eq!(kit.sweep().await.outcome, 4, "empty ones, too");
    assert_eq!(kit.units("tea").await, 1);
    kit.no_drift().await;
}

/// Swept or not, wholly or in part: what has left it is taken again, what has not is kept.
pub async fn an_expired_hold_is_renewed_while_its_units_are_there(kit: Kit) {
    kit.offer(&[("tea", 3), ("cup", 2)]).await;
    let kept = kit.held("ana", &[("tea", 3), ("cup", 1)]).await;
    kit.advance(LASTS);
    let renewed = kit.renewed(kept.id).await;
    assert_eq!((renewed.status, kit.units("tea").await), (HoldStatus::Active, 0), "nobody wanted it");
    kit.advance(LASTS);
    let swept = kit.sweep().await;
    assert_eq!((swept.outcome, swept.turned, kit.units("tea").await), (1, vec![product("tea")], 3));
    let again = kit.renew(kept.id).await;
    assert_eq!((again.turned, kit.units("tea").await), (vec![product("tea")], 0));
    assert_eq!(kit.hold(kept.id).await.unwrap().expires_at, kept.until, "the price is that of the beginning");
    kit.no_drift().await;
    assert_eq!(kit.release(kept.id).await.turned, [product("tea")]);
    assert_eq!((kit.units("tea").await, kit.units("cup").await), (3, 2));
    kit.no_drift().await;
    // In part: somebody needed the cups, and brought them back.
    let kept = kit.held("ana", &[("tea", 3), ("cup", 2)]).await;
    kit.advance(LASTS);
    let order = kit.bought(buy("bob", &[("cup", 1)])).await;
    assert_eq!((kit.units("tea").await, kit.units("cup").await), (0, 1));
    assert_eq!(kit.not_renewed(kept.id).await, short("cup", 1, 2).into());
    kit.step(order.id, OrderStatus::Cancelled).await;
    let again = kit.renew(kept.id).await;
    assert_eq!((again.turned, kit.units("tea").await, kit.units("cup").await), (vec![product("cup")], 0, 0));
    kit.no_drift().await;
    kit.bought(claiming("ana", kept.id)).await;
    kit.no_drift().await;
    // From another hold that has expired comes more than is lacking: there is some again, and shoppers see that.
    kit.offer(&[("milk", 3)]).await;
    let kept = kit.held("ana", &[("milk", 1)]).await;
    kit.advance(LASTS);
    kit.held("bob", &[("milk", 2)]).await;
    kit.bought(buy("carl", &[("milk", 1)])).await;
    kit.advance(LASTS);
    let again = kit.renew(kept.id).await;
    assert_eq!((again.turned, kit.units("milk").await), (vec![product("milk")], 1));
    kit.no_drift().await;
    // From one expired hold to another.
    kit.offer(&[("pot", 1)]).await;
    let first = kit.held("ana", &[("pot", 1)]).await;
    kit.advance(LASTS);
    let second = kit.held("bob", &[("pot", 1)]).await;
    assert_eq!(kit.not_renewed(first.id).await, short("pot", 0, 1).into());
    kit.advance(LASTS);
    kit.renewed(first.id).await;
    assert_eq!(kit.not_renewed(second.id).await, short("pot", 0, 1).into());
    kit.no_drift().await;
}

/// What expired does not count; who comes back with it has as many as he may.
pub async fn an_expired_hold_is_not_renewed_beyond_the_limit(kit: Kit) {
    kit.offer(&[("tea", 9)]).await;
    let policy = HoldPolicy { per_owner: 1, ..kit.holds_by() };
    let renew = async |id| kit.store.renew_hold(&renewal(id), &policy).await.unwrap().outcome;
    let first = kit.held("ana", &[("tea", 1)]).await;
    assert!(matches!(renew(first.id).await, Renewed::Done(_)), "itself is not one more");
    kit.advance(LASTS);
    let second = kit.held("ana", &[("tea", 1)]).await;
    assert_eq!(renew(first.id).await, Renewed::Refused(HoldError::TooManyHolds { max: 1 }));
    kit.release(second.id).await;
    assert!(matches!(renew(first.id).await, Renewed::Done(_)));
}

/// What is for sale no more is not taken again; what was kept is given back.
pub async fn products_of_holds_stay(kit: Kit) {
    kit.offer(&[("tea", 2), ("cup", 2)]).await;
    let kept = kit.held("ana", &[("tea", 1), ("cup", 2)]).await;
    assert!(matches!(kit.delete("tea").await, Deleted::Retired(_)), "some of it is still kept");
    kit.no_drift().await;
    kit.advance(LASTS);
    kit.sweep().await;
    kit.no_drift().await;
    // Nobody has any of it: whether it is still known is the store's business.
    kit.delete("cup").await;
    let error = OrderError::ProductNotForSale(product("tea"));
    assert_eq!(kit.not_renewed(kept.id).await, error.into());
    kit.offer(&[("tea", 2)]).await;
    let gone = [OrderError::UnknownProduct(product("cup")), OrderError::ProductNotForSale(product("cup"))];
    assert!(gone.map(HoldError::Order).contains(&kit.not_renewed(kept.id).await));
    kit.no_drift().await;
}

/// In portions, those that expired first; whoever renewed in time keeps what he has.
pub async fn expired_holds_are_cleaned_in_portions(kit: Kit) {
    kit.offer(&[("tea", 6), ("cup", 9)]).await;
    let mut made = Vec::new();
    for _ in 0..6 {
        made.push(kit.held("ana", &[("tea", 1), ("cup", 1)]).await);
        kit.advance(TimeDelta::seconds(1));
    }
    kit.advance(LASTS - TimeDelta::seconds(3));
    kit.renewed(made[0].id).await;
    let now = kit.clock.now();
    let first = kit.store.expire_holds(now, 2).await.unwrap();
    assert_eq!((first.outcome, first.turned), (2, vec![product("tea")]));
    assert_eq!(kit.store.expire_holds(now, 2).await.unwrap().outcome, 1);
    let none = kit.store.expire_holds(now, 2).await.unwrap();
    assert_eq!((none.outcome, none.turned), (0, Vec::new()));
    let status: Vec<_> = kit.store.holds(&made.iter().map(|hold| hold.id).collect::<Vec<_>>()).await.unwrap();
    let status: Vec<_> = status.into_iter().map(|hold| hold.unwrap().status).collect();
    let (kept, gone) = (HoldStatus::Active, HoldStatus::Expired);
    assert_eq!(status, [kept, gone, gone, gone, kept, kept]);
    assert_eq!((kit.units("tea").await, kit.units("cup").await), (3, 6));
    kit.no_drift().await;
    // One that has expired expires, whoever gives it back.
    kit.advance(LASTS);
    let Released::Done(late) = kit.release(made[5].id).await.outcome else { panic!() };
    assert_eq!(late.status, HoldStatus::Expired);
    assert_eq!(kit.release(made[5].id).await.outcome, Released::Already(late));
    assert_eq!(kit.release(hold_id()).await.outcome, Released::Missing);
    let not_his = kit.store.release_hold(made[4].id, Some(&owner("bob")), kit.clock.now()).await.unwrap();
    assert_eq!(not_his.outcome, Released::Missing);
    assert_eq!(kit.units("tea").await, 4);
}

/// Each is told of once, and once more after a renewal; and neither too early nor too late.
pub async fn holds_are_warned_of_once(kit: Kit) {
    kit.offer(&[("tea", 9)]).await;
    let first = kit.held("ana", &[("tea", 1)]).await;
    kit.advance(TimeDelta::seconds(10));
    let second = kit.held("ana", &[("tea", 2)]).await;
    let released = kit.held("ana", &[("tea", 2)]).await;
    kit.release(released.id).await;
    let warn = async |seconds, limit| {
        let now = kit.clock.now();
        kit.store.holds_expiring(now, now + TimeDelta::seconds(seconds), limit).await.unwrap()
    };
    assert_eq!(warn(49, 9).await, []);
    assert_eq!(warn(60, 1).await, std::slice::from_ref(&first));
    assert_eq!(warn(60, 9).await, [second]);
    assert_eq!(warn(60, 9).await, []);
    let renewed = kit.renewed(first.id).await;
    assert_eq!(warn(60, 9).await, [renewed]);
    let last = kit.held("ana", &[("tea", 1)]).await;
    kit.advance(LASTS);
    assert_eq!(warn(60, 9).await, [], "too late for {last:?}");
}

/// After a while nobody asks any more; what is kept is not forgotten.
pub async fn old_holds_are_forgotten(kit: Kit) {
    kit.offer(&[("tea", 9)]).await;
    let [released, claimed, kept] = [
        kit.held("a", &[("tea", 1)]).await,
        kit.held("a", &[("tea", 1)]).await,
        kit.held("a", &[("tea", 1)]).await,
    ];
    kit.release(released.id).await;
    let order = kit.bought(claiming("a", claimed.id)).await;
    let ended = kit.clock.now();
    kit.advance(TimeDelta::seconds(1));
    assert_eq!(kit.store.forget_holds(ended, 9).await.unwrap(), 0);
    let now = kit.clock.now();
    assert_eq!(kit.store.forget_holds(now, 1).await.unwrap(), 1);
    assert_eq!(kit.store.forget_holds(now, 9).await.unwrap(), 1);
    assert_eq!((kit.hold(released.id).await, kit.hold(claimed.id).await), (None, None));
    assert_eq!(kit.hold(kept.id).await, Some(kept));
    kit.step(order.id, OrderStatus::Failed).await;
    assert_eq!(kit.units("tea").await, 8);
    kit.no_drift().await;
}

/// As many lines as there may be, through all that can happen to them.
pub async fn a_hold_of_five_hundred_lines(kit: Kit) {
    let ids: Vec<String> = (0..500).map(|n| format!("p{n}")).collect();
    let lines: Vec<(&str, i64)> = ids.iter().rev().map(|id| (id.as_str(), 2)).collect();
    kit.offer(&lines).await;
    let made = kit.held("ana", &lines).await;
    assert_eq!(kit.hold(made.id).await, Some(made.clone()));
    kit.renewed(made.id).await;
    kit.advance(LASTS);
    assert_eq!(kit.sweep().await.turned.len(), 500);
    assert_eq!(kit.renew(made.id).await.turned.len(), 500);
    kit.no_drift().await;
    kit.advance(LASTS);
    let half: Vec<_> = lines.iter().take(250).copied().collect();
    let order = kit.bought(buy("bob", &half)).await;
    assert!(
        matches!(kit.not_renewed(made.id).await, HoldError::Order(OrderError::InsufficientStock(short)) if short.len() == 250)
    );
    kit.step(order.id, OrderStatus::Cancelled).await;
    kit.renewed(made.id).await;
    let order = kit.bought(claiming("ana", made.id)).await;
    assert_eq!(order.lines, made.lines);
    kit.no_drift().await;
    kit.step(order.id, OrderStatus::Cancelled).await;
    assert_eq!((kit.units("p0").await, kit.units("p499").await), (2, 2));
    kit.no_drift().await;
}
