use std::sync::Arc;

use cartwright_domain::{
    Clock, Currency, Money, OrderError, OrderStatus, PriceDifference, ProductChange, ProductName, Shortage,
    Stock,
};
use cartwright_storage::{OrderPolicy, OrderRequest, Placed, StockLocking};
use chrono::TimeDelta;
use tokio::time::timeout;

use crate::{
    Kit, RecordingFence, add, add_unlisted,
    buying::{ALL, buy, checkout, expecting, id},
    change, claim, details, imported,
    kit::{PATIENCE, owner, product},
};

/// Name and price are the catalogue's, lines are in the order in which they were asked for, stock is taken.
pub async fn an_order_is_kept_exactly_and_takes_its_stock(kit: Kit) {
    kit.offer(&[("tea", 10), ("cup", 5)]).await;
    let order = kit.bought(buy("ana", &[("tea", 3), ("cup", 2)])).await;
    assert_eq!(
        (order.status, order.currency, order.cart_version),
        (OrderStatus::Pending, Currency::EUR, None)
    );
    let lines: Vec<_> = order.lines.iter().map(|line| (line.product_id.as_str(), &*line.name)).collect();
    assert_eq!(lines, [("tea", "The tea"), ("cup", "The cup")]);
    assert_eq!((order.total_minor(), order.created_at), (1250, kit.clock.now()));
    let kept = kit.store.orders(&[id(), order.id]).await.unwrap();
    assert_eq!(kept, [None, Some(order.clone())]);
    assert_eq!((kit.units("tea").await, kit.units("cup").await), (7, 3));
    let steps = kit.store.order_transitions(order.id).await.unwrap();
    assert_eq!(
        steps.iter().map(|step| (step.from, step.to)).collect::<Vec<_>>(),
        [(None, OrderStatus::Pending)]
    );
    assert!(kit.store.order_transitions(id()).await.unwrap().is_empty());
    assert!(kit.place_by(StockLocking::Locked, &[]).await.is_empty());
    kit.no_drift().await;
}

/// In the order in which they asked: what does not fit is refused alone, and a later, smaller one may still fit.
pub async fn what_does_not_fit_is_refused_alone(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("tea", 5), ("cup", 1)]).await;
        let wanted = [
            buy("a", &[("tea", 3)]),
            buy("b", &[("tea", 3)]),
            buy("c", &[("tea", 1), ("cup", 2)]),
            buy("d", &[("tea", 2)]),
            buy("e", &[("tea", 1)]),
        ];
        let outcomes = kit.place_by(locking, &wanted).await;
        let done: Vec<bool> = outcomes.iter().map(|outcome| matches!(outcome, Placed::Done(_))).collect();
        assert_eq!(done, [true, false, false, true, false], "{locking:?}");
        let Placed::Refused { error, cart: None } = &outcomes[4] else { panic!("{outcomes:?}") };
        assert_eq!(error.to_string(), "Insufficient stock. Available: 0, Requested: 1");
        let short = |id, available, requested| Shortage { product_id: product(id), available, requested };
        let Placed::Refused { error, .. } = &outcomes[2] else { panic!("{outcomes:?}") };
        assert_eq!(*error, OrderError::InsufficientStock(vec![short("cup", 1, 2)]), "all or nothing");
        assert_eq!((kit.units("tea").await, kit.units("cup").await), (0, 1));
        let policy = kit.orders_by(locking);
        let last = kit.store.place_orders(&[buy("f", &[("cup", 1)])], &policy, &kit.fence).await.unwrap();
        assert_eq!(last.turned, [product("cup")], "sold out");
        kit.no_drift().await;
    }
}

/// Whoever sold a product a moment ago sells it as it is now, whatever was changed in between.
pub async fn a_product_that_sells_is_sold_as_it_is_now(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("tea", 1000)]).await;
        let one = || [buy("ana", &[("tea", 1)])];
        let sold = async |expected: &str, minor: i64| match &kit.place_by(locking, &one()).await[..] {
            [Placed::Done(order)] => {
                let line = &order.lines[0];
                assert_eq!((&*line.name, line.price.minor()), (expected, minor), "{locking:?}");
            }
            other => panic!("{other:?}"),
        };
        sold("The tea", 250).await;
        sold("The tea", 250).await;
        kit.change("tea", ProductChange { name: Some(ProductName::new("Tea").unwrap()), ..change() }).await;
        sold("Tea", 250).await;
        let price = Money::from_minor(275, Currency::EUR).unwrap();
        kit.change("tea", ProductChange { price: Some(price), ..change() }).await;
        sold("Tea", 275).await;
        kit.change("tea", ProductChange { stock: Some(Stock::new(1).unwrap()), ..change() }).await;
        sold("Tea", 275).await;
        let [Placed::Refused { error, .. }] = &kit.place_by(locking, &one()).await[..] else { panic!() };
        assert_eq!(error.to_string(), "Insufficient stock. Available: 0, Requested: 1");
        kit.offer(&[("tea", 1000)]).await;
        sold("The tea", 250).await;
        kit.change("tea", ProductChange { active: Some(false), ..change() }).await;
        let [Placed::Refused { error, .. }] = &kit.place_by(locking, &one()).await[..] else { panic!() };
        assert_eq!(*error, OrderError::ProductNotForSale(product("tea")));
        kit.change("tea", ProductChange { active: Some(true), ..change() }).await;
        kit.no_drift().await;
    }
}

/// What is unknown, not for sale, or in two currencies is not bought.
pub async fn what_cannot_be_sold_is_refused(kit: Kit) {
    kit.offer(&[("tea", 5), ("old", 5)]).await;
    kit.change("old", ProductChange { active: Some(false), ..change() }).await;
    let mut yen = details("Yen", 250);
    yen.price = Money::from_minor(250, Currency::JPY).unwrap();
    yen.stock = Stock::new(5).unwrap();
    kit.import(&[imported("yen", yen)]).await;
    assert_eq!(kit.refused(buy("a", &[("none", 1)])).await, OrderError::UnknownProduct(product("none")));
    assert_eq!(kit.refused(buy("a", &[("old", 1)])).await, OrderError::ProductNotForSale(product("old")));
    let both = kit.refused(buy("a", &[("tea", 1), ("yen", 1)])).await;
    assert_eq!(both, OrderError::Currencies(Currency::EUR, Currency::JPY));
    assert_eq!(kit.units("tea").await, 5);
    kit.no_drift().await;
}

/// One order of a version of a cart, which is empty then.
pub async fn a_cart_is_ordered_once(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("tea", 10), ("cup", 10)]).await;
        let name = format!("{locking:?}");
        kit.done(add(&name, "tea", 2)).await;
        kit.done(add(&name, "cup", 1)).await;
        kit.fence.take();
        let outcomes =
            kit.place_by(locking, &[checkout(&name, 1), checkout(&name, 2), checkout(&name, 2)]).await;
        assert!(
            matches!(&outcomes[0], Placed::Refused { error: OrderError::CartMoved { actual: 2 }, cart: Some(cart) }
                if cart.total_quantity() == 3),
            "{outcomes:?}"
        );
        let Placed::Done(order) = &outcomes[1] else { panic!("{outcomes:?}") };
        assert_eq!(outcomes[2], Placed::Replayed(order.clone()));
        assert_eq!((order.cart_version, order.total_minor()), (Some(2), 750));
        let cart = kit.cart(&name).await;
        assert_eq!((cart.version(), cart.lines().len()), (3, 0));
        let raised = kit.fence.take();
        assert_eq!(raised.iter().map(|(_, owners)| owners.clone()).collect::<Vec<_>>(), [[owner(&name)]]);
        // Again, much later, and from elsewhere.
        assert_eq!(kit.place(checkout(&name, 2)).await, Placed::Replayed(order.clone()));
        assert_eq!(kit.refused(checkout(&name, 3)).await, OrderError::EmptyCart);
        assert_eq!(kit.refused(checkout("nobody", 0)).await, OrderError::EmptyCart);
        assert!(kit.fence.take().is_empty(), "nothing changed");
        // The next cart is another order.
        kit.done(add(&name, "tea", 1)).await;
        assert_ne!(kit.bought(checkout(&name, 4)).await.id, order.id);
        assert_eq!((kit.units("tea").await, kit.units("cup").await), (7, 9));
        kit.no_drift().await;
    }
}

/// Carts changed by others meanwhile, read from where they are remembered or not: what is bought is what was in the version.
pub async fn a_cart_that_is_not_remembered_is_bought_as_it_is(kit: Kit) {
    let ids: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    kit.offer(&ids.iter().map(|id| (id.as_str(), 100)).collect::<Vec<_>>()).await;
    let carts: Vec<String> = (0..8).map(|n| format!("cart{n}")).collect();
    for (n, cart) in carts.iter().enumerate() {
        let adds: Vec<_> = (0..10).map(|line| add(cart, &ids[(n * 7 + line * 3) % ids.len()], 2)).collect();
        kit.run(&adds).await;
    }
    let wanted: Vec<_> = carts.iter().map(|cart| checkout(cart, 10)).collect();
    for outcome in kit.place_by(StockLocking::Locked, &wanted).await {
        assert!(matches!(&outcome, Placed::Done(order) if order.lines.len() == 10), "{outcome:?}");
    }
    kit.no_drift().await;
}

/// What became dearer needs a word of the buyer; what became cheaper is sold for less; a total that is expected must be
/// right.
pub async fn a_higher_price_needs_consent(kit: Kit) {
    kit.offer(&[("tea", 10), ("cup", 10)]).await;
    kit.done(add("ana", "tea", 2)).await;
    kit.done(add("ana", "cup", 1)).await;
    let price = |minor| Money::from_minor(minor, Currency::EUR).unwrap();
    kit.change("tea", ProductChange { price: Some(price(300)), ..change() }).await;
    kit.change("cup", ProductChange { price: Some(price(100)), ..change() }).await;
    let tea = PriceDifference { product_id: product("tea"), agreed: price(250), current: price(300) };
    let rose = OrderError::PricesRose { total: "7.00 EUR".to_owned(), lines: vec![tea] };
    assert_eq!(kit.refused(checkout("ana", 2)).await, rose);
    let other = kit.refused(expecting(checkout("ana", 2), 750)).await;
    assert!(
        matches!(&other, OrderError::TotalChanged { expected, total, lines }
        if expected == "7.50 EUR" && total == "7.00 EUR" && lines.len() == 2),
        "{other:?}"
    );
    assert_eq!(kit.cart("ana").await.version(), 2, "nothing happened");
    let order = kit.bought(expecting(checkout("ana", 2), 700)).await;
    assert_eq!(order.lines.iter().map(|line| line.price.minor()).collect::<Vec<_>>(), [100, 300]);
    assert!(matches!(
        kit.refused(expecting(buy("bob", &[("tea", 1)]), 250)).await,
        OrderError::TotalChanged { .. }
    ));
    kit.bought(expecting(buy("bob", &[("tea", 1)]), 300)).await;
    // Cheaper alone is no surprise.
    kit.done(add("eve", "tea", 1)).await;
    kit.change("tea", ProductChange { price: Some(price(200)), ..change() }).await;
    assert_eq!(kit.bought(checkout("eve", 1)).await.total_minor(), 200);
}

/// Lines that the catalogue does not know are bought where that is allowed; they have no stock.
pub async fn unlisted_lines_have_no_stock(kit: Kit) {
    let kit = kit.allowing_unlisted();
    kit.done(add_unlisted("ana", "gift", "A gift", 500, Currency::EUR)).await;
    kit.done(add_unlisted("bob", "gift", "A gift", 500, Currency::EUR)).await;
    let order = kit.bought(checkout("ana", 1)).await;
    assert_eq!((order.total_minor(), &*order.lines[0].name), (500, "A gift"));
    let strict = OrderPolicy { allow_unlisted: false, ..kit.orders_by(StockLocking::Locked) };
    let outcomes = kit.store.place_orders(&[checkout("bob", 1)], &strict, &kit.fence).await.unwrap().outcomes;
    let error = OrderError::UnknownProduct(product("gift"));
    assert!(
        matches!(&outcomes[0], Placed::Refused { error: refused, .. } if *refused == error),
        "{outcomes:?}"
    );
    kit.step(order.id, OrderStatus::Cancelled).await;
    kit.no_drift().await;
}

/// One order for a key, however often it is sent; refusals are not kept.
pub async fn an_order_is_made_once_for_a_key(kit: Kit) {
    kit.offer(&[("tea", 2)]).await;
    let keyed = |request: OrderRequest, key: &str, fingerprint: u8| OrderRequest {
        claim: Some(claim(key, &[fingerprint])),
        ..request
    };
    let one = || keyed(buy("ana", &[("tea", 1)]), "k", 1);
    let outcomes = kit.place_by(StockLocking::Locked, &[one(), one()]).await;
    let Placed::Done(order) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(outcomes[1], Placed::KeyInFlight, "of the same batch");
    assert_eq!(kit.place(one()).await, Placed::Replayed(order.clone()));
    assert_eq!(kit.place(keyed(buy("ana", &[("tea", 2)]), "k", 2)).await, Placed::KeyReused);
    let much = || keyed(buy("ana", &[("tea", 2)]), "much", 1);
    assert!(matches!(kit.refused(much()).await, OrderError::InsufficientStock(_)));
    kit.offer(&[("tea", 2)]).await;
    kit.bought(much()).await;
    kit.advance(TimeDelta::hours(25));
    kit.offer(&[("tea", 2)]).await;
    assert_ne!(kit.bought(one()).await.id, order.id, "a day later it is another order");
    kit.no_drift().await;
}

/// A refused fence leaves neither an order nor a movement behind.
pub async fn a_checkout_without_its_fence_leaves_nothing_behind(kit: Kit) {
    kit.offer(&[("tea", 5)]).await;
    kit.done(add("ana", "tea", 2)).await;
    let fence = RecordingFence::default();
    fence.refuse(true);
    let policy = kit.orders_by(StockLocking::Locked);
    kit.store.place_orders(&[checkout("ana", 1)], &policy, &fence).await.unwrap_err();
    assert_eq!((kit.units("tea").await, kit.cart("ana").await.version()), (5, 1));
    kit.bought(checkout("ana", 1)).await;
    kit.no_drift().await;
}

/// 16 buyers at once, in batches of different sizes, until nothing is left: exactly what there was is sold.
pub async fn concurrent_buyers_get_exactly_what_there_is(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("tea", 100)]).await;
        let policy = Arc::new(kit.orders_by(locking));
        let tasks: Vec<_> = (0..16_usize)
            .map(|task| {
                let (store, policy) = (kit.store.clone(), policy.clone());
                tokio::spawn(async move {
                    let (fence, mut sold) = (RecordingFence::default(), 0);
                    for round in 0..5 {
                        let size = (task + round) % 4 + 1;
                        let batch: Vec<_> = (0..size).map(|_| buy("x", &[("tea", 1)])).collect();
                        let outcomes = store.place_orders(&batch, &policy, &fence).await.unwrap().outcomes;
                        sold += outcomes.iter().filter(|outcome| matches!(outcome, Placed::Done(_))).count();
                    }
                    sold
                })
            })
            .collect();
        let mut sold = 0;
        for task in tasks {
            sold += timeout(PATIENCE, task).await.expect("no deadlock").unwrap();
        }
        assert_eq!((sold, kit.units("tea").await), (100, 0), "{locking:?}");
        kit.no_drift().await;
    }
}

/// Products in opposite orders: nobody hears of a deadlock.
pub async fn crossing_orders_do_not_wait_in_a_circle(kit: Kit) {
    for locking in ALL {
        kit.offer(&[("a", 1000), ("b", 1000), ("c", 1000)]).await;
        let policy = Arc::new(kit.orders_by(locking));
        let tasks: Vec<_> = (0..12_usize)
            .map(|task| {
                let (store, policy) = (kit.store.clone(), policy.clone());
                tokio::spawn(async move {
                    let fence = RecordingFence::default();
                    let (way, back) = ([("a", 1), ("b", 1), ("c", 1)], [("c", 1), ("b", 1), ("a", 1)]);
                    for _ in 0..8 {
                        let lines = if task % 2 == 0 { way } else { back };
                        let outcomes =
                            store.place_orders(&[buy("x", &lines)], &policy, &fence).await.unwrap().outcomes;
                        assert!(matches!(outcomes[0], Placed::Done(_)), "{outcomes:?}");
                    }
                })
            })
            .collect();
        for task in tasks {
            timeout(PATIENCE, task).await.expect("no deadlock").unwrap();
        }
        for id in ["a", "b", "c"] {
            assert_eq!(kit.units(id).await, 1000 - 96);
        }
        kit.no_drift().await;
    }
}

/// One cart, checked out from many places at the same moment.
pub async fn concurrent_checkouts_of_a_cart_are_one_order(kit: Kit) {
    kit.offer(&[("tea", 100)]).await;
    kit.done(add("ana", "tea", 3)).await;
    let policy = Arc::new(kit.orders_by(StockLocking::Locked));
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let (store, policy) = (kit.store.clone(), policy.clone());
            tokio::spawn(async move {
                let fence = RecordingFence::default();
                store.place_orders(&[checkout("ana", 1)], &policy, &fence).await.unwrap().outcomes.remove(0)
            })
        })
        .collect();
    let (mut done, mut ids) = (0, std::collections::HashSet::new());
    for task in tasks {
        match timeout(PATIENCE, task).await.expect("no deadlock").unwrap() {
            Placed::Done(order) => {
                done += 1;
                ids.insert(order.id);
            }
            Placed::Replayed(order) => drop(ids.insert(order.id)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((done, ids.len(), kit.units("tea").await), (1, 1, 97));
}
