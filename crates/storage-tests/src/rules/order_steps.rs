use cartwright_domain::{
    Clock, Order, OrderId, OrderPaging, OrderQuery, OrderStatus, Page, PageSize, ProductChange, Stock,
};
use cartwright_storage::{OrderBatch, OrderStep, Stepped};
use chrono::TimeDelta;
use tokio::time::timeout;

use crate::{
    Kit,
    buying::{buy, id},
    change, details,
    kit::{PATIENCE, owner, product},
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
            let (store, now) = (kit.store.clone(), kit.clock.now());
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
