use cartwright_domain::{Clock, NewProduct, Product, ProductChange, Stock};
use cartwright_storage::{Created, Deleted, IdempotencyClaim, Outcome};
use chrono::TimeDelta;

use super::products::fullest;
use crate::{Kit, add, change, claim, claimed, details, kit::PATIENCE, product};

fn new(id: Option<&str>) -> NewProduct {
    NewProduct { id: id.map(product), details: fullest() }
}

impl Kit {
    async fn create_once(&self, new: &NewProduct, claim: &IdempotencyClaim) -> Created {
        self.store.create_product(new, Some(claim), self.clock.now()).await.unwrap()
    }

    async fn created_once(&self, new: &NewProduct, claim: &IdempotencyClaim) -> Product {
        match self.create_once(new, claim).await {
            Created::Created(product) => product,
            other => panic!("expected it to be made, got {other:?}"),
        }
    }
}

/// The same key gives the first answer again, to the letter, even when the product has changed or is gone; with another
/// payload it is refused; of another principal it is another key.
pub async fn a_product_is_made_once_for_a_key(kit: Kit) {
    for id in [None, Some("tea")] {
        let (new, key) = (new(id), claim(&format!("{id:?}"), &[0, 255, 1]));
        let first = kit.created_once(&new, &key).await;
        assert_eq!(kit.product(first.id.as_str()).await.as_ref(), Some(&first));
        let count = kit.store.count_listings(99).await.unwrap();
        let replayed = Created::Replayed(first.clone());
        assert_eq!(kit.create_once(&new, &key).await, replayed);
        kit.advance(TimeDelta::minutes(1));
        let stock = Some(Stock::NONE);
        kit.change(first.id.as_str(), ProductChange { stock, ..change() }).await;
        assert_eq!(kit.create_once(&new, &key).await, replayed);
        let other = IdempotencyClaim { fingerprint: vec![7], ..key.clone() };
        assert_eq!(kit.create_once(&new, &other).await, Created::KeyReused);
        assert_eq!(kit.store.count_listings(99).await.unwrap(), count);
        assert!(matches!(kit.delete(first.id.as_str()).await, Deleted::Removed(_)));
        assert_eq!(kit.create_once(&new, &key).await, replayed);
        let principal = IdempotencyClaim { principal: "q".to_owned(), ..key };
        assert_eq!(kit.created_once(&new, &principal).await.details, first.details);
    }
}

/// An id that is taken is a refusal: when it is free, the same key makes the product.
pub async fn a_taken_id_keeps_no_key(kit: Kit) {
    kit.create(Some("tea"), details("Tea", 1)).await;
    let (tea, key) = (new(Some("tea")), claim("k", b"x"));
    assert_eq!(kit.create_once(&tea, &key).await, Created::Exists);
    assert_eq!(kit.create_once(&tea, &key).await, Created::Exists);
    kit.delete("tea").await;
    assert_eq!(kit.created_once(&tea, &key).await.details, fullest());
}

/// A key counts for 24 hours; then it is free, and forgotten with the others.
pub async fn keys_of_products_expire_after_a_day(kit: Kit) {
    let key = claim("k", b"x");
    let first = kit.created_once(&new(None), &key).await;
    kit.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert_eq!(kit.create_once(&new(None), &key).await, Created::Replayed(first.clone()));
    kit.advance(TimeDelta::seconds(2));
    let other = claim("k", b"y");
    let second = kit.created_once(&new(None), &other).await;
    assert_ne!(first.id, second.id);
    assert_eq!(kit.create_once(&new(None), &other).await, Created::Replayed(second));
    kit.advance(TimeDelta::hours(25));
    assert_eq!(kit.store.forget_old_keys(&*kit.clock, 10).await.unwrap(), 1);
}

/// A key is one key, whatever it is used for: it is refused for a request of another kind, which fails alone.
pub async fn products_and_carts_share_their_keys(kit: Kit) {
    kit.list(&["tea"]).await;
    kit.created_once(&new(Some("cup")), &claim("product", b"p")).await;
    kit.done(claimed(add("ana", "tea", 1), "cart", b"c")).await;
    let outcomes = kit.run(&[claimed(add("ana", "tea", 1), "product", b"c"), add("ana", "tea", 2)]).await;
    assert_eq!(outcomes[0], Outcome::KeyReused);
    assert!(matches!(&outcomes[1], Outcome::Done(answer) if answer.cart.total_quantity() == 3));
    assert_eq!(kit.create_once(&new(Some("pot")), &claim("cart", b"p")).await, Created::KeyReused);
    assert_eq!(kit.product("pot").await, None);
}

/// However many carry the same key at the same time, one product is made; who is not told to try again is told which.
pub async fn one_key_in_concurrent_creations_makes_one_product(kit: Kit) {
    for id in [None, Some("tea")] {
        let key = claim(&format!("{id:?}"), b"x");
        let before = kit.store.count_listings(99).await.unwrap();
        let tasks: Vec<_> = (0..12)
            .map(|_| {
                let (store, now, new, key) = (kit.store.clone(), kit.clock.now(), new(id), key.clone());
                tokio::spawn(async move { store.create_product(&new, Some(&key), now).await.unwrap() })
            })
            .collect();
        let (mut made, mut seen) = (0, Vec::new());
        for task in tasks {
            match tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap() {
                Created::Created(product) => {
                    made += 1;
                    seen.push(product);
                }
                Created::Replayed(product) => seen.push(product),
                Created::KeyInFlight => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        seen.dedup();
        assert_eq!((made, seen.len()), (1, 1));
        assert_eq!(kit.store.count_listings(99).await.unwrap(), before + 1);
        assert_eq!(kit.create_once(&new(id), &key).await, Created::Replayed(seen.remove(0)));
    }
}
