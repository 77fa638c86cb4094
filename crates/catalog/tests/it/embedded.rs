//! What one process shows of its catalogue.

use bytes::Bytes;
use cartwright_domain::{
    Category, ListQuery, Page, PageSize, Paging, ProductChange, SearchQuery, SearchText, TopWindow,
};
use cartwright_layered::Layer;
use cartwright_storage::{Changed, Created, Deleted, ImportedProduct};
use serde_json::Value;

use crate::kit::{details, embedded, eventually, id, make, price, reprice, shown};

fn json(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_cached_and_follows_its_changes() {
    let (catalog, _folder) = embedded().await;
    make(&catalog, "tea", Some("Drinks")).await;
    let first = catalog.cached_product(&id("tea")).await.unwrap();
    assert_eq!(first.layer, Layer::Loader);
    let again = catalog.cached_product(&id("tea")).await.unwrap();
    assert_eq!((again.layer, &again.value), (Layer::Memory, &first.value));
    let shows = json(&again.value.unwrap().body);
    assert_eq!((&shows["id"], &shows["price"], &shows["version"]), (&"tea".into(), &2.5.into(), &1.into()));
    for minor in 300..310 {
        reprice(&catalog, "tea", minor).await;
        assert_eq!(shown(&catalog, "tea").await, minor, "whoever changes it sees it");
    }
    let unchanged = catalog.change(id("tea"), price(309), Vec::new()).await.unwrap();
    assert!(matches!(unchanged, Changed::Unchanged(_)));
    let refused = catalog.change(id("tea"), price(1), vec![1]).await.unwrap();
    assert!(matches!(refused, Changed::VersionMismatch(now) if now.version == 11));
    assert_eq!(shown(&catalog, "tea").await, 309);
    assert!(matches!(catalog.delete(id("tea"), Vec::new()).await.unwrap(), Deleted::Removed(_)));
    assert_eq!(catalog.cached_product(&id("tea")).await.unwrap().value, None);
    assert_eq!(catalog.product(&id("tea")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_absent_is_there_when_it_is_made() {
    let (catalog, _folder) = embedded().await;
    assert_eq!(catalog.cached_product(&id("new")).await.unwrap().value, None);
    assert_eq!(catalog.cached_product(&id("new")).await.unwrap().layer, Layer::Memory);
    make(&catalog, "new", None).await;
    assert_eq!(shown(&catalog, "new").await, 250);
    let twice = cartwright_domain::NewProduct { id: Some(id("new")), details: details("Other", None) };
    assert_eq!(catalog.create(twice, None).await.unwrap(), Created::Exists);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_searches_follow_their_categories() {
    let (catalog, _folder) = embedded().await;
    for (name, category) in [("tea", "Drinks"), ("coffee", "Drinks"), ("chess", "Games")] {
        make(&catalog, name, Some(category)).await;
    }
    catalog.settle().await;
    let list = async |category: Option<&str>| {
        let category = category.map(|name| Category::new(name).unwrap());
        let paging = Paging::Page(Page::first(PageSize::default()));
        let answer = catalog.list(ListQuery { category, paging, ..ListQuery::default() }).await.unwrap();
        (json(&answer.value.unwrap())["total"].as_u64().unwrap(), answer.layer)
    };
    let search = async |text: &str| {
        let query = SearchQuery { text: Some(SearchText::new(text)), ..SearchQuery::default() };
        let answer = catalog.search(query).await.unwrap();
        json(&answer.value.unwrap())["total"].as_u64().unwrap()
    };
    assert_eq!(list(Some("Drinks")).await, (2, Layer::Loader));
    assert_eq!(list(Some("Drinks")).await, (2, Layer::Memory));
    assert_eq!(list(Some("Games")).await.0, 1);
    assert_eq!(list(None).await.0, 3);
    assert_eq!(search("coffee").await, 1);
    let categories = json(&catalog.categories().await.unwrap().value.unwrap());
    assert_eq!(categories["items"].as_array().unwrap().len(), 2);

    let to_games =
        ProductChange { category: Some(Some(Category::new("Games").unwrap())), ..ProductChange::default() };
    catalog.change(id("coffee"), to_games, Vec::new()).await.unwrap();
    catalog.delete(id("chess"), Vec::new()).await.unwrap();
    catalog.settle().await;
    assert_eq!(list(Some("Drinks")).await.0, 1, "the old category");
    assert_eq!(list(Some("Games")).await.0, 1, "the new one");
    assert_eq!(list(None).await.0, 2);
    assert_eq!(search("chess").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_seen() {
    let (catalog, _folder) = embedded().await;
    make(&catalog, "p1", Some("Old")).await;
    assert_eq!(shown(&catalog, "p1").await, 250);
    let offer = async || catalog.offers(&[id("p1")]).await.remove(0).unwrap().value.unwrap();
    assert_eq!(offer().await.price.minor(), 250);
    assert_eq!(catalog.peek_offer(&id("p1")).unwrap().value, Some(offer().await), "carts find it in memory");
    let row = |n: u32| {
        let mut details = details(&format!("Product {n}"), Some("Bulk"));
        details.price = crate::kit::euros(i64::from(n) + 1000);
        ImportedProduct::whole(id(&format!("p{n}")), details)
    };
    let imported = catalog.import((1..=2500).map(row).collect()).await.unwrap();
    assert_eq!((imported.created, imported.changed), (2499, 1));
    assert_eq!(shown(&catalog, "p1").await, 1001);
    let ids: Vec<_> = (1..=2500).map(|n| id(&format!("p{n}"))).collect();
    for (n, answer) in (1..).zip(catalog.offers(&ids).await) {
        assert_eq!(answer.unwrap().value.unwrap().price.minor(), n + 1000);
    }
    let again = catalog.import((1..=2500).map(row).collect()).await.unwrap();
    assert_eq!((again.created, again.changed), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_warmed_with_what_was_popular() {
    let (catalog, _folder) = embedded().await;
    make(&catalog, "hot", None).await;
    eventually("it is hot", async || {
        for _ in 0..200 {
            shown(&catalog, "hot").await;
        }
        catalog.hot_products() == [id("hot")]
    })
    .await;
    catalog.remember_hot_products().await.unwrap();
    assert_eq!(catalog.warm(1000).await.unwrap(), 1);
    assert!(catalog.top(TopWindow::All, 10).await.unwrap().value.unwrap().ids.is_empty());
    let figures = catalog.figures();
    let (kind, products) = figures.first().unwrap();
    assert!(*kind == "product" && products.l1_hits > 100 && products.hit_ratio().unwrap() > 0.9);
}
