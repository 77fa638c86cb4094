use cartwright_domain::{CartError, Clock, MergedLine, Quantity};
use cartwright_storage::Outcome;
use chrono::TimeDelta;

use crate::{
    Kit, add, claimed, clear, merge,
    model::{Dice, Model},
    owner, product, remove, set,
};

/// A cart nobody wrote to has version 0 and no times; reads and refusals do not write it.
pub async fn a_cart_nobody_wrote_to_is_empty_and_stays_unwritten(kit: Kit) {
    for _ in 0..2 {
        let cart = kit.cart("ana").await;
        assert_eq!((cart.version(), cart.lines().len()), (0, 0));
        assert_eq!((cart.created_at(), cart.updated_at()), (None, None));
        assert_eq!(kit.store.load_for_fill(&[owner("ana")]).await.unwrap()[0].cart, cart);
        let refused = kit.one(remove("ana", "tea")).await;
        assert!(
            matches!(refused, Outcome::Refused { error: CartError::LineNotFound(_), cart: now } if *now == cart)
        );
        assert_eq!(*kit.done(clear("ana")).await.cart, cart);
    }
}

/// Adding makes a line; adding again adds up; each is one version.
pub async fn add_makes_and_accumulates_a_line(kit: Kit) {
    kit.list(&["tea", "cup"]).await;
    let first = kit.done(add("ana", "tea", 2)).await;
    assert_eq!((first.cart.version(), first.cart.total_quantity(), first.merge), (1, 2, None));
    assert_eq!(first.cart.created_at(), Some(kit.clock.now()));
    let created = kit.clock.now();
    kit.advance(TimeDelta::seconds(1));
    kit.done(add("ana", "cup", 1)).await;
    kit.advance(TimeDelta::seconds(1));
    let last = kit.done(add("ana", "tea", 3)).await.cart;
    assert_eq!((last.version(), last.lines().len(), last.total_minor()), (3, 2, 6 * 250));
    let tea = last.line(&product("tea")).unwrap();
    assert_eq!((tea.quantity.get(), tea.added_at), (5, created));
    assert_eq!((last.created_at(), last.updated_at()), (Some(created), Some(kit.clock.now())));
    assert_eq!(kit.cart("ana").await, *last);
    assert_eq!(kit.cart("ben").await.version(), 0);
}

/// Quantities are set, lines removed, carts cleared; a cleared cart keeps its version and its times.
pub async fn set_remove_and_clear(kit: Kit) {
    kit.list(&["tea", "cup", "pot"]).await;
    kit.run(&[add("ana", "tea", 1), add("ana", "cup", 1), add("ana", "pot", 1)]).await;
    assert_eq!(kit.done(set("ana", "tea", Some(7))).await.cart.version(), 4);
    assert_eq!(kit.cart("ana").await.line(&product("tea")).unwrap().quantity.get(), 7);
    kit.done(set("ana", "cup", None)).await;
    kit.done(remove("ana", "pot")).await;
    let cart = kit.cart("ana").await;
    assert_eq!((cart.version(), cart.lines().len(), cart.total_quantity()), (6, 1, 7));
    kit.advance(TimeDelta::seconds(5));
    kit.done(clear("ana")).await;
    let cleared = kit.cart("ana").await;
    assert_eq!((cleared.version(), cleared.lines().len(), cleared.currency()), (7, 0, None));
    assert_eq!(cleared.created_at(), cart.created_at());
    assert_eq!(cleared.updated_at(), Some(kit.clock.now()));
    for absent in [set("ana", "cup", Some(1)), set("ana", "cup", None), remove("ana", "cup")] {
        let outcome = kit.one(absent).await;
        assert!(matches!(outcome, Outcome::Refused { error: CartError::LineNotFound(_), .. }), "{outcome:?}");
    }
    assert_eq!(kit.done(add("ana", "tea", 1)).await.cart.version(), 8);
}

/// A merge moves every line, adds up what both hold, counts one version in each cart, and says what it did.
pub async fn merge_moves_lines_and_reports(kit: Kit) {
    kit.list(&["tea", "cup"]).await;
    kit.run(&[add("guest", "tea", 2), add("guest", "cup", 1)]).await;
    kit.advance(TimeDelta::seconds(1));
    kit.done(add("ana", "tea", 3)).await;
    kit.advance(TimeDelta::seconds(1));
    let answer = kit.done(merge("ana", "guest")).await;
    let lines = answer.merge.unwrap().lines;
    let units = |n| Quantity::new(n).unwrap();
    let of = |id, quantity, result| MergedLine {
        product_id: product(id),
        quantity: units(quantity),
        result: units(result),
    };
    assert_eq!(lines.len(), 2);
    assert!(lines.contains(&of("tea", 2, 5)) && lines.contains(&of("cup", 1, 1)), "{lines:?}");
    let ana = kit.cart("ana").await;
    assert_eq!(ana, *answer.cart);
    assert_eq!((ana.version(), ana.total_quantity()), (2, 6));
    let guest = kit.cart("guest").await;
    assert_eq!((guest.version(), guest.lines().len(), guest.updated_at()), (3, 0, Some(kit.clock.now())));

    let again = kit.done(merge("ana", "guest")).await;
    assert_eq!((again.cart.version(), again.merge.unwrap().lines.len()), (2, 0));
    let fresh = kit.done(merge("ben", "ana")).await;
    assert_eq!((fresh.cart.version(), fresh.cart.total_quantity()), (1, 6));
    let itself = kit.one(merge("ben", "ben")).await;
    assert!(matches!(itself, Outcome::Refused { error: CartError::MergeIntoItself, .. }));
}

/// A merge that a rule forbids leaves both carts as they were.
pub async fn a_refused_merge_loses_nothing(kit: Kit) {
    kit.list(&["tea", "cup"]).await;
    kit.run(&[add("guest", "cup", 1), add("guest", "tea", 600), add("ana", "tea", 600)]).await;
    let (ana, guest) = (kit.cart("ana").await, kit.cart("guest").await);
    kit.fence.take();
    let outcome = kit.one(merge("ana", "guest")).await;
    assert!(matches!(outcome, Outcome::Refused { error: CartError::TooManyUnits { .. }, .. }), "{outcome:?}");
    assert_eq!((kit.cart("ana").await, kit.cart("guest").await), (ana, guest));
    assert_eq!(kit.fence.take(), []);
}

/// What is answered is what is read back: microseconds, and the order of lines of one and of different times.
pub async fn lines_times_and_order_survive_a_reload(kit: Kit) {
    kit.list(&["m", "z", "a", "B", "b", "A", "-", "0"]).await;
    let mut answered = None;
    for (id, micros) in [("m", 1), ("z", 0), ("a", 0), ("B", 1), ("b", 0), ("A", 0), ("-", 999_999), ("0", 1)]
    {
        kit.advance(TimeDelta::microseconds(micros));
        answered = Some(kit.done(add("ana", id, 1)).await.cart);
    }
    let read = kit.cart("ana").await;
    assert_eq!(Some(&read), answered.as_deref());
    let order: Vec<&str> = read.lines().iter().map(|line| line.product_id.as_str()).collect();
    assert_eq!(order, ["a", "m", "z", "A", "B", "b", "-", "0"]);
    assert_eq!(read.updated_at().unwrap() - read.created_at().unwrap(), TimeDelta::microseconds(1_000_001));
}

/// Several hundred random requests in random batches: every outcome and every cart is what the domain says.
pub async fn random_batches_agree_with_the_domain(kit: Kit) {
    let owners = ["ana", "ben", "cy", "di"];
    let products = ["tea", "cup", "pot", "jam", "gone"];
    kit.list(&products[..4]).await;
    let mut model = Model::default();
    for id in &products[..4] {
        let listing = crate::kit::listing(id, 250, cartwright_domain::Currency::EUR);
        model.listings.insert(listing.product_id.clone(), listing);
    }
    let mut dice = Dice(20_261_121);
    for round in 0..60 {
        kit.advance(TimeDelta::microseconds(i64::from(round % 3)));
        let mut batch = Vec::new();
        for n in 0..=dice.roll(12) {
            let (who, what) = (dice.pick(&owners), dice.pick(&products));
            let units = i64::try_from(dice.roll(400)).unwrap() + 1;
            let mut request = match dice.roll(12) {
                0..5 => add(who, what, units),
                5 | 6 => set(who, what, Some(units)),
                7 => set(who, what, None),
                8 | 9 => remove(who, what),
                10 => clear(who),
                _ => merge(who, dice.pick(&owners)),
            };
            if dice.roll(4) == 0 {
                request = claimed(request, &format!("{round}-{n}"), b"x");
            }
            batch.push(request);
        }
        for (request, outcome) in batch.iter().zip(kit.run(&batch).await) {
            match (model.apply(request, kit.clock.now()), outcome) {
                (Ok(cart), Outcome::Done(answer)) => assert_eq!(*answer.cart, cart, "{request:?}"),
                (Err(expected), Outcome::Refused { error, .. }) => assert_eq!(error, expected, "{request:?}"),
                (expected, other) => panic!("{request:?}: expected {expected:?}, got {other:?}"),
            }
        }
        for cart in model.carts() {
            assert_eq!(kit.cart(cart.owner().as_str()).await, *cart, "round {round}");
        }
    }
}
