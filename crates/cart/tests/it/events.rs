use std::{sync::Arc, time::Duration};

use cartwright_cache::{CartCache, Subscription, Update};
use cartwright_cart::Settings;
use cartwright_domain::OwnerId;
use cartwright_storage_tests::{add, claimed, clear, merge, owner, remove, set};

use crate::{
    caches::GatedCache,
    kit::{PATIENCE, Shop, memory, shop, shop_with},
};

async fn next(news: &mut Subscription) -> Update {
    tokio::time::timeout(PATIENCE, news.next()).await.expect("news should come")
}

/// The version that the update stands for: the cart's, when only that it changed is told.
async fn heard(shop: &Shop, owner: &OwnerId, news: &mut Subscription) -> u64 {
    match next(news).await {
        Update::Version(u64::MAX) | Update::Missed => shop.carts.read(owner).await.unwrap().document.version,
        Update::Version(version) => version,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_is_told_and_can_be_read_then() {
    let shop = shop().await;
    let ana = owner("ana");
    let mut news = shop.carts.subscribe(&ana);
    let changes = [
        add("ana", "p1", 1),
        set("ana", "p1", Some(5)),
        add("ana", "p2", 1),
        remove("ana", "p1"),
        clear("ana"),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let reply = shop.done(change).await;
        assert_eq!(next(&mut news).await, Update::Version(n as u64 + 1));
        assert_eq!(shop.carts.read(&ana).await.unwrap().document, reply.document);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_nothing_is_not_told() {
    for cache in [Some(Arc::new(memory()) as Arc<dyn CartCache>), None] {
        let shop = shop_with(cache, Settings::default()).await;
        let mut news = shop.carts.subscribe(&owner("ana"));
        let keyed = claimed(add("ana", "p1", 5), "key", b"print");
        shop.done(keyed.clone()).await;
        assert_eq!(next(&mut news).await, Update::Version(1));
        assert!(shop.done(keyed).await.replayed);
        shop.done(set("ana", "p1", Some(5))).await;
        shop.carts.execute(remove("ana", "p7")).await.unwrap_err();
        shop.done(add("bob", "p1", 1)).await;
        shop.done(add("ana", "p1", 1)).await;
        assert_eq!(next(&mut news).await, Update::Version(2));
        // After a shutdown nothing is under way that could still be told.
        shop.carts.shutdown().await;
        assert!(tokio::time::timeout(Duration::from_millis(1), news.next()).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_carts_of_a_merge_are_told_of_whatever_the_cache_is() {
    let never_opened = GatedCache::new(memory());
    never_opened.cut_off();
    let caches: [Option<Arc<dyn CartCache>>; 3] =
        [Some(Arc::new(memory())), None, Some(Arc::new(never_opened))];
    for cache in caches {
        let shop = shop_with(cache, Settings::default()).await;
        let (ana, guest) = (owner("ana"), owner("guest"));
        shop.done(add("ana", "p1", 1)).await;
        shop.done(add("guest", "p2", 1)).await;
        let (mut of_ana, mut of_guest) = (shop.carts.subscribe(&ana), shop.carts.subscribe(&guest));
        shop.done(merge("ana", "guest")).await;
        // What was written before may still be on its way; the merge makes it two.
        while heard(&shop, &ana, &mut of_ana).await < 2 {}
        while heard(&shop, &guest, &mut of_guest).await < 2 {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_told_to_its_last_version() {
    let shop = shop().await;
    let ana = owner("ana");
    let mut news = shop.carts.subscribe(&ana);
    let clicks = (0..300).map(|n| shop.carts.execute(add("ana", &format!("p{}", n % 10), 1)));
    futures_util::future::try_join_all(clicks).await.unwrap();
    let mut last = 0;
    while last < 300 {
        // Batches are told of side by side: an earlier one may be heard after a later one, and says nothing wrong then.
        let version = heard(&shop, &ana, &mut news).await;
        assert!(version <= 300, "{version}");
        last = last.max(version);
    }
}
