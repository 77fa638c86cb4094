//! Reads from real replicas: those that are behind, those that are down, and those that are neither.

use std::time::Duration;

use cartwright_domain::{
    Clock, ListQuery, OwnerId, Product, ProductChange, SearchQuery, SystemClock, TopWindow,
};
use cartwright_storage::{CatalogStore, LogPosition, PositionStore, ReadFrom, StatisticsStore, StorageError};
use cartwright_storage_postgres::{PostgresOptions, PostgresStore};
use cartwright_storage_tests::{change, details, imported, product};
use cartwright_testkit::{Postgres, eventually, ports};

const PATIENCE: Duration = Duration::from_secs(30);

/// A primary, a replica, and a store on both, with the product `tea`.
struct Shop {
    primary: Postgres,
    replica: Postgres,
    store: PostgresStore,
}

async fn shop(more_replicas: &[String]) -> Shop {
    let primary = Postgres::start().unwrap();
    let url = primary.fresh_database().await;
    let replica = primary.start_replica().unwrap();
    let name = url.rsplit('/').next().unwrap();
    let replicas = [&[replica.url(name)], more_replicas].concat();
    let options =
        PostgresOptions { replicas, replica_timeout: Duration::from_secs(2), ..PostgresOptions::new(&url) };
    let store = PostgresStore::connect(options).await.unwrap();
    store.migrate().await.unwrap();
    store.import_products(&[imported("tea", details("Tea", 250))], SystemClock.now()).await.unwrap();
    Shop { primary, replica, store }
}

impl Shop {
    async fn position(&self) -> LogPosition {
        self.store.position().await.unwrap().unwrap()
    }

    async fn tea(&self, position: LogPosition) -> Product {
        let found = self.store.products(&[product("tea")], ReadFrom::AtLeast(position)).await.unwrap();
        found.into_iter().next().flatten().unwrap()
    }

    /// Answered, behind, failed, skipped: of the first replica.
    fn figures(&self) -> (u64, u64, u64, bool) {
        let figures = &self.store.replica_figures()[0];
        (figures.answered, figures.behind, figures.failed, figures.skipped)
    }

    /// Waits until the replica answers what it could not before.
    async fn in_step(&self) {
        let position = self.position().await;
        let before = self.figures().0;
        eventually(PATIENCE, || async {
            self.tea(position).await;
            self.figures().0 > before
        })
        .await;
    }

    async fn set_price(&self, minor: i64) {
        let price = Some(details("Tea", minor).price);
        let change = ProductChange { price, ..change() };
        self.store.change_product(&product("tea"), &change, &[], SystemClock.now()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_answers_what_it_has_come_to() {
    let shop = shop(&[]).await;
    shop.in_step().await;
    let old = shop.position().await;
    shop.in_step().await;
    shop.replica.pause_replay().await;
    shop.set_price(300).await;
    let new = shop.position().await;
    assert!(new > old);
    let replayed = shop.store.replica_positions().await.remove(0).unwrap().unwrap();
    assert!((old..new).contains(&replayed), "{old:?} {replayed:?} {new:?}");

    let before = shop.figures();
    assert_eq!(shop.tea(new).await.details.price.minor(), 300, "the primary answers");
    assert_eq!(shop.figures(), (before.0, before.1 + 1, before.2, false));
    assert_eq!(shop.tea(old).await.details.price.minor(), 250, "the replica may");
    assert_eq!(shop.figures(), (before.0 + 1, before.1 + 1, before.2, false));
    let found = shop.store.products(&[product("tea")], ReadFrom::Primary).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().version, 2);
    assert_eq!(shop.figures().0, before.0 + 1, "it was not asked");

    shop.replica.resume_replay().await;
    shop.in_step().await;
    assert_eq!(shop.tea(new).await.details.price.minor(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_of_the_catalogue_may_go_to_a_replica() {
    let shop = shop(&[]).await;
    shop.in_step().await;
    let (before, from) = (shop.figures(), ReadFrom::AtLeast(LogPosition(0)));
    let owner = OwnerId::new("ana").unwrap();
    assert_eq!(shop.store.list_products(&ListQuery::default(), from).await.unwrap().total, Some(1));
    assert_eq!(shop.store.categories(from).await.unwrap()[0].products, 1);
    assert_eq!(shop.store.search(&SearchQuery::default(), from).await.unwrap().total, 1);
    assert!(shop.store.top_products(TopWindow::All, 9, from).await.unwrap().is_empty());
    assert!(shop.store.related_products(&product("tea"), 9, from).await.unwrap().is_empty());
    assert!(shop.store.recommended_products(&owner, 9, from).await.unwrap().is_empty());
    assert_eq!(shop.figures(), (before.0 + 6, before.1, before.2, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_down_is_left_alone_for_a_while() {
    let shop = shop(&[]).await;
    shop.in_step().await;
    let (old, before) = (shop.position().await, shop.figures());
    shop.replica.kill();
    for _ in 0..20 {
        assert_eq!(shop.tea(old).await.details.price.minor(), 250);
    }
    let after = shop.figures();
    assert_eq!((after.0, after.1), (before.0, before.1));
    // An idle connection that broke, and one that could not be opened: twenty reads cost no more.
    assert!((1..=3).contains(&after.2) && after.3, "{after:?}");
    shop.replica.restart();
    shop.in_step().await;
    assert!(!shop.figures().3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_take_turns_and_what_is_no_replica_is_not_believed() {
    let nowhere = format!("postgres://u:secret@127.0.0.1:{}/d", ports::free_port());
    let shop = shop(&[nowhere]).await;
    shop.in_step().await;
    let old = shop.position().await;
    for _ in 0..10 {
        shop.tea(old).await;
    }
    let figures = shop.store.replica_figures();
    assert!(figures[0].answered >= 5 && figures[1].answered == 0 && figures[1].failed >= 1, "{figures:?}");
    assert!(!format!("{figures:?}").contains("secret"));
    let positions = shop.store.replica_positions().await;
    assert!(positions[0].as_ref().unwrap().unwrap() >= old, "{positions:?}");
    assert!(matches!(positions[1], Err(StorageError::Unavailable(_))), "{positions:?}");

    // The primary under the name of a replica: its position says nothing of what it would replay.
    let url = shop.primary.fresh_database().await;
    let options = PostgresOptions { replicas: vec![url.clone()], ..PostgresOptions::new(&url) };
    let store = PostgresStore::connect(options).await.unwrap();
    store.migrate().await.unwrap();
    store.categories(ReadFrom::AtLeast(LogPosition(0))).await.unwrap();
    assert_eq!((store.replica_figures()[0].answered, store.replica_figures()[0].behind), (0, 1));
    assert_eq!(store.replica_positions().await.remove(0).unwrap(), None);
    let invalid = PostgresOptions { replicas: vec!["mysql://h".into()], ..PostgresOptions::new(&url) };
    assert!(PostgresStore::connect(invalid).await.is_err());
}
