use std::sync::atomic::{AtomicU64, Ordering};

use cartwright_cart::{CartServiceError, Reply, decode};
use cartwright_domain::CartError;
use cartwright_storage::CartRequest;
use cartwright_storage_tests::{add, claimed, merge, owner, remove, set};
use futures_util::future::join_all;

use crate::kit::{cart_of, hand_in, shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_clicks_share_a_few_transactions_and_none_is_lost() {
    let shop = shop().await;
    let held = shop.store.batches.lock().await;
    let clicks: Vec<_> =
        (0..500).map(|n| hand_in(&shop.carts, add("ana", &format!("p{}", n % 5), 1))).collect();
    drop(held);
    let highest = AtomicU64::new(0);
    for reply in join_all(clicks).await {
        highest.fetch_max(reply.unwrap().document.version, Ordering::SeqCst);
    }
    assert_eq!(highest.into_inner(), 500, "each add is a version");
    // One that was begun while the rest came, and the rest in batches of 128.
    assert!((4..=6).contains(&shop.store.begun()), "{} batches", shop.store.begun());
    let cart = cart_of(&shop.carts.read(&owner("ana")).await.unwrap());
    assert_eq!((cart.lines().len(), cart.total_quantity(), cart.version()), (5, 500, 500));
    assert!(cart.lines().iter().all(|line| line.quantity.get() == 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_of_a_batch_shows_the_cart_right_after_its_command() {
    let shop = shop().await;
    let held = shop.store.batches.lock().await;
    let clicks: Vec<_> = (0..60).map(|_| hand_in(&shop.carts, add("ana", "p1", 1))).collect();
    drop(held);
    for (n, reply) in join_all(clicks).await.into_iter().enumerate() {
        let cart = decode(&reply.unwrap().document.body).unwrap();
        assert_eq!((cart.version(), cart.total_quantity()), (n as u64 + 1, n as u64 + 1));
    }
}

fn refusal(answer: Result<Reply, CartServiceError>) -> (CartError, cartwright_cache::Document) {
    match answer {
        Err(CartServiceError::Refused { error, current }) => (error, current),
        other => panic!("should be refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_carries_the_cart_as_it_is() {
    let shop = shop().await;
    let present = shop.done(add("ana", "p1", 999)).await.document;
    let refused = [
        (remove("ana", "p2"), CartError::LineNotFound(cartwright_storage_tests::product("p2"))),
        (add("ana", "p1", 2), CartError::TooManyUnits { present: 999, adding: 2 }),
        (merge("ana", "ana"), CartError::MergeIntoItself),
        (
            CartRequest { expected: vec![7, 9], ..add("ana", "p1", 1) },
            CartError::VersionMismatch { actual: 1 },
        ),
    ];
    for (request, expected) in refused {
        assert_eq!(refusal(shop.carts.execute(request).await), (expected, present.clone()));
    }
    assert_eq!(shop.carts.read(&owner("ana")).await.unwrap().document, present);
    let done = shop.done(CartRequest { expected: vec![7, 1], ..add("ana", "p1", 1) }).await;
    assert_eq!(done.document.version, 2);
    // One refusal does not take the batch with it.
    let held = shop.store.batches.lock().await;
    let clicks: Vec<_> = (0..20)
        .map(|n| hand_in(&shop.carts, add("bob", if n % 2 == 0 { "p1" } else { "nothing" }, 1)))
        .collect();
    drop(held);
    let answers = join_all(clicks).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert_eq!(shop.store.truth(&owner("bob")).await.total_quantity(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_has_one_effect_and_one_answer() {
    let shop = shop().await;
    let request = claimed(add("ana", "p1", 2), "key", b"print");
    let first = shop.done(request.clone()).await;
    assert!(!first.replayed);
    shop.done(add("ana", "p2", 1)).await;
    let again = shop.done(request.clone()).await;
    assert_eq!(again, Reply { replayed: true, ..first.clone() });
    // A replay is no news: what is read is the newest cart, not the answer that was given again.
    let read = shop.carts.read(&owner("ana")).await.unwrap();
    assert_eq!((read.document.version, shop.cached(&owner("ana")).await.document.version), (2, 2));
    let reused = shop.carts.execute(claimed(add("ana", "p1", 3), "key", b"other")).await;
    assert!(matches!(reused, Err(CartServiceError::KeyReused)), "{reused:?}");

    let crowd = (0..40).map(|_| shop.carts.execute(claimed(add("bob", "p1", 2), "bob's", b"print")));
    let mut fresh = 0;
    for answer in join_all(crowd).await {
        match answer {
            Ok(reply) => fresh += usize::from(!reply.replayed),
            Err(CartServiceError::KeyInFlight) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((fresh, shop.store.truth(&owner("bob")).await.total_quantity()), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_does_what_its_preview_said() {
    let shop = shop().await;
    let (ana, guest) = (owner("ana"), owner("guest"));
    for request in [add("ana", "p1", 2), add("ana", "p2", 1), add("guest", "p2", 5), add("guest", "p3", 4)] {
        shop.done(request).await;
    }
    let before =
        (shop.carts.read(&ana).await.unwrap().document, shop.carts.read(&guest).await.unwrap().document);
    let preview = shop.carts.preview_merge(&ana, &guest, &[]).await.unwrap();
    let after =
        (shop.carts.read(&ana).await.unwrap().document, shop.carts.read(&guest).await.unwrap().document);
    assert_eq!(before, after, "a preview changes nothing");
    let reply = shop.done(merge("ana", "guest")).await;
    assert_eq!(reply.document, preview.document);
    assert_eq!(reply.merge, Some(preview.report));
    let cart = cart_of(&shop.carts.read(&ana).await.unwrap());
    let units: Vec<_> = cart.lines().iter().map(|l| (l.product_id.as_str(), l.quantity.get())).collect();
    assert_eq!(units, [("p1", 2), ("p2", 6), ("p3", 4)]);
    let emptied = cart_of(&shop.carts.read(&guest).await.unwrap());
    assert_eq!((emptied.lines().len(), emptied.version()), (0, 3));
    // Once more changes nothing.
    let again = shop.done(merge("ana", "guest")).await;
    assert_eq!(again.document, reply.document);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_that_cannot_be_is_refused_in_the_preview_already() {
    let shop = shop().await;
    let (ana, guest) = (owner("ana"), owner("guest"));
    let present = shop.done(add("ana", "p1", 2)).await.document;
    let theirs = shop.done(add("guest", "yen", 1)).await.document;
    let previewed = match shop.carts.preview_merge(&ana, &guest, &[]).await {
        Err(CartServiceError::Refused { error, current }) => (error, current),
        other => panic!("should be refused: {other:?}"),
    };
    assert!(matches!(previewed.0, CartError::CurrencyMismatch { .. }));
    assert_eq!(previewed.1, present);
    assert_eq!(refusal(shop.carts.execute(merge("ana", "guest")).await), previewed);
    assert_eq!(shop.carts.read(&guest).await.unwrap().document, theirs, "a refused merge loses nothing");
    let itself = shop.carts.preview_merge(&ana, &ana, &[]).await;
    assert!(matches!(itself, Err(CartServiceError::Refused { error: CartError::MergeIntoItself, .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_that_is_emptied_in_the_batch_that_filled_it_is_read_empty() {
    let shop = shop().await;
    for round in 0..20 {
        let (into, from) = (format!("into-{round}"), format!("from-{round}"));
        shop.carts.read(&owner(&from)).await.unwrap();
        let held = shop.store.batches.lock().await;
        let clicks = vec![
            hand_in(&shop.carts, add(&from, "p1", 1)),
            hand_in(&shop.carts, add(&from, "p2", 1)),
            hand_in(&shop.carts, merge(&into, &from)),
            hand_in(&shop.carts, set(&into, "p9", None)),
        ];
        drop(held);
        let answers = join_all(clicks).await;
        assert!(answers[..3].iter().all(Result::is_ok), "{answers:?}");
        for name in [&into, &from] {
            let name = owner(name);
            assert_eq!(cart_of(&shop.carts.read(&name).await.unwrap()), shop.store.truth(&name).await);
        }
    }
    for name in [owner("into-19"), owner("from-19")] {
        assert_eq!(cart_of(&shop.cached(&name).await), shop.store.truth(&name).await);
    }
}
