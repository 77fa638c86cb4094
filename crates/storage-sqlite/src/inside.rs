//! What can only be tested from inside: the plans of statements, a full disk, tools that hold the file.

use std::{sync::Arc, time::Duration};

use cartwright_domain::{
    Category, Currency, Cursor, ListQuery, Listing, Money, OrderId, OrderPaging, OrderQuery, OwnerId,
    PageSize, Paging, Product, ProductDetails, ProductId, ProductName, ProductSort,
};
use cartwright_storage::{ListingStore, StorageError};
use cartwright_storage_tests::{Kit, RecordingFence, add, claimed, merge, owner};
use chrono::DateTime;
use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection, sql_types::Text,
};
use tempfile::TempDir;

use crate::{
    SqliteOptions, SqliteStore, carts, claims, error::storage_error, holds, left_alone, lists, orders,
    people, products, profiles, results, rows, sessions, statistics,
};

async fn fresh() -> (SqliteStore, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("shop.db"), SqliteOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    (store, folder)
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn plan(connection: &mut SqliteConnection, sql: &str) -> Result<Vec<String>, StorageError> {
    let steps: Vec<Step> =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(connection).map_err(storage_error)?;
    Ok(steps.into_iter().map(|step| step.detail).collect())
}

#[tokio::test]
async fn every_hot_statement_finds_its_rows_by_an_index() {
    let (store, _folder) = fresh().await;
    for (sql, searches) in [
        (rows::LOAD_CARTS, vec!["SEARCH c USING INDEX sqlite_autoindex_carts_1 (owner=?)"]),
        (rows::LOAD_LISTINGS, vec!["SEARCH p USING INDEX sqlite_autoindex_products_1 (id=?)"]),
        (
            claims::LOAD_KEYS,
            vec!["SEARCH used USING INDEX sqlite_autoindex_idempotency_keys_1 (principal=? AND key=?)"],
        ),
        (products::LOAD_PRODUCT, vec!["SEARCH p USING INDEX sqlite_autoindex_products_1 (id=?)"]),
        (products::LOAD_PRODUCTS, vec!["SEARCH p USING INDEX sqlite_autoindex_products_1 (id=?)"]),
        (products::COUNT_RETIRED, vec!["SEARCH p USING INDEX sqlite_autoindex_products_1 (id=?)"]),
        (products::IS_ORDERED, vec!["SEARCH order_lines USING COVERING INDEX order_lines_by_product"]),
        (results::LOAD, vec!["SEARCH query_cache USING INDEX sqlite_autoindex_query_cache_1 (key=?)"]),
        (results::CLEAN, vec!["SEARCH query_cache USING COVERING INDEX query_cache_by_expiry"]),
        (results::GENERATIONS, vec!["SEARCH g USING PRIMARY KEY (tag=?)"]),
        (statistics::TOP, vec!["SEARCH s USING COVERING INDEX product_sales_by_units (days=?)"]),
        (statistics::RELATED, vec!["SEARCH c USING COVERING INDEX copurchases_by_orders (product_id=?)"]),
        (statistics::EMPTY, vec!["SEARCH product_sales USING COVERING INDEX product_sales_by_units"]),
        (orders::LOAD_OFFERS, vec!["SEARCH p USING INDEX sqlite_autoindex_products_1 (id=?)"]),
        (orders::LOAD_TAKEN, vec!["SEARCH l USING INDEX sqlite_autoindex_stock_ledger_1 (source=?)"]),
        (holds::COUNT_HOLDS, vec!["SEARCH holds USING INDEX holds_by_owner (owner=? AND expires_at>?)"]),
        (holds::PICK_EXPIRED, vec!["SEARCH holds USING COVERING INDEX holds_by_expiry (expires_at<?)"]),
        (
            holds::PICK_EXPIRING,
            vec!["SEARCH holds USING COVERING INDEX holds_unwarned (expires_at>? AND expires_at<?)"],
        ),
        (holds::FORGET, vec!["SEARCH holds USING INDEX holds_by_end (ended_at<?)"]),
        (holds::EMPTY_HOLDS, vec!["SEARCH hold_lines USING PRIMARY KEY (hold_id=?)"]),
        (holds::ENTER_RELEASES, vec!["SEARCH l USING PRIMARY KEY (hold_id=?)"]),
        (sessions::LOAD, vec!["SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (hash=?)"]),
        (sessions::REVOKE, vec!["SEARCH sessions USING INDEX sessions_by_owner (owner=?)"]),
        (sessions::REVOKE_ALL, vec!["SEARCH sessions USING INDEX sessions_by_owner (owner=?)"]),
        (sessions::CLEAN, vec!["SEARCH sessions USING INDEX sessions_by_expiry (expires_at<?)"]),
        (profiles::LOAD, vec!["SEARCH profiles USING INDEX sqlite_autoindex_profiles_1 (owner=?)"]),
        (people::ORDERS_OF, vec!["SEARCH orders USING COVERING INDEX orders_by_owner (owner=?)"]),
        (people::REMOVE_REASONS, vec!["SEARCH order_transitions USING PRIMARY KEY (order_number=?)"]),
        (left_alone::WALK, vec!["SEARCH carts USING INDEX carts_by_hour"]),
        (carts::FORGET_KEYS, vec!["SEARCH idempotency_keys USING COVERING INDEX idempotency_keys_by_age"]),
    ] {
        let plan = store.write(|connection| plan(connection, sql)).await.unwrap();
        for search in searches {
            assert!(plan.iter().any(|step| step.contains(search)), "{search}\nis not in {plan:#?}");
        }
        // What is scanned is the parameter, or the subquery over it, or nothing at all.
        let none = |step: &String| step.contains("VIRTUAL TABLE INDEX") || step == "SCAN CONSTANT ROW";
        let table = |step: &String| step.starts_with("SCAN") && !none(step);
        assert!(!plan.iter().any(table), "{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:#?}");
    }
}

#[tokio::test]
async fn orders_are_found_and_listed_by_indexes() {
    let (store, _folder) = fresh().await;
    let (owner, after) = (Some(OwnerId::new("x").unwrap()), OrderId::new(DateTime::UNIX_EPOCH, [0; 10]));
    let list = |owner: &Option<OwnerId>, paging| {
        let query = OrderQuery { owner: owner.clone(), status: None, paging };
        orders::statement(&query, "").0
    };
    let next = OrderPaging::After(Some(after), PageSize::default());
    for (sql, index) in [
        (orders::LOAD_ORDERS.to_owned(), "SEARCH o USING INDEX sqlite_autoindex_orders_1 (id=?)"),
        (
            orders::LOAD_OF_CARTS.to_owned(),
            "SEARCH o USING INDEX orders_of_carts (owner=? AND cart_version=?)",
        ),
        (list(&None, OrderPaging::default()), "SCAN orders USING INDEX sqlite_autoindex_orders_1"),
        (list(&None, next), "SEARCH orders USING INDEX sqlite_autoindex_orders_1 (id<?)"),
        (list(&owner, next), "SEARCH orders USING INDEX orders_by_owner (owner=? AND id<?)"),
    ] {
        let plan = store.write(move |connection| plan(connection, &sql)).await.unwrap();
        assert!(plan.iter().any(|step| step.contains(index)), "{index}\nis not in {plan:#?}");
        let lines = "SEARCH order_lines USING PRIMARY KEY (order_number=?)";
        assert!(plan.iter().any(|step| step.contains(lines)), "{plan:#?}");
    }
}

#[tokio::test]
async fn holds_are_found_by_indexes() {
    let (store, _folder) = fresh().await;
    for (sql, searches) in [
        (
            holds::LOAD_HOLDS,
            ["SEARCH h USING PRIMARY KEY (id=?)", "SEARCH hold_lines USING PRIMARY KEY (hold_id=?)"],
        ),
        // What has expired is all that is read, and sorted by product.
        (
            holds::LOAD_EXPIRED,
            ["SEARCH l USING INDEX hold_lines_by_product (product_id=? AND expires_at<?)"; 2],
        ),
    ] {
        let plan = store.write(|connection| plan(connection, sql)).await.unwrap();
        for search in searches {
            assert!(plan.iter().any(|step| step.contains(search)), "{search}\nis not in {plan:#?}");
        }
    }
}

#[tokio::test]
async fn every_list_follows_the_index_of_its_order() {
    let (store, _folder) = fresh().await;
    let category = Some(Category::new("x").unwrap());
    for (sort, plain, of_category) in [
        (ProductSort::Id, "sqlite_autoindex_products_1", "products_by_category "),
        (ProductSort::Newest, "products_by_age", "products_by_category_and_age"),
        (ProductSort::PriceUp, "products_by_price", "products_by_category_and_price"),
        (ProductSort::PriceDown, "products_by_price", "products_by_category_and_price"),
        (ProductSort::Name, "products_by_name", "products_by_category_and_name"),
    ] {
        let price = Money::from_minor(5, Currency::EUR).unwrap();
        let details = ProductDetails::new(ProductName::new("x").unwrap(), price);
        let last = Product::create(ProductId::new("x").unwrap(), details, chrono::DateTime::UNIX_EPOCH);
        let cursor = Paging::After(Some(Cursor::after(&last, sort)), PageSize::default());
        for (category, paging, index) in [
            (None, Paging::default(), plain),
            (None, cursor.clone(), plain),
            (category.clone(), Paging::default(), of_category),
            (category.clone(), cursor, of_category),
        ] {
            let query = ListQuery { category, active: Some(true), sort, paging };
            let sql = lists::statement(&query).0;
            let plan = store.write(move |connection| plan(connection, &sql)).await.unwrap();
            assert!(plan.len() == 1 && plan[0].contains(index), "{query:?}: {plan:#?}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_fails_the_batch_and_nothing_else() {
    let (store, _folder) = fresh().await;
    store.put_listings(&(0..50).map(listing).collect::<Vec<_>>()).await.unwrap();
    let limit = |pages: &'static str| {
        store.write(move |connection| connection.batch_execute(pages).map_err(storage_error))
    };
    // As many pages as there are: the next that is needed is not to be had.
    limit("PRAGMA max_page_count = 1").await.unwrap();
    let many: Vec<_> = (50..3000).map(listing).collect();
    let error = store.put_listings(&many).await.unwrap_err();
    let cause = match &error {
        StorageError::Unavailable(cause) => cause.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(cause.contains("the disk is full"), "{cause}");
    assert_eq!(store.count_listings(10_000).await.unwrap(), 50);
    limit("PRAGMA max_page_count = 1000000").await.unwrap();
    store.put_listings(&many).await.unwrap();
    assert_eq!(store.count_listings(10_000).await.unwrap(), 3000);
}

#[tokio::test]
async fn a_panic_in_a_task_leaves_no_transaction_behind() {
    let (store, _folder) = fresh().await;
    let panicked = store.write(|connection| -> Result<(), StorageError> {
        let mut transaction = crate::connection::Transaction::begin(connection)?;
        let sql = "INSERT INTO carts VALUES ('ana', 1, 0, 0, '[]', '[]')";
        transaction.connection().batch_execute(sql).map_err(storage_error)?;
        panic!("on purpose");
    });
    assert!(matches!(panicked.await, Err(StorageError::Unavailable(_))));
    let kit = Kit::new(store);
    assert_eq!(kit.cart("ana").await.version(), 0);
    kit.list(&["tea"]).await;
    kit.run(&[claimed(add("ana", "tea", 1), "k", b"x"), merge("ben", "ana")]).await;
    assert_eq!(kit.store.load(&[owner("ben")]).await.unwrap().remove(0).version(), 1);
}

/// A tool from outside that holds the file's write lock, and does not look at ours.
fn tool(folder: &TempDir) -> SqliteConnection {
    let mut tool = SqliteConnection::establish(folder.path().join("shop.db").to_str().unwrap()).unwrap();
    tool.batch_execute("BEGIN IMMEDIATE").unwrap();
    tool
}

#[tokio::test]
async fn the_locks_of_an_abandoned_batch_are_kept_until_its_task_has_ended() {
    let (store, folder) = fresh().await;
    let kit = Kit::new(store);
    let mut tool = tool(&folder);
    let locked = async || kit.store.load_for_fill(&[owner("ana")]).await.unwrap().remove(0).locked;
    let batch = kit.spawn(vec![add("ana", "tea", 1)], Arc::new(RecordingFence::default()));
    while locked().await {
        tokio::task::yield_now().await;
    }
    batch.abort();
    assert!(batch.await.unwrap_err().is_cancelled());
    assert!(!locked().await, "its task still waits for the tool");
    tool.batch_execute("ROLLBACK").unwrap();
    let released = async {
        while !locked().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), released).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_locked_from_outside_is_unavailable_for_writes_only() {
    let folder = TempDir::new().unwrap();
    let options = SqliteOptions { busy_timeout: Duration::from_millis(20), ..SqliteOptions::default() };
    let store = SqliteStore::open(&folder.path().join("shop.db"), options).await.unwrap();
    store.migrate().await.unwrap();
    let kit = Kit::new(store);
    kit.list(&["tea"]).await;
    let mut tool = tool(&folder);
    let error = kit.try_run(&[add("ana", "tea", 1)]).await.unwrap_err();
    let StorageError::Unavailable(cause) = error else { panic!("{error:?}") };
    assert!(cause.to_string().contains("locked by a tool"), "{cause}");
    assert_eq!(kit.cart("ana").await.version(), 0);
    tool.batch_execute("ROLLBACK").unwrap();
    kit.done(add("ana", "tea", 1)).await;
}

fn listing(n: i64) -> Listing {
    Listing {
        product_id: ProductId::new(&format!("p{n}")).unwrap(),
        name: "A name that takes some room in its page".repeat(3),
        price: Money::from_minor(n, Currency::EUR).unwrap(),
        active: true,
    }
}
