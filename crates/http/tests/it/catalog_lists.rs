//! Lists of products, page by page and from cursor to cursor, and categories.

use actix_web::http::Method;

use crate::kit::{Answer, Shop};

async fn shop() -> Shop {
    let shop = Shop::open();
    // The products of the carts are in no category.
    for (id, name, price, category) in [
        ("a", "Oolong", 5, "Tea"),
        ("b", "assam", 3, "Tea"),
        ("c", "Mug", 9, "Home"),
        ("d", "Sencha", 4, "Tea"),
    ] {
        let body =
            format!(r#"{{"id":"{id}","name":"{name}","price":{price},"category":"{category}","stock":1}}"#);
        shop.make(&body).await;
    }
    shop
}

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn in_any_order() {
    let shop = shop().await;
    for (sort, wanted) in [
        ("id", ["a", "b", "d"]),
        ("newest", ["d", "b", "a"]),
        ("price_asc", ["b", "d", "a"]),
        ("price_desc", ["a", "d", "b"]),
        ("name", ["b", "a", "d"]),
    ] {
        let uri = format!("/api/v1/products?category=Tea&sort={sort}");
        assert_eq!(ids(&shop.get(&uri).await), wanted, "{sort}");
        // one at a time; the cursor knows the order
        let mut uri = format!("/api/v1/products?category=Tea&limit=1&sort={sort}");
        for (n, id) in wanted.iter().enumerate() {
            let part = shop.get(&uri).await;
            assert_eq!(ids(&part), [*id], "{sort}");
            assert!(part.json().get("total").is_none());
            match part.json()["next_cursor"].as_str() {
                Some(cursor) => uri = format!("/api/v1/products?category=Tea&limit=1&cursor={cursor}"),
                None => assert_eq!(n, 2, "{sort}"),
            }
        }
    }
}

#[actix_web::test]
async fn by_numbered_pages() {
    let shop = shop().await;
    let page = shop.get("/api/v1/products?page=2&page_size=3").await;
    let body = page.json();
    assert_eq!((&body["page"], &body["page_size"], &body["total"]), (&2.into(), &3.into(), &8.into()));
    assert_eq!(ids(&page).len(), 3);
    let after = format!("/api/v1/products?cursor={}", body["next_cursor"].as_str().unwrap());
    assert_eq!(ids(&shop.get(&after).await), ids(&shop.get("/api/v1/products?page=3&page_size=3").await));
    assert!(ids(&shop.get("/api/v1/products?page=100").await).is_empty());
    let first = shop.get("/api/v1/products").await.json();
    assert_eq!((&first["page"], &first["page_size"]), (&1.into(), &20.into()));
}

#[actix_web::test]
async fn a_list_follows_its_products() {
    let shop = shop().await;
    let uri = "/api/v1/products?category=Tea";
    assert_eq!(shop.get(uri).await.header("x-cache"), "miss");
    let before = shop.get(uri).await;
    assert_eq!(before.header("x-cache"), "l1");
    shop.json(Method::PATCH, "/api/v1/products/c", r#"{"category":"Tea"}"#).await;
    shop.state.catalog.settle().await;
    let after = shop.get(uri).await;
    assert_eq!((after.header("x-cache"), ids(&after).len()), ("miss", 4));
    assert_ne!(before.header("etag"), after.header("etag"));
    shop.delete("/api/v1/products/c").await;
    shop.state.catalog.settle().await;
    assert_eq!(shop.get(uri).await.body, before.body);
}

#[actix_web::test]
async fn categories_count_what_can_be_bought() {
    let shop = shop().await;
    shop.json(Method::PATCH, "/api/v1/products/d", r#"{"active":false}"#).await;
    shop.state.catalog.settle().await;
    assert_eq!(
        shop.get("/api/v1/categories").await.body,
        r#"{"items":[{"category":null,"products":3},{"category":"Home","products":1},{"category":"Tea","products":2}]}"#
    );
    assert_eq!(ids(&shop.get("/api/v1/categories/Tea/products").await), ["a", "b"]);
    assert_eq!(ids(&shop.get("/api/v1/categories/Tea/products?active=false").await), ["d"]);
    assert_eq!(ids(&shop.get("/api/v1/products?category=Tea").await), ["a", "b", "d"]);
    assert_eq!(ids(&shop.get("/api/v1/products?category=Tea&active=true").await), ["a", "b"]);
    assert!(ids(&shop.get("/api/v1/categories/tea/products").await).is_empty(), "told apart by case");
}
