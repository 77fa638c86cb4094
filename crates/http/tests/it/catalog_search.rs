//! Searches, and what purchases say.

use crate::kit::Shop;

async fn shop() -> Shop {
    let shop = Shop::open();
    for body in [
        r#"{"id":"1","name":"Green tea","price":3,"category":"Tea","stock":5}"#,
        r#"{"id":"2","name":"Black tea","description":"Strong, not green","price":4,"category":"Tea"}"#,
        r#"{"id":"3","name":"Teapot","price":20,"category":"Home","stock":2}"#,
        r#"{"id":"4","name":"Hidden tea","price":1,"category":"Tea","stock":2,"active":false}"#,
    ] {
        shop.make(body).await;
    }
    shop
}

async fn found(shop: &Shop, query: &str) -> Vec<String> {
    let answer = shop.get(&format!("/api/v1/search?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn words_and_filters_find_products() {
    let shop = shop().await;
    let mut tea = found(&shop, "q=tea").await;
    tea.sort();
    assert_eq!(tea, ["1", "2", "3"], "the last word may go on");
    assert_eq!(found(&shop, "q=green&category=Tea&in_stock=true").await, ["1"]);
    assert_eq!(found(&shop, "q=green+tea&sort=price_desc").await, ["2", "1"]);
    assert_eq!(found(&shop, "category=Tea&sort=price_asc").await, ["1", "2"]);
    assert_eq!(found(&shop, "min_price=3.5&max_price=10&category=Tea").await, ["2"]);
    assert_eq!(found(&shop, "min_price=4&sort=newest&in_stock=1&q=").await[0], "3");
    assert!(found(&shop, "q=tea&max_price=100&currency=EUR").await.is_empty());
    for nothing in ["q=%21%3F", "q=coffee", "q=%27%22%29%3B--", "q=hidden"] {
        assert!(found(&shop, nothing).await.is_empty(), "{nothing}");
    }
    let huge = format!("q={}", "tea+".repeat(2000));
    assert_eq!(found(&shop, &huge).await.len(), 2);
}

#[actix_web::test]
async fn facets_tell_of_all_that_was_found() {
    let shop = shop().await;
    let answer = shop.get("/api/v1/search?q=tea&page_size=1&page=2").await.json();
    assert_eq!((&answer["page"], &answer["page_size"], &answer["total"]), (&2.into(), &1.into(), &3.into()));
    assert_eq!(answer["items"].as_array().unwrap().len(), 1);
    assert_eq!(answer["facets"]["in_stock"], 2);
    assert_eq!(answer["facets"]["categories"][0], serde_json::json!({"category": "Tea", "products": 2}));
    assert!(answer["facets"]["prices"][0]["products"].as_u64() >= Some(1), "{answer}");
    assert_eq!((&answer["fuzzy"], &answer["total_is_bounded"]), (&false.into(), &false.into()));
}

#[actix_web::test]
async fn purchases_make_rankings() {
    let shop = shop().await;
    shop.order("11111111-1111-7111-8111-111111111111", "ana", &["1", "3"]).await;
    shop.order("22222222-2222-7222-8222-222222222222", "bob", &["1", "2"]).await;
    let ids = async |uri: &str| -> Vec<String> {
        let answer = shop.get(uri).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let items = answer.json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["product"]["id"].as_str().unwrap().to_owned()).collect()
    };
    // 2 is not in stock
    assert_eq!(ids("/api/v1/stats/top-products").await, ["1", "3"]);
    for window in ["day", "week", "month", "all"] {
        assert_eq!(ids(&format!("/stats/top-products?window={window}&limit=1")).await, ["1"]);
    }
    assert_eq!(shop.get("/stats/top-products").await.json()["items"][0]["count"], 2);
    assert_eq!(ids("/api/v1/products/1/related").await, ["3"]);
    assert_eq!(ids("/api/v1/products/3/related?limit=1").await, ["1"]);
    assert!(ids("/api/v1/products/nobody-knows/related").await.is_empty());
    assert_eq!(ids("/api/v1/recommendations/bob").await, ["3"]);
    assert!(ids("/api/v1/recommendations/somebody-new").await.is_empty());
    let again = shop.get("/api/v1/stats/top-products").await;
    assert_eq!(again.header("x-cache"), "l1");
}
