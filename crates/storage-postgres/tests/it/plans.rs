//! What reads of the catalogue and of statistics cost when there is much of both: rows that the server read, as it
//! counted them itself, with plans that were made while the tables were empty and with new ones.

use cartwright_domain::{
    Category, ListQuery, OwnerId, Page, PageSize, Paging, ProductSort, SearchQuery, SearchSort, SearchText,
    TopWindow,
};
use cartwright_storage::{
    CatalogStore, GenerationStore, QueryCacheStore, ReadFrom, Refreshed, StatisticsStore,
};
use cartwright_storage_postgres::PostgresStore;
use cartwright_storage_tests::{details, imported, product};
use chrono::DateTime;

use crate::kit::{direct, ended, fresh_url, node};

const ROWS: &str = "\
    INSERT INTO products (id, name, name_key, description, price_minor, currency, stock, category, active, created_at) \
    SELECT 'p' || n, 'Product ' || n, 'product ' || n, 'word' || n % 500, n % 9000, 'EUR', n % 10, 'c' || n % 10, \
           n % 1000 <> 7, now() - n * interval '1 second' FROM generate_series(1, 20000) n; \
    INSERT INTO orders (id, owner, status, currency, total_minor, created_at, updated_at, lines) \
    SELECT gen_random_uuid(), 'u' || n % 1000, 'completed', 'EUR', 1, now(), now(), \
           '[[\"p1\",\"A product\",1,1],[\"p2\",\"A product\",1,1],[\"p3\",\"A product\",1,1]]' FROM generate_series(1, 10000) n; \
    INSERT INTO product_sales SELECT w, 'p' || n, n % 5000 + 1 FROM generate_series(1, 20000) n, unnest('{-1,1,7,30}'::int[]) w; \
    INSERT INTO copurchases SELECT 'p' || a, 'p' || b, (a + b) % 100 + 1 \
    FROM generate_series(1, 100) a, generate_series(1, 300) b WHERE a <> b; \
    INSERT INTO query_cache SELECT 'k' || n, 'x', now() FROM generate_series(1, 20000) n; \
    INSERT INTO generations SELECT 't' || n, n FROM generate_series(3, 20000) n";

/// Scans of whole tables, and rows read through indexes.
async fn reads(server: &tokio_postgres::Client) -> (i64, i64) {
    let row = server
        .query_one(
            "SELECT (SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN ('products', 'orders', \
                         'product_sales', 'copurchases', 'query_cache', 'generations'))::bigint, \
                    (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)::bigint",
            &[],
        )
        .await
        .unwrap();
    (row.get(0), row.get(1))
}

const FROM: ReadFrom = ReadFrom::Primary;

/// Sixty lists of ten: every order, with and without a category, by page and by cursor.
async fn lists(store: &PostgresStore) {
    let size = PageSize::new(10).unwrap();
    for sort in [
        ProductSort::Id,
        ProductSort::Newest,
        ProductSort::PriceUp,
        ProductSort::PriceDown,
        ProductSort::Name,
    ] {
        for category in [None, Some(Category::new("c3").unwrap())] {
            for active in [None, Some(true)] {
                let query = |paging| ListQuery { category: category.clone(), active, sort, paging };
                let page = Paging::Page(Page::first(size));
                let first = store.list_products(&query(page), FROM).await.unwrap();
                let paging = Paging::After(first.next, size);
                let second = store.list_products(&query(paging), FROM).await.unwrap();
                let paging = Paging::After(second.next, size);
                store.list_products(&query(paging), FROM).await.unwrap();
            }
        }
    }
}

async fn statistics(store: &PostgresStore) {
    for window in TopWindow::ALL {
        store.top_products(window, 10, FROM).await.unwrap();
    }
    store.related_products(&product("p1"), 10, FROM).await.unwrap();
    store.recommended_products(&OwnerId::new("u1").unwrap(), 10, FROM).await.unwrap();
}

async fn look_ups(store: &PostgresStore) {
    store.products(&["p1", "p2", "none"].map(product), FROM).await.unwrap();
    store.cached(&["k1", "k2"], DateTime::UNIX_EPOCH).await.unwrap();
    store.clean_cached(DateTime::UNIX_EPOCH, 10).await.unwrap();
    store.generations(&["t1", "t2"]).await.unwrap();
}

/// Of products that are there, after the first time.
async fn imports(store: &PostgresStore) {
    for minor in [1, 2] {
        let rows = ["i1", "i2", "i3"].map(|id| imported(id, details("Imported", minor)));
        store.import_products(&rows, DateTime::UNIX_EPOCH).await.unwrap();
    }
}

async fn searches(store: &PostgresStore) {
    let rare = SearchQuery { text: Some(SearchText::new("word77 ")), ..SearchQuery::default() };
    store.search(&rare, FROM).await.unwrap();
    let category = Some(Category::new("c7").unwrap());
    let found = store.search(&SearchQuery { category: category.clone(), ..rare }, FROM).await.unwrap();
    assert!(!found.fuzzy);
    for sort in [SearchSort::Newest, SearchSort::PriceUp, SearchSort::PriceDown] {
        store.search(&SearchQuery { sort, ..SearchQuery::default() }, FROM).await.unwrap();
        let category = category.clone();
        store.search(&SearchQuery { sort, category, ..SearchQuery::default() }, FROM).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_follow_an_index_and_stop() {
    let url = fresh_url().await;
    let early = node(&url).await;
    lists(&early).await;
    statistics(&early).await;
    look_ups(&early).await;
    imports(&early).await;
    searches(&early).await;
    let server = direct(&url).await;
    server.batch_execute(ROWS).await.unwrap();
    server.batch_execute("ANALYZE").await.unwrap();
    let pending = "SELECT gin_clean_pending_list('products_by_words')";
    let pages: i64 = server.query_one(pending, &[]).await.unwrap().get(0);
    assert!(pages <= 16, "each search would read {pages} pages of words that are not in the index yet");
    drop(server);
    for (what, store, most) in [
        ("early lists and imports", Some(early), 60 * 25 + 100),
        ("lists", None, 60 * 25),
        // Ten of each, those that are out of stock, and for recommendations thirty for each of three.
        ("statistics", None, 900),
        ("look-ups", None, 30),
        // Three products, each looked for three times and its old row by every index that has it.
        ("imports", None, 100),
        // Forty rare matches twice, and six times as many as are counted; for one of a category the planner walks all,
        // as long as the newest lie together. Any range or category that was read whole would be thousands more.
        ("searches", None, 9_000),
    ] {
        let before = reads(&ended(&url, "application_name <> 'cartwright'").await).await;
        let store = match store {
            Some(store) => store,
            None => node(&url).await,
        };
        match what {
            "statistics" => statistics(&store).await,
            "look-ups" => look_ups(&store).await,
            "searches" => searches(&store).await,
            "imports" => imports(&store).await,
            "lists" => lists(&store).await,
            _ => {
                lists(&store).await;
                imports(&store).await;
            }
        }
        drop(store);
        let after = reads(&ended(&url, "true").await).await;
        assert_eq!(after.0, before.0, "{what}: no table is scanned");
        let read = after.1 - before.1;
        assert!((1..most).contains(&read), "{what}: {read} rows were read through indexes");
    }
}

/// A cache is looked into by its keys from the moment it was emptied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_follow_their_keys_before_the_server_knows_how_many_there_are() {
    let url = fresh_url().await;
    let server = direct(&url).await;
    // The planner takes tables for tiny that autovacuum found empty.
    server.batch_execute("VACUUM ANALYZE").await.unwrap();
    let early = node(&url).await;
    look_ups(&early).await;
    server.batch_execute(ROWS).await.unwrap();
    drop(server);
    let before = reads(&ended(&url, "application_name <> 'cartwright'").await).await;
    look_ups(&early).await;
    drop(early);
    let after = reads(&ended(&url, "true").await).await;
    assert_eq!(after.0, before.0, "no table is scanned");
    assert!((1..30).contains(&(after.1 - before.1)), "{} rows were read through indexes", after.1 - before.1);
}

/// Orders are counted as soon as they are there, however late they are committed; those that were written together at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_counted_when_they_are_committed() {
    let url = fresh_url().await;
    let store = node(&url).await;
    let now = DateTime::from_timestamp(1_767_323_045, 0).unwrap();
    let put = |ids: std::ops::RangeInclusive<u32>| {
        let ids = ids.map(|id| format!("'00000000-0000-7000-8000-{id:012}'")).collect::<Vec<_>>().join(",");
        format!(
            "WITH made AS (INSERT INTO orders (id, owner, status, currency, total_minor, created_at, updated_at, lines) \
                 SELECT id, 'ana', 'pending', 'EUR', 1, now(), now(), '[[\"tea\",\"Tea\",1,1]]' \
                 FROM unnest(ARRAY[{ids}]::uuid[]) AS u (id) RETURNING id) \
             INSERT INTO orders_to_count SELECT array_agg(id) FROM made"
        )
    };
    let count = async |limit| {
        let Refreshed { orders, more } = store.refresh_statistics(now, limit).await.unwrap();
        (orders, more)
    };
    let (mut slow, quick) = (direct(&url).await, direct(&url).await);
    let late = slow.transaction().await.unwrap();
    late.batch_execute(&put(3..=4)).await.unwrap();
    quick.batch_execute(&put(1..=2)).await.unwrap();
    assert_eq!(count(1).await, (2, false), "they were written together");
    late.commit().await.unwrap();
    for together in [5..=5, 6..=6, 7..=9] {
        quick.batch_execute(&put(together)).await.unwrap();
    }
    assert_eq!(count(0).await, (0, false));
    assert_eq!(count(3).await, (3, true));
    assert_eq!(count(3).await, (1, true));
    assert_eq!(count(3).await, (3, false));
    assert_eq!(count(3).await, (0, false));
}
