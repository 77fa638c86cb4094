use cartwright_domain::{CartError, Currency, Listing};
use cartwright_storage::Outcome;

use crate::{Kit, add, add_unlisted, kit::listing, product, remove};

/// Name and price come from the catalogue, whatever the client says; a line keeps those it was made with.
pub async fn the_catalogue_decides_name_and_price(kit: Kit) {
    let kit = kit.allowing_unlisted();
    kit.store.put_listings(&[listing("tea", 999, Currency::EUR)]).await.unwrap();
    let cart = kit.done(add_unlisted("ana", "tea", "Cheap tea", 1, Currency::USD)).await.cart;
    let line = cart.line(&product("tea")).unwrap();
    assert_eq!(
        (line.name.as_str(), line.price.minor(), line.price.currency()),
        ("The tea", 999, Currency::EUR)
    );

    kit.store.put_listings(&[listing("tea", 1099, Currency::EUR)]).await.unwrap();
    let cart = kit.done(add("ana", "tea", 1)).await.cart;
    assert_eq!(cart.line(&product("tea")).unwrap().price.minor(), 999);
    assert_eq!(kit.done(add("ben", "tea", 1)).await.cart.total_minor(), 1099);

    let stopped = Listing { active: false, ..listing("tea", 1099, Currency::EUR) };
    kit.store.put_listings(&[stopped]).await.unwrap();
    for request in [add("cy", "tea", 1), add_unlisted("cy", "tea", "Tea", 1, Currency::EUR)] {
        let outcome = kit.one(request).await;
        assert!(
            matches!(outcome, Outcome::Refused { error: CartError::ProductNotForSale(_), .. }),
            "{outcome:?}"
        );
    }
    // The catalogue is asked when a line is made. Who has one may change its quantity, by adding too.
    let cart = kit.done(add("ana", "tea", 1)).await.cart;
    assert_eq!((cart.total_quantity(), cart.total_minor()), (3, 3 * 999));
    // Not when it was removed in the same batch.
    let outcomes = kit.run(&[remove("ana", "tea"), add("ana", "tea", 1)]).await;
    assert!(
        matches!(outcomes[1], Outcome::Refused { error: CartError::ProductNotForSale(_), .. }),
        "{outcomes:?}"
    );
    kit.store.put_listings(&[listing("tea", 1199, Currency::EUR)]).await.unwrap();
    kit.done(add("ana", "tea", 1)).await;
    let outcomes = kit.run(&[remove("ana", "tea"), add("ana", "tea", 1)]).await;
    let Outcome::Done(answer) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(answer.cart.total_minor(), 1199);
}

/// A product outside the catalogue needs both the client's data and a policy that allows it.
pub async fn unlisted_products_need_the_policy_and_data(kit: Kit) {
    let refused = |outcome: Outcome| {
        assert!(
            matches!(outcome, Outcome::Refused { error: CartError::UnknownProduct(_), .. }),
            "{outcome:?}"
        );
    };
    refused(kit.one(add("ana", "tea", 1)).await);
    refused(kit.one(add_unlisted("ana", "tea", "Tea", 300, Currency::USD)).await);
    let kit = kit.allowing_unlisted();
    refused(kit.one(add("ana", "tea", 1)).await);
    let cart = kit.done(add_unlisted("ana", "tea", "Tea", 300, Currency::USD)).await.cart;
    assert_eq!((cart.total_minor(), cart.currency()), (300, Some(Currency::USD)));
    assert_eq!(
        kit.store.count_listings(10).await.unwrap(),
        0,
        "the client's data does not enter the catalogue"
    );
}

/// Listings are written by the thousand, replaced by id, and counted up to a limit.
pub async fn listings_are_counted_and_replaced(kit: Kit) {
    assert_eq!(kit.store.count_listings(10).await.unwrap(), 0);
    kit.store.put_listings(&[]).await.unwrap();
    let many: Vec<Listing> = (0..2500).map(|n| listing(&format!("p{n}"), n, Currency::JPY)).collect();
    kit.store.put_listings(&many).await.unwrap();
    kit.store.put_listings(&many[..100]).await.unwrap();
    assert_eq!(kit.store.count_listings(10).await.unwrap(), 10);
    assert_eq!(kit.store.count_listings(1_000_000).await.unwrap(), 2500);
    assert_eq!(kit.store.count_listings(0).await.unwrap(), 0);
    for n in [0, 999, 1000, 2499] {
        let cart = kit.done(add(&format!("o{n}"), &format!("p{n}"), 1)).await.cart;
        assert_eq!((cart.total_minor(), cart.lines()[0].name.clone()), (n, format!("The p{n}")));
    }
    let changed = Listing { name: "Ünïcode \"quoted\" ☕".to_owned(), ..listing("p7", 0, Currency::EUR) };
    kit.store.put_listings(std::slice::from_ref(&changed)).await.unwrap();
    let cart = kit.done(add("ana", "p7", 1)).await.cart;
    assert_eq!((&cart.lines()[0].name, cart.lines()[0].price), (&changed.name, changed.price));
    // The same product twice in one call: the later one stays.
    kit.store
        .put_listings(&[listing("twice", 1, Currency::EUR), listing("twice", 2, Currency::EUR)])
        .await
        .unwrap();
    assert_eq!(kit.done(add("ben", "twice", 1)).await.cart.total_minor(), 2);
}
