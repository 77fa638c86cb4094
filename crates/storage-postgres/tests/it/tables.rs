//! What the tables keep in step by themselves.

use cartwright_domain::{Category, ListQuery, ProductDetails, SearchQuery, SearchText};
use cartwright_storage::{CatalogStore, ReadFrom};
use cartwright_storage_postgres::PostgresStore;
use cartwright_storage_tests::{details, imported};
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
