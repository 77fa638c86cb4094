use cartwright_domain::{Clock, ProductChange, Stock, TopWindow};
use cartwright_storage::{PastOrder, Ranked, ReadFrom};
use chrono::TimeDelta;

use crate::{Kit, add, change, order, owner, shop::id, sold};

fn counts(ranked: &[Ranked]) -> Vec<(&str, u64)> {
    ranked.iter().map(|ranked| (ranked.product.id.as_str(), ranked.count)).collect()
}

async fn top(kit: &Kit, window: TopWindow) -> Vec<Ranked> {
    kit.store.top_products(window, 10, ReadFrom::Primary).await.unwrap()
}

/// Units of orders that count, once however often they are counted; what cannot be bought is left out.
pub async fn tops_are_counted_once(kit: Kit) {
    kit.stock(&["a", "b", "c", "d", "off", "out"]).await;
    let cancelled = PastOrder { status: "cancelled".into(), ..sold(&kit, 9, "ana", &[("d", 900)]) };
    let orders = [
        sold(&kit, 1, "ana", &[("a", 2), ("b", 1), ("off", 50), ("unlisted", 70)]),
        sold(&kit, 2, "ben", &[("b", 1), ("c", 3), ("out", 60)]),
        cancelled,
    ];
    assert_eq!(kit.store.put_orders(&orders).await.unwrap(), 3);
    assert_eq!(kit.store.put_orders(&orders).await.unwrap(), 0, "they are there already");
    assert_eq!(top(&kit, TopWindow::All).await, [], "not counted yet");
    kit.refresh(3).await;
    kit.change("off", ProductChange { active: Some(false), ..change() }).await;
    kit.change("out", ProductChange { stock: Some(Stock::NONE), ..change() }).await;
    for window in TopWindow::ALL {
        assert_eq!(counts(&top(&kit, window).await), [("c", 3), ("a", 2), ("b", 2)], "{window}");
    }
    assert_eq!(kit.store.refresh_statistics(kit.clock.now(), 100).await.unwrap().orders, 0);
    assert_eq!(counts(&top(&kit, TopWindow::Week).await), [("c", 3), ("a", 2), ("b", 2)]);
    kit.store.put_orders(&[sold(&kit, 3, "cy", &[("b", 1000)])]).await.unwrap();
    kit.refresh(1).await;
    let most = kit.store.top_products(TopWindow::Day, 1, ReadFrom::Primary).await.unwrap();
    assert_eq!(counts(&most), [("b", 1002)]);
}

/// What was sold falls out of the windows, one after the other, whether anything new is sold or not.
pub async fn windows_move_on(kit: Kit) {
    kit.stock(&["a", "b"]).await;
    kit.store.put_orders(&[sold(&kit, 1, "ana", &[("a", 5)])]).await.unwrap();
    kit.refresh(1).await;
    kit.advance(TimeDelta::days(1));
    let late =
        PastOrder { created_at: kit.clock.now() - TimeDelta::days(20), ..sold(&kit, 2, "ana", &[("b", 7)]) };
    let ancient =
        PastOrder { created_at: kit.clock.now() - TimeDelta::days(900), ..sold(&kit, 3, "ana", &[("b", 1)]) };
    let early =
        PastOrder { created_at: kit.clock.now() + TimeDelta::days(3), ..sold(&kit, 4, "ana", &[("a", 1)]) };
    kit.store.put_orders(&[late, ancient, early]).await.unwrap();
    kit.refresh(3).await;
    let windows = async || {
        let mut all = Vec::new();
        for window in TopWindow::ALL {
            let ranked = top(&kit, window).await;
            all.push(counts(&ranked).into_iter().map(|(id, n)| format!("{id}{n}")).collect::<String>());
        }
        all
    };
    let move_on = async |days| {
        kit.advance(TimeDelta::days(days));
        kit.store.refresh_statistics(kit.clock.now(), 10).await.unwrap();
    };
    assert_eq!(windows().await, ["a6", "a6", "b7a6", "b8a6"]);
    move_on(1).await;
    assert_eq!(windows().await, ["a1", "a6", "b7a6", "b8a6"]);
    // A clock that is behind takes nothing back.
    let behind = kit.clock.now() - TimeDelta::days(1);
    kit.store.refresh_statistics(behind, 10).await.unwrap();
    assert_eq!(windows().await, ["a1", "a6", "b7a6", "b8a6"]);
    move_on(6).await;
    assert_eq!(windows().await, ["", "a1", "b7a6", "b8a6"]);
    move_on(5).await;
    assert_eq!(windows().await, ["", "", "a6", "b8a6"]);
    move_on(100).await;
    assert_eq!(windows().await, ["", "", "", "b8a6"]);
    kit.store.put_orders(&[sold(&kit, 5, "ana", &[("a", 3)])]).await.unwrap();
    kit.refresh(1).await;
    assert_eq!(windows().await, ["a3", "a3", "a3", "a9b8"]);
}

/// A refresh takes as many orders as it may, and says whether there may be more.
pub async fn orders_are_counted_in_portions(kit: Kit) {
    kit.stock(&["a"]).await;
    let orders: Vec<_> = (1..=2500).map(|n| order(&kit, n, "ana", &["a"])).collect();
    assert_eq!(kit.store.put_orders(&orders).await.unwrap(), 2500);
    let counted = async {
        let mut portions = Vec::new();
        while portions.iter().sum::<u64>() < 2500 {
            let refreshed = kit.store.refresh_statistics(kit.clock.now(), 1000).await.unwrap();
            assert_eq!(refreshed.more, refreshed.orders == 1000);
            portions.extend((refreshed.orders > 0).then_some(refreshed.orders));
        }
        portions
    };
    let portions = tokio::time::timeout(crate::kit::PATIENCE, counted).await.unwrap();
    assert_eq!(portions, [1000, 1000, 500]);
    assert_eq!(counts(&top(&kit, TopWindow::Day).await), [("a", 2500)]);
    assert_eq!(kit.store.put_orders(&[]).await.unwrap(), 0);
    assert_eq!(kit.store.refresh_statistics(kit.clock.now(), 0).await.unwrap(), Default::default());
}

/// Pairs are counted by order, from both sides.
pub async fn related_products_were_bought_together(kit: Kit) {
    kit.stock(&["a", "b", "c", "d"]).await;
    let many: Vec<String> = (0..40).map(|n| format!("m{n:02}")).collect();
    kit.stock(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let wide: Vec<&str> = many.iter().map(String::as_str).collect();
    let orders = [
        sold(&kit, 1, "ana", &[("a", 9), ("b", 9), ("c", 1)]),
        order(&kit, 2, "ben", &["a", "c"]),
        order(&kit, 3, "ben", &["a"]),
        order(&kit, 4, "cy", &["c", "d"]),
        order(&kit, 5, "cy", &wide),
    ];
    kit.store.put_orders(&orders).await.unwrap();
    kit.refresh(5).await;
    let related =
        async |name: &str| kit.store.related_products(&id(name), 30, ReadFrom::Primary).await.unwrap();
    assert_eq!(counts(&related("a").await), [("c", 2), ("b", 1)]);
    assert_eq!(counts(&related("c").await), [("a", 2), ("b", 1), ("d", 1)]);
    assert_eq!(related("none").await, []);
    assert_eq!(related("m00").await.len(), 19, "of many products in an order, twenty are paired");
    kit.change("a", ProductChange { stock: Some(Stock::NONE), ..change() }).await;
    assert_eq!(counts(&related("c").await), [("b", 1), ("d", 1)]);
    let one = kit.store.related_products(&id("c"), 1, ReadFrom::Primary).await.unwrap();
    assert_eq!(counts(&one), [("b", 1)]);
}

/// What goes with what somebody bought or is about to buy, without that.
pub async fn recommendations_leave_out_what_somebody_has(kit: Kit) {
    kit.stock(&["a", "b", "c", "d", "e"]).await;
    let orders = [
        order(&kit, 1, "x", &["a", "c"]),
        order(&kit, 2, "y", &["a", "c", "d"]),
        order(&kit, 3, "z", &["b", "d"]),
        order(&kit, 4, "ana", &["a"]),
    ];
    kit.store.put_orders(&orders).await.unwrap();
    kit.refresh(4).await;
    let recommended =
        async |name: &str| kit.store.recommended_products(&owner(name), 10, ReadFrom::Primary).await.unwrap();
    assert_eq!(counts(&recommended("ana").await), [("c", 2), ("d", 1)]);
    assert_eq!(recommended("stranger").await, []);
    // A cart counts, too; and its names may be anything.
    let kit = kit.allowing_unlisted();
    let name = "x\",\"product_id\":\"e\" \u{0}";
    kit.done(crate::add_unlisted("ana", "odd", name, 5, cartwright_domain::Currency::EUR)).await;
    kit.done(add("ana", "b", 1)).await;
    let recommended =
        async |name: &str| kit.store.recommended_products(&owner(name), 10, ReadFrom::Primary).await.unwrap();
    assert_eq!(counts(&recommended("ana").await), [("c", 2), ("d", 2)]);
    kit.done(add("ana", "c", 1)).await;
    assert_eq!(counts(&recommended("ana").await), [("d", 3)]);
    kit.done(add("guest", "b", 1)).await;
    assert_eq!(counts(&recommended("guest").await), [("d", 1)]);
}

/// Refreshes at the same time share the orders between them.
pub async fn refreshes_at_the_same_time_count_once(kit: Kit) {
    kit.stock(&["a", "b"]).await;
    let refreshing: Vec<_> = (0..4)
        .map(|_| {
            let (store, now) = (kit.store.clone(), kit.clock.now());
            tokio::spawn(async move {
                let mut orders = 0;
                for _ in 0..40 {
                    orders += store.refresh_statistics(now, 3).await.unwrap().orders;
                }
                orders
            })
        })
        .collect();
    for n in 1..=60 {
        kit.store.put_orders(&[order(&kit, n, "ana", &["a", "b"])]).await.unwrap();
    }
    let mut counted = 0;
    for task in refreshing {
        counted += task.await.unwrap();
    }
    kit.refresh(60 - counted).await;
    assert_eq!(counts(&top(&kit, TopWindow::Day).await), [("a", 60), ("b", 60)]);
    let related = kit.store.related_products(&id("a"), 10, ReadFrom::Primary).await.unwrap();
    assert_eq!(counts(&related), [("b", 60)]);
}

/// A position is at or after everything that was acknowledged; reads that ask for it see that.
pub async fn a_position_never_goes_back(kit: Kit) {
    let before = kit.store.position().await.unwrap();
    kit.stock(&["a"]).await;
    let after = kit.store.position().await.unwrap();
    assert_eq!(before.is_some(), after.is_some());
    assert!(after.is_none() || after > before);
    let from = after.map_or(ReadFrom::Primary, ReadFrom::AtLeast);
    assert!(kit.store.products(&[id("a")], from).await.unwrap()[0].is_some());
}
