use cartwright_domain::{
    Attributes, CartError, Category, Clock, Currency, Description, Money, NewProduct, ProductChange,
    ProductDetails, ProductName, Stock,
};
use cartwright_storage::{Changed, Created, Deleted, Imported, ImportedProduct, Outcome, ReadFrom};
use chrono::TimeDelta;

use crate::{
    Kit, add, change, details, imported, order, product,
    shop::{id, placed},
};

pub(super) fn fullest() -> ProductDetails {
    let json = r#"{"a":[1,{"b":null}],"nul":"\u0000","text":"'; DROP TABLE products; -- \\ \"q\" ☕"}"#;
    ProductDetails {
        name: ProductName::new(&"☕".repeat(200)).unwrap(),
        description: Description::new(&"ünï \"quoted\"\n\t' \\ ".repeat(500)).unwrap(),
        price: Money::from_minor(1_000_000_000_000, Currency::JPY).unwrap(),
        stock: Stock::new(1_000_000_000).unwrap(),
        category: Some(Category::new("Home & Garden \u{200f}מוצר' %_?").unwrap()),
        attributes: Attributes::kept(json).unwrap(),
        active: false,
    }
}

/// The fullest and the emptiest product come back as they went in.
pub async fn a_product_is_kept_exactly(kit: Kit) {
    for (id, details) in [("full", fullest()), ("-", details("x", 0))] {
        let created = kit.create(Some(id), details.clone()).await;
        assert_eq!((created.version, created.created_at), (1, kit.clock.now()));
        assert_eq!((&created.details, created.id.as_str()), (&details, id));
        assert_eq!(kit.product(id).await, Some(created.clone()));
        let new = NewProduct { id: Some(product(id)), details: fullest() };
        assert_eq!(kit.store.create_product(&new, None, kit.clock.now()).await.unwrap(), Created::Exists);
        assert_eq!(kit.product(id).await, Some(created));
    }
    assert_eq!(kit.product("Full").await, None);
}

/// Without an id, the next integer: never one that a client chose or that was used before.
pub async fn products_without_an_id_are_numbered(kit: Kit) {
    let next = async || kit.create(None, details("Tea", 1)).await.id.to_string();
    assert_eq!((next().await, next().await), ("1".into(), "2".into()));
    for taken in ["3", "5", "07", "4006381333931", "x9", "999.9"] {
        kit.create(Some(taken), details("Taken", 1)).await;
    }
    assert_eq!(next().await, "6");
    kit.import(&[imported("40", details("Imported", 1))]).await;
    assert_eq!(next().await, "41");
    assert!(matches!(kit.delete("41").await, Deleted::Removed(_)));
    assert_eq!(next().await, "42");
    // Above nine digits nobody looks; a number that is taken is skipped.
    kit.create(Some("999999999"), details("Last", 1)).await;
    kit.create(Some("1000000000"), details("Beyond", 1)).await;
    assert_eq!(next().await, "1000000001");
}

/// Many at once get different numbers.
pub async fn concurrent_products_get_different_numbers(kit: Kit) {
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let (store, now) = (kit.store.clone(), kit.clock.now());
            let id = (n % 4 == 3).then(|| product(&n.to_string()));
            let new = NewProduct { id, details: details("Tea", 1) };
            tokio::spawn(async move { store.create_product(&new, None, now).await.unwrap() })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    for task in tasks {
        if let Created::Created(product) = task.await.unwrap() {
            assert!(seen.insert(product.id));
        }
    }
    assert!(seen.len() >= 9, "{seen:?}");
}

/// One answer for each id, in order, also for those named twice.
pub async fn products_are_read_in_order(kit: Kit) {
    kit.stock(&["a", "b"]).await;
    let wanted = ["b", "none", "a", "b"].map(id);
    let found = kit.store.products(&wanted, ReadFrom::Primary).await.unwrap();
    let names: Vec<_> = found.iter().map(|p| p.as_ref().map(|p| p.details.name.as_str())).collect();
    assert_eq!(names, [Some("The b"), None, Some("The a"), Some("The b")]);
    assert_eq!(kit.store.products(&[], ReadFrom::Primary).await.unwrap(), []);
}

/// A change answers both states; what changes nothing is not written; expected versions are checked.
pub async fn a_change_says_what_was_and_what_is(kit: Kit) {
    let before = kit.create(Some("tea"), placed("Tea", 250, "Drinks", "Green")).await;
    kit.advance(TimeDelta::seconds(1));
    let run = async |change: ProductChange, expected: &[u64]| {
        kit.store.change_product(&id("tea"), &change, expected, kit.clock.now()).await.unwrap()
    };
    let dearer = ProductChange { price: Some(Money::from_minor(300, Currency::USD).unwrap()), ..change() };
    let mut after = before.clone();
    after.apply(&dearer, kit.clock.now());
    let outcome = run(dearer.clone(), &[7, 1]).await;
    assert_eq!(outcome, Changed::Changed { before: before.clone(), after: after.clone() });
    assert_eq!((after.version, after.updated_at), (2, kit.clock.now()));
    assert_eq!(kit.product("tea").await, Some(after.clone()));

    assert_eq!(run(dearer.clone(), &[]).await, Changed::Unchanged(after.clone()));
    assert_eq!(run(dearer, &[1]).await, Changed::VersionMismatch(after.clone()));
    let nowhere = run(ProductChange { category: Some(None), ..change() }, &[2]).await;
    assert!(matches!(nowhere, Changed::Changed { after, .. } if after.details.category.is_none()));
    let replaced = run(ProductChange::replace(fullest()), &[]).await;
    assert!(
        matches!(replaced, Changed::Changed { after, .. } if after.details == fullest() && after.version == 4)
    );
    assert_eq!(kit.product("tea").await.unwrap().details, fullest());
    let missing = kit.store.change_product(&id("cup"), &change(), &[], kit.clock.now()).await.unwrap();
    assert_eq!(missing, Changed::Missing);
}

/// Changes at the same time wait for each other, and each sees what the others did.
pub async fn concurrent_changes_all_count(kit: Kit) {
    kit.stock(&["tea"]).await;
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let (store, now) = (kit.store.clone(), kit.clock.now());
            let change = ProductChange { stock: Some(Stock::new(100 + n).unwrap()), ..change() };
            tokio::spawn(async move { store.change_product(&id("tea"), &change, &[], now).await.unwrap() })
        })
        .collect();
    let mut versions = Vec::new();
    for task in tasks {
        let Changed::Changed { before, after } = task.await.unwrap() else { panic!("not changed") };
        assert_eq!(before.version + 1, after.version);
        versions.push(after.version);
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..12).collect::<Vec<u64>>());
}

/// What no order names is removed; what one names is kept, and nobody finds it.
pub async fn a_product_is_removed_or_retired(kit: Kit) {
    kit.stock(&["tea", "cup", "pot"]).await;
    kit.store.put_orders(&[order(&kit, 1, "ana", &["cup"])]).await.unwrap();
    kit.advance(TimeDelta::seconds(1));
    let delete = async |name: &str, expected: &[u64]| {
        kit.store.delete_product(&id(name), expected, kit.clock.now()).await.unwrap()
    };
    assert!(matches!(delete("tea", &[2]).await, Deleted::VersionMismatch(current) if current.version == 1));
    assert!(matches!(delete("tea", &[1]).await, Deleted::Removed(product) if product.details.active));
    let Deleted::Retired(retired) = delete("cup", &[]).await else { panic!("not retired") };
    assert_eq!((retired.version, retired.details.active, retired.updated_at), (2, false, kit.clock.now()));
    for gone in ["tea", "cup"] {
        assert_eq!(kit.product(gone).await, None);
        assert_eq!(delete(gone, &[]).await, Deleted::Missing);
        let changed = kit.store.change_product(&id(gone), &change(), &[], kit.clock.now()).await.unwrap();
        assert_eq!(changed, Changed::Missing);
    }
    let again = NewProduct { id: Some(product("cup")), details: details("Cup", 1) };
    assert_eq!(kit.store.create_product(&again, None, kit.clock.now()).await.unwrap(), Created::Exists);
    assert_eq!(kit.store.count_listings(9).await.unwrap(), 1);
    // An import makes it anew, under a version that was never used.
    let back = ImportedProduct { active: None, stock: None, ..imported("cup", details("Cup", 1)) };
    assert_eq!(kit.import(&[back]).await, Imported { created: 1, changed: 0 });
    let cup = kit.product("cup").await.unwrap();
    assert_eq!((cup.version, cup.details.active, cup.details.stock), (3, true, Stock::NONE));
}

/// Carts ask the same catalogue.
pub async fn carts_see_products_of_the_catalogue(kit: Kit) {
    let kit = kit.allowing_unlisted();
    kit.create(Some("tea"), details("Tea", 250)).await;
    kit.import(&[imported("cup", details("Cup", 900))]).await;
    assert_eq!(kit.done(add("ana", "tea", 2)).await.cart.total_minor(), 500);
    let cart = kit.done(add("ana", "cup", 1)).await.cart;
    assert_eq!(cart.line(&product("cup")).unwrap().name, "Cup");
    kit.change("tea", ProductChange { active: Some(false), ..change() }).await;
    kit.store.put_orders(&[order(&kit, 1, "ana", &["cup"])]).await.unwrap();
    assert!(matches!(kit.delete("cup").await, Deleted::Retired(_)));
    for gone in ["tea", "cup"] {
        let outcome = kit.one(add("ben", gone, 1)).await;
        assert!(
            matches!(outcome, Outcome::Refused { error: CartError::ProductNotForSale(_), .. }),
            "{outcome:?}"
        );
    }
    // And the listings of carts are products.
    kit.list(&["pot"]).await;
    let pot = kit.product("pot").await.unwrap();
    assert_eq!((pot.details.name.as_str(), pot.details.stock, pot.version), ("The pot", Stock::NONE, 1));
}
