use std::sync::{Arc, Mutex};

use cartwright_domain::{
    Clock, Currency, Order, OrderId, OrderPaging, OrderQuery, OrderStatus, Page, PageSize, ProductChange,
    Stock,
};
use cartwright_storage::{
    FollowUp, JobError, JobFilter, NewJob, OrderBatch, OrderPolicy, OrderRequest, OrderStep, Payload, Placed,
    Progress, Stepped, StockLocking,
};
use chrono::TimeDelta;
use tokio::time::timeout;

use crate::{
    Kit, add, add_unlisted,
    buying::{ALL, buy, checkout, id},
    change, details,
    kit::{PATIENCE, owner, product},
    name,
};

/// The status machine, and what it returns to stock: once, however many ask.
pub async fn orders_go_on_and_return_their_stock_once(kit: Kit) {
    kit.offer(&[("tea", 10), ("cup", 10)]).await;
    let order = kit.bought(buy("ana", &[("tea", 3), ("cup", 1)])).await;
    kit.advance(TimeDelta::seconds(1));
    let Stepped::Done { order: going, from } = kit.step(order.id, OrderStatus::Processing).await else {
        panic!()
    };
    assert_eq!(
        (from, going.status, going.updated_at),
        (OrderStatus::Pending, OrderStatus::Processing, kit.clock.now())
    );
    assert_eq!(kit.step(order.id, OrderStatus::Processing).await, Stepped::Already(going.clone()));
    assert_eq!(kit.step(order.id, OrderStatus::Expired).await, Stepped::Forbidden(going));
    assert_eq!(kit.step(id(), OrderStatus::Cancelled).await, Stepped::Missing);
    let not_hers =
        OrderStep { id: order.id, owner: Some(owner("bob")), to: OrderStatus::Cancelled, reason: None };
    assert_eq!(
        kit.store.step_orders(&[not_hers], kit.clock.now()).await.unwrap().outcomes,
        [Stepped::Missing]
    );
    assert_eq!(kit.units("tea").await, 7);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            // Whoever waited for the order may have looked at the clock before the one whom he waited for.
            let (store, now) = (kit.store.clone(), kit.clock.now() - TimeDelta::milliseconds(5));
            let step = OrderStep {
                id: order.id,
                owner: Some(owner("ana")),
                to: OrderStatus::Cancelled,
                reason: None,
            };
            tokio::spawn(async move { store.step_orders(&[step], now).await.unwrap().outcomes.remove(0) })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        match timeout(PATIENCE, task).await.expect("no deadlock").unwrap() {
            Stepped::Done { .. } => done += 1,
            Stepped::Already(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((done, kit.units("tea").await, kit.units("cup").await), (1, 10, 10));
    let steps = kit.store.order_transitions(order.id).await.unwrap();
    let steps: Vec<_> = steps.iter().map(|step| (step.from, step.to, step.reason.as_deref())).collect();
    assert_eq!(
        steps,
        [
            (None, OrderStatus::Pending, None),
            (Some(OrderStatus::Pending), OrderStatus::Processing, Some("to processing")),
            (Some(OrderStatus::Processing), OrderStatus::Cancelled, None),
        ]
    );
    kit.no_drift().await;
}

/// Several steps in one transaction, also of one order, and of products that were sold out.
pub async fn steps_are_taken_together(kit: Kit) {
    kit.offer(&[("tea", 4)]).await;
    let (one, other) = (kit.bought(buy("a", &[("tea", 3)])).await, kit.bought(buy("b", &[("tea", 1)])).await);
    assert_eq!(kit.units("tea").await, 0);
    let sold_out = kit.product("tea").await.unwrap();
    let step = |order: &Order, to| OrderStep { id: order.id, owner: None, to, reason: None };
    let steps = [
        step(&one, OrderStatus::Processing),
        step(&one, OrderStatus::Failed),
        step(&other, OrderStatus::Expired),
        step(&other, OrderStatus::Processing),
    ];
    let OrderBatch { outcomes, turned } = kit.store.step_orders(&steps, kit.clock.now()).await.unwrap();
    assert_eq!(turned, [product("tea")]);
    assert!(matches!(&outcomes[1], Stepped::Done { from: OrderStatus::Processing, .. }), "{outcomes:?}");
    assert!(matches!(&outcomes[3], Stepped::Forbidden(_)), "{outcomes:?}");
    let back = kit.product("tea").await.unwrap();
    assert_eq!(back.details.stock.get(), 4);
    assert!(back.version > sold_out.version, "shoppers see that there is some again");
    assert_eq!(kit.store.orders(&[one.id]).await.unwrap()[0].as_ref().unwrap().status, OrderStatus::Failed);
    kit.no_drift().await;
}

/// Every order is in its lists once, the newest first, by pages and by cursors.
pub async fn orders_are_listed_newest_first(kit: Kit) {
    kit.offer(&[("tea", 100)]).await;
    let mut made = Vec::new();
    for n in 0..9 {
        kit.advance(TimeDelta::seconds(i64::from(n % 2)));
        made.push(kit.bought(buy(if n % 3 == 0 { "bob" } else { "ana" }, &[("tea", 1)])).await);
    }
    kit.step(made[0].id, OrderStatus::Cancelled).await;
    made[0].status = OrderStatus::Cancelled;
    made.sort_by_key(|order| std::cmp::Reverse((order.created_at, order.id)));
    let of = |name: Option<&str>, status: Option<OrderStatus>| -> Vec<OrderId> {
        let wanted = |order: &&Order| {
            name.is_none_or(|name| order.owner.as_str() == name)
                && status.is_none_or(|status| order.status == status)
        };
        made.iter().filter(wanted).map(|order| order.id).collect()
    };
    let size = PageSize::new(2).unwrap();
    for (name, status) in
        [(None, None), (Some("ana"), None), (Some("bob"), Some(OrderStatus::Pending)), (Some("nobody"), None)]
    {
        let expected = of(name, status);
        let query = |paging| OrderQuery { owner: name.map(owner), status, paging };
        let (mut found, mut after): (Vec<OrderId>, Option<OrderId>) = (Vec::new(), None);
        loop {
            let part = kit.store.list_orders(&query(OrderPaging::After(after, size))).await.unwrap();
            found.extend(part.items.iter().map(|order| order.id));
            assert_eq!(part.total, None);
            match part.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, expected, "{name:?} {status:?}");
        let mut found = Vec::new();
        for number in 1..=5 {
            let page = OrderPaging::Page(Page::new(number, size).unwrap());
            let part = kit.store.list_orders(&query(page)).await.unwrap();
            assert_eq!(part.total, Some(expected.len() as u64));
            found.extend(part.items.iter().map(|order| order.id));
        }
        assert_eq!(found, expected, "{name:?} {status:?}");
    }
}

/// Whoever changes stock, and however: the ledger adds up.
pub async fn every_change_of_stock_is_in_the_ledger(kit: Kit) {
    let mut stocked = details("Tea", 250);
    stocked.stock = Stock::new(7).unwrap();
    kit.create(Some("tea"), stocked.clone()).await;
    kit.change("tea", ProductChange { stock: Some(Stock::new(3).unwrap()), ..change() }).await;
    kit.offer(&[("tea", 20), ("cup", 4), ("pot", 0)]).await;
    kit.no_drift().await;
    kit.bought(buy("ana", &[("tea", 20), ("cup", 1)])).await;
    assert_eq!(kit.product("tea").await.unwrap().details.stock, Stock::NONE);
    kit.no_drift().await;
    kit.delete("cup").await;
    kit.delete("pot").await;
    kit.create(Some("pot"), stocked).await;
    kit.offer(&[("cup", 9), ("tea", 1)]).await;
    kit.list(&["tea", "new"]).await;
    kit.no_drift().await;
}

/// What the catalogue does not know takes nothing from stock when it is ordered, and gives nothing back, whatever its name
/// and also when the catalogue knows it by then. It counts in the statistics.
pub async fn what_the_catalogue_does_not_know_has_no_stock(kit: Kit) {
    let kit = kit.allowing_unlisted();
    kit.offer(&[("tea", 9)]).await;
    let name = "\0 \\u0000 \"],[\"ghost\",\"\",1,7";
    kit.done(add_unlisted("ana", "ghost", name, 5, Currency::EUR)).await;
    kit.done(add("ana", "tea", 2)).await;
    let order = kit.bought(checkout("ana", 2)).await;
    assert_eq!(order.lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), [name, "The tea"]);
    assert_eq!(kit.store.orders(&[order.id]).await.unwrap(), [Some(order.clone())]);
    kit.no_drift().await;
    kit.refresh(1).await;

    kit.offer(&[("ghost", 3)]).await;
    kit.step(order.id, OrderStatus::Cancelled).await;
    assert_eq!((kit.units("tea").await, kit.units("ghost").await), (9, 3));
    kit.no_drift().await;
}

/// The jobs of orders are there when the orders are, and only then.
pub async fn orders_and_their_jobs_are_made_together(kit: Kit) {
    kit.offer(&[("tea", 100), ("cup", 1)]).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let follow_up = {
        let seen = Arc::clone(&seen);
        FollowUp::new(move |made, now| {
            let ids: Vec<OrderId> = made.iter().map(|order| order.id).collect();
            seen.lock().unwrap().push((ids.clone(), now));
            Ok(vec![NewJob::new(name("orders"), name("process"), Payload::of(&ids)?)])
        })
    };
    let queued = async || {
        let filter =
            JobFilter { queue: Some(name("orders")), limit: 100, kind: None, state: None, before: None };
        let mut orders = Vec::new();
        for job in kit.store.list_jobs(&filter).await.unwrap() {
            let (job, _) = kit.store.job(job.id).await.unwrap().unwrap(); // lists have no payloads
            orders.push(job.payload.read::<Vec<OrderId>>().unwrap());
        }
        orders
    };
    for locking in ALL {
        let policy = OrderPolicy { follow_up: follow_up.clone(), ..kit.orders_by(locking) };
        let place = async |requests: &[OrderRequest]| {
            kit.store.place_orders(requests, &policy, &kit.fence).await.unwrap().outcomes
        };
        // The second time nothing need be read before.
        for wanted in [[1, 900, 2], [1, 2, 3]] {
            let before = queued().await.len();
            let requests = wanted.map(|units| buy("ana", &[("tea", units)]));
            let made = place(&requests).await.into_iter().zip(&requests);
            let made = made.filter(|(outcome, _)| matches!(outcome, Placed::Done(_)));
            let made: Vec<OrderId> = made.map(|(_, request)| request.id).collect();
            let all = queued().await;
            assert_eq!(all.len(), before + 1, "{locking:?}: one for the batch");
            assert!(made.len() >= 2 && all.contains(&made), "{locking:?}: {all:?}");
            place(&[buy("bob", &[("tea", 900)])]).await;
            assert_eq!(queued().await.len(), before + 1, "{locking:?}: nothing was made");
        }
    }
    assert!(seen.lock().unwrap().iter().all(|(_, now)| *now == kit.clock.now()));
    // What cannot be a job: no order either.
    let follow_up = FollowUp::new(|_, _| Err(JobError::Large));
    let policy = OrderPolicy { follow_up, ..kit.orders_by(StockLocking::Adaptive) };
    let (request, units) = (buy("ana", &[("tea", 1)]), kit.units("tea").await);
    kit.store.place_orders(std::slice::from_ref(&request), &policy, &kit.fence).await.unwrap_err();
    assert_eq!(kit.store.orders(&[request.id]).await.unwrap(), [None]);
    assert_eq!(kit.units("tea").await, units);
    kit.no_drift().await;
}

/// How far an order is, is noted while it is being processed, and the last word counts.
pub async fn how_far_an_order_is_can_be_noted(kit: Kit) {
    kit.offer(&[("tea", 10)]).await;
    let order = kit.bought(buy("ana", &[("tea", 1)])).await;
    let progress = |percent, note: &str| Progress { percent, note: note.to_owned() };
    let note =
        async |progress: Progress| kit.store.note_order(order.id, &progress, kit.clock.now()).await.unwrap();
    let noted = async || kit.store.order_note(order.id).await.unwrap();
    assert!(!note(progress(10, "too early")).await);
    assert_eq!(noted().await, None);
    kit.step(order.id, OrderStatus::Processing).await;
    assert!(note(progress(10, "paid")).await && note(progress(250, &"\u{1f4e6}\0".repeat(200))).await);
    assert_eq!(noted().await, Some(progress(100, &"\u{1f4e6}\u{fffd}".repeat(100))));
    kit.step(order.id, OrderStatus::Completed).await;
    assert!(!note(progress(20, "too late")).await);
    assert_eq!(noted().await.unwrap().percent, 100);
    assert!(!kit.store.note_order(id(), &progress(1, ""), kit.clock.now()).await.unwrap());
}
