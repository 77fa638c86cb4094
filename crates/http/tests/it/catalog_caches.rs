//! The cached reads: layers, what edge caches are told, figures.

use actix_web::http::Method;
use cartwright_http::{EdgeControl, HttpSettings};

use crate::kit::{Answer, Shop, request};

const CACHED: &str = "/api/v1/products/sku-1/cached";

#[actix_web::test]
async fn a_product_is_loaded_once_and_again_after_a_change() {
    let shop = Shop::open();
    let patch = async |body| {
        let patched = shop.json(Method::PATCH, "/api/v1/products/sku-1", body).await;
        assert_eq!(patched.status, 200, "{patched:?}");
        patched.body
    };
    let first = shop.get(CACHED).await;
    assert_eq!((first.status.as_u16(), first.header("x-cache")), (200, "miss"), "{first:?}");
    for _ in 0..2 {
        let again = shop.get(CACHED).await;
        assert_eq!((again.header("x-cache"), &again.body), ("l1", &first.body));
    }
    let changed = patch(r#"{"stock":7}"#).await;
    let read = shop.get(CACHED).await;
    assert_eq!((read.header("x-cache"), &read.body), ("miss", &changed));
    assert_eq!(shop.get(CACHED).await.header("x-cache"), "l1");
    assert_eq!(shop.get("/api/v1/products/sku-1").await.body, changed);

    assert_eq!(shop.get("/api/v1/products/new/cached").await.status, 404);
    shop.make(r#"{"id":"new","name":"New","price":1}"#).await;
    assert_eq!(
        shop.get("/api/v1/products/new/cached").await.status,
        200,
        "that it was not there is forgotten"
    );
    shop.delete("/api/v1/products/new").await;
    assert_eq!(shop.get("/api/v1/products/new/cached").await.status, 404);
}

#[actix_web::test]
async fn without_an_edge_that_is_told_nobody_on_the_way_keeps_anything_for_long() {
    let shop = Shop::open();
    for uri in [CACHED, "/api/v1/products", "/api/v1/search?q=tea"] {
        assert_eq!(shop.get(uri).await.header("cache-control"), "public, max-age=5");
    }
}

#[actix_web::test]
async fn edge_caches_are_told_how_long_and_under_which_keys() {
    let shop = Shop::with(HttpSettings { edge: EdgeControl::keeps(60), ..HttpSettings::default() });
    shop.make(r#"{"id":"tea","name":"Tea","price":1,"category":"Hot drinks"}"#).await;
    let told = "public, max-age=5, s-maxage=60, stale-while-revalidate=10";
    let minute = "public, max-age=60, s-maxage=60, stale-while-revalidate=60";
    let longer = "public, max-age=600, s-maxage=600, stale-while-revalidate=60";
    for (uri, keep, keys) in [
        ("/api/v1/products/tea/cached", told, "product:tea"),
        (CACHED, told, "product:sku-1"),
        ("/api/v1/products", told, "catalog"),
        ("/api/v1/products?category=Hot%20drinks", told, "category:Hot%20drinks"),
        ("/api/v1/categories", told, "catalog"),
        ("/api/v1/categories/Hot%20drinks/products", told, "category:Hot%20drinks"),
        ("/api/v1/search?q=tea", told, "catalog search"),
        ("/api/v1/products/tea/related", longer, "related product:tea"),
        ("/api/v1/stats/top-products", minute, "top"),
        ("/stats/top-products", minute, "top"),
    ] {
        let answer = shop.get(uri).await;
        assert_eq!(answer.status, 200, "{uri} {answer:?}");
        assert_eq!(answer.header("cache-control"), keep, "{uri}");
        assert_eq!(answer.header("surrogate-key"), keys, "{uri}");
        // One product is small, and sent as it is.
        let vary = if uri.ends_with("/cached") { "" } else { "Accept-Encoding" };
        assert_eq!(answer.header("vary"), vary, "{uri}");
        assert_eq!(answer.header("content-type"), "application/json", "{uri}");
        assert_eq!(answer.header("age"), "0", "{uri}");
        assert!(["miss", "l1"].contains(&answer.header("x-cache")), "{uri} {answer:?}");
        assert_eq!(answer.header("x-cache-status"), "", "{uri}");

        let known = request(Method::GET, uri).insert_header(("if-none-match", answer.header("etag")));
        let same = shop.send(known).await;
        assert_eq!((same.status.as_u16(), same.body.as_str()), (304, ""), "{uri}");
        assert_eq!(same.header("etag"), answer.header("etag"));
        assert_eq!((same.header("cache-control"), same.header("surrogate-key")), (keep, keys));
        let head = shop.send(request(Method::HEAD, uri)).await;
        assert_eq!((head.status.as_u16(), head.header("etag")), (200, answer.header("etag")));
    }
    for uri in ["/api/v1/recommendations/ana", "/api/v1/products/tea/inventory"] {
        let personal = shop.get(uri).await;
        assert_eq!((personal.status.as_u16(), personal.header("cache-control")), (200, "private, no-cache"));
        assert_eq!(personal.header("surrogate-key"), "");
        assert!(!personal.header("x-cache").is_empty(), "{personal:?}");
    }
}

#[actix_web::test]
async fn large_lists_are_compressed_and_say_what_that_depends_on() {
    let shop = Shop::open();
    let one_vary = |answer: &Answer| {
        assert_eq!(answer.headers.get_all("vary").count(), 1, "{answer:?}");
        assert!(answer.header("vary").eq_ignore_ascii_case("accept-encoding"), "{answer:?}");
    };
    for uri in ["/api/v1/products", "/api/v1/search", "/api/v1/recommendations/ana"] {
        for encoding in ["gzip", "br"] {
            let packed = request(Method::GET, uri).insert_header(("accept-encoding", encoding));
            let packed = shop.send(packed).await;
            assert_eq!(packed.header("content-encoding"), encoding, "{packed:?}");
            assert!(packed.header("etag").starts_with("W/"), "one tag for all encodings is a weak one");
            one_vary(&packed);
        }
        let plain = shop.get(uri).await;
        one_vary(&plain);
        let known = request(Method::GET, uri).insert_header(("if-none-match", plain.header("etag")));
        let known = known.insert_header(("accept-encoding", "gzip"));
        let same = shop.send(known).await;
        assert_eq!(same.status, 304, "{uri}");
        one_vary(&same);
    }
}

#[actix_web::test]
async fn inventory_is_a_number() {
    let shop = Shop::open();
    shop.make(r#"{"id":"tea","name":"Tea","price":1,"stock":12}"#).await;
    let stock = shop.get("/api/v1/products/tea/inventory").await;
    assert_eq!(stock.body, r#"{"product_id":"tea","stock":12}"#);
    shop.json(Method::PATCH, "/api/v1/products/tea", r#"{"stock":11}"#).await;
    assert_eq!(shop.get("/api/v1/products/tea/inventory").await.json()["stock"], 11);
}

#[actix_web::test]
async fn figures_count_by_kind_and_layer() {
    let shop = Shop::open();
    for _ in 0..4 {
        shop.get(CACHED).await;
    }
    let stats = shop.get("/api/v1/health/cache/stats").await;
    assert_eq!((stats.status.as_u16(), stats.header("cache-control")), (200, "no-store"));
    let stats = stats.json();
    let product = &stats["kinds"]["product"];
    assert_eq!(
        (&product["requests"], &product["hits"], &product["misses"]),
        (&4.into(), &3.into(), &1.into())
    );
    assert_eq!((&product["hit_ratio"], &product["l1_hits"]), (&0.75.into(), &3.into()));
    assert!(stats["kinds"]["search"]["hit_ratio"].is_null());
    assert_eq!((&stats["hears"], stats["hot_products"].is_array()), (&true.into(), true));
    assert!(stats.as_object().unwrap().contains_key("invalidation_lag_ms"));
    for kind in ["inventory", "listing", "categories", "top", "related", "recommendations", "document"] {
        assert_eq!(stats["kinds"][kind]["requests"], 0, "{kind}");
    }
}
