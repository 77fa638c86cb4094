use cartwright_domain::{CartError, Currency, MAX_LINES};
use cartwright_storage::{CartRequest, Outcome};

use crate::{Kit, add, add_unlisted, merge, owner, product, remove, set};

/// Ids use their whole alphabet and are told apart by case; names are any text. All come back as they went in.
pub async fn every_legal_id_and_name_is_kept_exactly(kit: Kit) {
    let kit = kit.allowing_unlisted();
    let long = "x".repeat(100);
    let longer = format!("{}y", "x".repeat(99));
    let ids = [
        "-", "--", ".", "..", ":", "@", "_", "__", "a", "A", "0", "00", "null", "true", "1e3", "a.B_9:@-",
        &long, &longer,
    ];
    let names = [
        "'; DROP TABLE carts; --",
        "\"quoted\" and \\backslashed\\ and {braced}",
        "line\nfeed\ttab\u{1}control",
        "ünïcödé ☕ 日本語 \u{202e}rtl",
        "null",
        " spaces around ",
        "%s $1 ? :name",
    ];
    for (n, id) in ids.iter().enumerate() {
        let batch: Vec<CartRequest> = (ids.iter().zip(names.iter().cycle().skip(n)))
            .map(|(product_id, name)| add_unlisted(id, product_id, name, 5, Currency::EUR))
            .collect();
        kit.run(&batch).await;
    }
    for (n, id) in ids.iter().enumerate() {
        let cart = kit.cart(id).await;
        assert_eq!((cart.owner(), cart.lines().len()), (&owner(id), ids.len()));
        for (product_id, name) in ids.iter().zip(names.iter().cycle().skip(n)) {
            assert_eq!(cart.line(&product(product_id)).unwrap().name, *name);
        }
    }
    kit.done(remove("_", "_")).await;
    kit.done(remove("A", "a")).await;
    assert_eq!(kit.cart("_").await.lines().len(), ids.len() - 1);
    assert!(kit.cart("A").await.line(&product("A")).is_some());
    assert_eq!(kit.cart("a").await.lines().len(), ids.len());
}

/// The largest and the smallest price, the longest name, the most units.
pub async fn the_largest_values_are_kept_exactly(kit: Kit) {
    let kit = kit.allowing_unlisted();
    let name = "☕".repeat(200);
    kit.done(add_unlisted("ana", "dear", &name, 1_000_000_000_000, Currency::EUR)).await;
    kit.done(add_unlisted("ana", "free", "f", 0, Currency::EUR)).await;
    let answer = kit.done(set("ana", "dear", Some(1000))).await;
    let cart = kit.cart("ana").await;
    assert_eq!(cart, *answer.cart);
    assert_eq!(cart.total_minor(), 1_000_000_000_000_000);
    assert_eq!(cart.line(&product("dear")).unwrap().name, name);
}

/// 500 lines, made in one batch; the next is refused, also when it comes by a merge.
pub async fn a_full_cart_takes_no_more_lines(kit: Kit) {
    let ids: Vec<String> = (0..=MAX_LINES).map(|n| format!("p{n:03}")).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    kit.list(&names).await;
    let batch: Vec<CartRequest> = names.iter().map(|id| add("ana", id, 1)).collect();
    let outcomes = kit.run(&batch).await;
    let refused: Vec<usize> = (0..outcomes.len())
        .filter(|&n| matches!(outcomes[n], Outcome::Refused { error: CartError::TooManyLines, .. }))
        .collect();
    assert_eq!(refused, [MAX_LINES]);
    let full = kit.cart("ana").await;
    assert_eq!((full.version(), full.lines().len()), (500, MAX_LINES));
    kit.done(add("guest", &ids[MAX_LINES], 1)).await;
    let outcome = kit.one(merge("ana", "guest")).await;
    assert!(matches!(outcome, Outcome::Refused { error: CartError::TooManyLines, .. }), "{outcome:?}");
    assert_eq!(kit.done(add("ana", "p000", 1)).await.cart.total_quantity(), 501);
    // All lines move, and all are removed, in one transaction each.
    assert_eq!(kit.done(merge("ben", "ana")).await.cart.lines().len(), MAX_LINES);
    assert_eq!(kit.cart("ben").await.total_quantity(), 501);
    assert_eq!(kit.cart("ana").await.lines().len(), 0);
}

/// 1,000 units of a product; one more is refused.
pub async fn a_line_takes_no_more_than_a_thousand_units(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.done(add("ana", "tea", 999)).await;
    kit.done(add("ana", "tea", 1)).await;
    let outcome = kit.one(add("ana", "tea", 1)).await;
    let Outcome::Refused { error, cart } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error, CartError::TooManyUnits { present: 1000, adding: 1 });
    assert_eq!((cart.version(), cart.total_quantity()), (2, 1000));
}

/// A cart holds one currency at a time; an empty one takes any.
pub async fn a_cart_has_one_currency(kit: Kit) {
    let kit = kit.allowing_unlisted();
    kit.done(add_unlisted("ana", "tea", "Tea", 100, Currency::EUR)).await;
    let outcome = kit.one(add_unlisted("ana", "cup", "Cup", 100, Currency::USD)).await;
    let mismatch = CartError::CurrencyMismatch { cart: Currency::EUR, product: Currency::USD };
    assert!(matches!(outcome, Outcome::Refused { error, .. } if error == mismatch));
    kit.done(remove("ana", "tea")).await;
    let cart = kit.done(add_unlisted("ana", "cup", "Cup", 100, Currency::JPY)).await.cart;
    assert_eq!(cart.currency(), Some(Currency::JPY));
    assert_eq!(kit.cart("ana").await, *cart);
}
