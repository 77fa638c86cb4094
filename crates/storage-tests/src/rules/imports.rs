use cartwright_domain::{
    Attributes, Category, Clock, Description, ListQuery, Money, ProductChange, ProductDetails, Stock,
};
use cartwright_storage::{Imported, ImportedProduct, ReadFrom};
use chrono::TimeDelta;

use super::products::fullest;
use crate::{
    Kit, change, details, imported, product,
    shop::{placed, sketched},
};

/// Products of an import that says all replace those with the same id; those that are the same stay as they are.
pub async fn imports_write_over_what_is_there(kit: Kit) {
    let first = kit.create(Some("tea"), details("Tea", 250)).await;
    kit.create(Some("cup"), details("Cup", 900)).await;
    kit.advance(TimeDelta::seconds(1));
    let batch = [
        imported("pot", details("Pot", 1)),
        imported("tea", details("Tea", 250)),
        imported("cup", fullest()),
        imported("pot", details("Pot, the later one", 2)),
    ];
    assert_eq!(kit.import(&batch).await, Imported { created: 1, changed: 1 });
    assert_eq!(kit.product("tea").await, Some(first));
    let cup = kit.product("cup").await.unwrap();
    assert_eq!((&cup.details, cup.version, cup.updated_at), (&fullest(), 2, kit.clock.now()));
    assert!(cup.created_at < cup.updated_at);
    assert_eq!(kit.product("pot").await.unwrap().details.name.as_str(), "Pot, the later one");
    assert_eq!(kit.import(&batch).await, Imported::default());
    assert_eq!(kit.import(&[]).await, Imported::default());
}

/// More than one statement takes.
pub async fn a_large_import_is_counted(kit: Kit) {
    let batch: Vec<_> =
        (0..2500).map(|n| imported(&format!("p{n}"), placed("Thing", n, "Things", "Nice"))).collect();
    assert_eq!(kit.import(&batch).await, Imported { created: 2500, changed: 0 });
    assert_eq!(kit.store.count_listings(9999).await.unwrap(), 2500);
    assert_eq!(kit.product("p2499").await.unwrap().details.price.minor(), 2499);
}

/// What an import leaves out stays in a product that is there, and is as in a new one otherwise.
pub async fn imports_keep_what_they_do_not_name(kit: Kit) {
    let price = Money::parse("5", fullest().price.currency()).unwrap();
    let full = kit.create(Some("full"), fullest()).await;
    kit.advance(TimeDelta::seconds(1));
    let renamed = ImportedProduct { price, ..sketched("full", "Renamed", 1) };
    let batch = [renamed.clone(), sketched("new", "New", 7)];
    assert_eq!(kit.import(&batch).await, Imported { created: 1, changed: 1 });
    let mut wanted = full.clone();
    wanted.apply(&renamed.change(), kit.clock.now());
    assert_eq!(wanted.details.description, full.details.description);
    assert_eq!(kit.product("full").await, Some(wanted));
    let fresh = ProductDetails { stock: Stock::NONE, ..details("New", 7) };
    assert_eq!(kit.product("new").await.unwrap().details, fresh);
    assert_eq!(kit.import(&batch).await, Imported::default());

    // Each field by itself, also with the value that new products have.
    let nothing = renamed.clone();
    let fields = [
        ImportedProduct { description: Some(Description::default()), ..nothing.clone() },
        ImportedProduct { stock: Some(Stock::NONE), ..nothing.clone() },
        ImportedProduct { category: Some(None), ..nothing.clone() },
        ImportedProduct { category: Some(Some(Category::new("Else").unwrap())), ..nothing.clone() },
        ImportedProduct { attributes: Some(Attributes::default()), ..nothing.clone() },
        ImportedProduct { active: Some(true), ..nothing },
    ];
    for one in fields {
        let mut wanted = kit.product("full").await.unwrap();
        kit.advance(TimeDelta::seconds(1));
        assert_eq!(wanted.apply(&one.change(), kit.clock.now()).len(), 1);
        assert_eq!(kit.import(&[one]).await, Imported { created: 0, changed: 1 });
        assert_eq!(kit.product("full").await, Some(wanted));
    }
}

/// Rows with the same id come to what they would come to in imports of their own.
pub async fn rows_of_an_import_follow_each_other(kit: Kit) {
    let rows = |id: &str| {
        let row = |name: &str| sketched(id, name, 9);
        [
            ImportedProduct { stock: Some(Stock::new(7).unwrap()), ..row("One") },
            ImportedProduct { active: Some(false), category: Some(None), ..row("Two") },
            ImportedProduct { description: Some(Description::new("Late").unwrap()), ..row("Three") },
        ]
    };
    for there in [false, true] {
        let (together, apart) = (format!("together-{there}"), format!("apart-{there}"));
        if there {
            for id in [&together, &apart] {
                kit.create(Some(id), placed("Old", 1, "Things", "Early")).await;
            }
        }
        let counted = kit.import(&rows(&together)).await;
        assert_eq!((counted.created, counted.changed), (u64::from(!there), u64::from(there)));
        for row in rows(&apart) {
            kit.import(&[row]).await;
        }
        let of = async |id: &str| kit.product(id).await.unwrap().details;
        assert_eq!(of(&together).await, of(&apart).await);
        assert_eq!(of(&together).await.stock.get(), 7);
    }
}

/// An import that leaves the stock out and somebody who changes nothing but the stock: neither undoes the other.
pub async fn an_import_undoes_nothing_that_happens_meanwhile(kit: Kit) {
    kit.stock(&["a", "tea", "z"]).await;
    let importers: Vec<_> = (0..3_i64)
        .map(|task| {
            let (store, now) = (kit.store.clone(), kit.clock.now());
            tokio::spawn(async move {
                for round in 0..20 {
                    let row = |id: &str| sketched(id, &format!("Name {task}"), round);
                    store.import_products(&[row("z"), row("tea"), row("a")], now).await.unwrap();
                }
            })
        })
        .collect();
    for units in 100..140 {
        kit.change("tea", ProductChange { stock: Some(Stock::new(units).unwrap()), ..change() }).await;
        let tea = kit.product("tea").await.unwrap();
        assert_eq!(tea.details.stock.get(), u32::try_from(units).unwrap());
    }
    for importer in importers {
        importer.await.unwrap();
    }
    let tea = kit.product("tea").await.unwrap();
    assert_eq!((tea.details.stock.get(), tea.details.price.minor()), (139, 19));
}

/// The same new products in imports at the same time, while some are deleted again: each is made once for every time
/// that it was not there, none is left out, and nothing waits in a circle.
pub async fn concurrent_imports_make_each_product_once(kit: Kit) {
    let names: Vec<String> = (0..200).map(|n| format!("p{n}")).collect();
    let importers: Vec<_> = (0..4)
        .map(|task| {
            let (store, now) = (kit.store.clone(), kit.clock.now());
            let mut rows: Vec<_> = names.iter().map(|id| sketched(id, "The same", 1)).collect();
            if task % 2 == 1 {
                rows.reverse();
            }
            tokio::spawn(async move { store.import_products(&rows, now).await.unwrap() })
        })
        .collect();
    let mut deleted = 0;
    for name in names.iter().cycle().take(400) {
        let gone = kit.store.delete_product(&product(name), &[], kit.clock.now()).await.unwrap();
        deleted += u64::from(matches!(gone, cartwright_storage::Deleted::Removed(_)));
    }
    let (mut created, mut changed) = (0, 0);
    for importer in importers {
        let imported = importer.await.unwrap();
        created += imported.created;
        changed += imported.changed;
    }
    let there = u64::from(kit.store.count_listings(9999).await.unwrap());
    assert_eq!((created, changed), (there + deleted, 0));
    let left = Imported { created: 200 - there, changed: 0 };
    let all: Vec<_> = names.iter().map(|id| sketched(id, "The same", 1)).collect();
    assert_eq!(kit.import(&all).await, left);
    let listed = kit.store.list_products(&ListQuery::default(), ReadFrom::Primary).await.unwrap();
    assert_eq!(listed.total, Some(200), "the counts that are kept follow");
}
