//! What the tables keep in step by themselves.

use cartwright_domain::{Category, Clock, ListQuery, ProductDetails, SearchQuery, SearchText};
use cartwright_storage::{CatalogStore, Erasure, ReadFrom};
use cartwright_storage_postgres::PostgresStore;
use cartwright_storage_tests::{Kit, details, imported, owner, rules::live};
use chrono::DateTime;

use crate::kit::{direct, fresh_url, node};

const FROM: ReadFrom = ReadFrom::Primary;

async fn import(store: &PostgresStore, id: &str) {
    let details =
        ProductDetails { category: Some(Category::new("Drinks").unwrap()), ..details("Green tea", 1) };
    store.import_products(&[imported(id, details)], DateTime::UNIX_EPOCH).await.unwrap();
}

/// How many products are in a list, in the categories, and found.
async fn counts(store: &PostgresStore) -> (u64, u64, u64) {
    let listed = store.list_products(&ListQuery::default(), FROM).await.unwrap().total.unwrap();
    let categories = store.categories(FROM).await.unwrap();
    let query = SearchQuery { text: Some(SearchText::new("tea ")), ..SearchQuery::default() };
    let found = store.search(&query, FROM).await.unwrap().total;
    (listed, categories.iter().map(|category| category.products).sum(), found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_that_is_truncated_leaves_nothing_behind() {
    let url = fresh_url().await;
    let (store, server) = (node(&url).await, direct(&url).await);
    import(&store, "a").await;
    import(&store, "b").await;
    assert_eq!(counts(&store).await, (2, 2, 2));
    server.batch_execute("TRUNCATE products").await.unwrap();
    assert_eq!(counts(&store).await, (0, 0, 0));
    import(&store, "c").await;
    server.batch_execute("TRUNCATE products, product_words, words, category_counts").await.unwrap();
    assert_eq!(counts(&store).await, (0, 0, 0));
    let left = "SELECT (SELECT count(*) FROM product_words) + (SELECT count(*) FROM words)";
    assert_eq!(server.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    import(&store, "a").await;
    assert_eq!(counts(&store).await, (1, 1, 1));
}

/// Tables in which a text stands, anywhere in a row.
async fn tables_with(server: &tokio_postgres::Client, text: &str) -> Vec<String> {
    let tables = "SELECT table_name::text FROM information_schema.tables \
                  WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1";
    let mut found = Vec::new();
    for row in server.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let rows = format!("SELECT count(*) FROM {table} t WHERE position($1 IN t::text) > 0");
        if server.query_one(&rows, &[&text]).await.unwrap().get::<_, i64>(0) > 0 {
            found.push(table);
        }
    }
    found
}

/// Events stay until they are old: see "Erasing somebody" in the handbook.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_events_names_who_was_forgotten() {
    let url = fresh_url().await;
    let (kit, server) = (Kit::new(node(&url).await), direct(&url).await);
    kit.offer(&[("tea", 100)]).await;
    live(&kit, "ana-4711").await;
    let all =
        ["cart_walks", "carts", "events", "holds", "idempotency_keys", "order_progress", "order_transitions"];
    let before = tables_with(&server, "ana-4711").await;
    for table in all.into_iter().chain(["orders", "profiles", "sessions"]) {
        assert!(before.iter().any(|found| found == table), "{table}: {before:?}");
    }
    assert_eq!(before.len(), 10, "a table that this test does not know: {before:?}");
    let erasure = Erasure::new(owner("ana-4711"), [7; 16]).unwrap();
    kit.store.erase_owner(&erasure, &kit.fence, kit.clock.now()).await.unwrap();
    assert_eq!(tables_with(&server, "ana-4711").await, ["events"]);
}
