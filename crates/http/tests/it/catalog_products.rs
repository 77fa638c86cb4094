//! Products: made, read, replaced, changed, deleted.

use actix_web::http::Method;

use crate::kit::{Shop, request, with_json};

const TEA: &str = r#"{"id":"tea","name":"Tea","description":"Green","price":3.50,"currency":"EUR","stock":4,"category":"Drinks & Co","attributes":{"organic":true}}"#;
const ADDRESS: &str = "/api/v1/products/tea";

#[actix_web::test]
async fn a_product_from_its_first_day_to_its_last() {
    let shop = Shop::open();
    let made = shop.make(TEA).await;
    assert_eq!((made.header("location"), made.header("etag")), (ADDRESS, "\"1\""));
    assert!(made.body.contains(r#""price":3.50,"currency":"EUR""#), "{made:?}");
    let read = shop.get(ADDRESS).await;
    assert_eq!((read.status.as_u16(), &read.body), (200, &made.body));
    assert_eq!(read.header("cache-control"), "private, no-cache");

    let patched = shop.json(Method::PATCH, ADDRESS, r#"{"price":"4","category":null,"stock":0}"#).await;
    assert!(patched.body.contains(r#""price":4.00,"currency":"EUR""#), "{patched:?}");
    assert_eq!(patched.header("etag"), "\"2\"");
    let now = patched.json();
    assert_eq!((now["category"].is_null(), now["stock"].as_u64()), (true, Some(0)));
    assert_eq!((&now["description"], &now["attributes"]["organic"]), (&"Green".into(), &true.into()));
    let same = shop.json(Method::PATCH, ADDRESS, r#"{"stock":0}"#).await;
    assert_eq!(same.header("etag"), "\"2\"", "nothing is different");

    let replaced = shop.json(Method::PUT, ADDRESS, r#"{"id":"tea","name":"Coffee","price":5}"#).await;
    let now = replaced.json();
    assert_eq!(
        (&now["name"], &now["currency"], &now["version"]),
        (&"Coffee".into(), &"USD".into(), &3.into())
    );
    assert_eq!((&now["description"], now["attributes"].as_object().unwrap().len()), (&"".into(), 0));

    let deleted = shop.delete(ADDRESS).await;
    assert_eq!(
        (deleted.status.as_u16(), deleted.body.as_str()),
        (200, r#"{"product_id":"tea","outcome":"removed"}"#)
    );
    for uri in [ADDRESS, "/api/v1/products/tea/cached", "/api/v1/products/tea/inventory"] {
        shop.get(uri).await.problem(404, "product_not_found");
    }
    shop.delete(ADDRESS).await.problem(404, "product_not_found");
    shop.json(Method::PATCH, ADDRESS, "{}").await.problem(404, "product_not_found");
    shop.json(Method::PATCH, ADDRESS, r#"{"price":1}"#).await.problem(404, "product_not_found");
    shop.json(Method::PUT, ADDRESS, r#"{"name":"Tea","price":1}"#).await.problem(404, "product_not_found");
}

#[actix_web::test]
async fn ids_are_given_out_or_taken() {
    let shop = Shop::open();
    let number = shop.make(r#"{"id":41,"name":"Answer","price":1}"#).await;
    assert_eq!(number.json()["id"], "41");
    let next = shop.make(r#"{"name":"Next","price":1}"#).await;
    assert_eq!((next.json()["id"].as_str(), next.header("location")), (Some("42"), "/api/v1/products/42"));
    let again = shop.json(Method::POST, "/api/v1/products", r#"{"id":"41","name":"Other","price":1}"#).await;
    assert_eq!(again.problem(409, "product_exists")["errors"][0]["pointer"], "/id");

    // `import` is an address of its own, for POST only
    shop.make(r#"{"id":"import","name":"Import","price":1}"#).await;
    assert_eq!(shop.get("/api/v1/products/import").await.json()["name"], "Import");
    assert_eq!(shop.json(Method::PATCH, "/api/v1/products/import", r#"{"stock":1}"#).await.status, 200);
}

#[actix_web::test]
async fn a_product_is_made_once_for_a_key() {
    let shop = Shop::open();
    let post = |key: &str, body: &str| {
        with_json(Method::POST, "/api/v1/products", body).insert_header(("idempotency-key", key))
    };
    for (key, body, again) in [
        (
            "numbered",
            r#"{"name":"Tea","price":3.5,"attributes":{"a":1,"b":2}}"#,
            r#"{"attributes":{"b":2,"a":1},"stock":0,"price":"3.50","name":" Tea"}"#,
        ),
        ("named", TEA, TEA),
    ] {
        let first = shop.send(post(key, body)).await;
        assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (201, ""), "{first:?}");
        let address = first.header("location");
        assert_eq!(shop.json(Method::PATCH, address, r#"{"price":9}"#).await.status, 200);
        // the same request, spelt differently
        for body in [body, again] {
            let replay = shop.send(post(key, body)).await;
            assert_eq!((replay.status.as_u16(), replay.header("idempotent-replayed")), (201, "true"));
            assert_eq!((&replay.body, replay.header("location")), (&first.body, address));
            assert_eq!(replay.header("etag"), first.header("etag"));
        }
        let other = r#"{"name":"Cup","price":3.5}"#;
        shop.send(post(key, other)).await.problem(422, "idempotency_key_reused");
        let ana =
            post(key, other).insert_header(("x-user-id", "ana")).insert_header(("x-user-scopes", "admin"));
        let ana = shop.send(ana).await;
        assert_eq!((ana.status.as_u16(), ana.header("idempotent-replayed")), (201, ""), "another's key");
    }
    shop.send(post("taken", TEA)).await.problem(409, "product_exists");
    assert_eq!(
        shop.send(post("taken", r#"{"name":"Pot","price":1}"#)).await.status,
        201,
        "that was not kept"
    );
    shop.send(post("a b", TEA)).await.problem(400, "malformed_idempotency_key");
    // One key is one key, also for carts.
    let add = with_json(Method::POST, "/api/v1/carts/ana/items", r#"{"product_id":"sku-1"}"#);
    let add = add.insert_header(("idempotency-key", "named")).insert_header(("x-user-id", "ana"));
    shop.send(add).await.problem(422, "idempotency_key_reused");
}

#[actix_web::test]
async fn parallel_requests_with_one_key_make_one_product() {
    let shop = Shop::open();
    let before = shop.get("/api/v1/products").await.json()["total"].as_u64().unwrap();
    let post = || {
        let body = r#"{"name":"Tea","price":3.5}"#;
        shop.send(with_json(Method::POST, "/api/v1/products", body).insert_header(("idempotency-key", "k")))
    };
    let answers = futures_util::future::join_all((0..20).map(|_| post())).await;
    // Who comes while the first one is being carried out may be asked to come again.
    let (made, early): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    for answer in &early {
        answer.problem(409, "idempotency_key_in_flight");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(!made.is_empty() && made.iter().all(|answer| answer.body == made[0].body), "{made:?}");
    let replayed = made.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    assert_eq!(replayed, made.len() - 1);
    assert_eq!(post().await.body, made[0].body);
    shop.state.catalog.settle().await;
    assert_eq!(shop.get("/api/v1/products").await.json()["total"], before + 1);
}

#[actix_web::test]
async fn who_has_the_version_gets_no_body_and_who_has_not_changes_nothing() {
    let shop = Shop::open();
    shop.make(TEA).await;
    shop.json(Method::PATCH, ADDRESS, r#"{"stock":5}"#).await;
    for uri in [ADDRESS, "/api/v1/products/tea/cached"] {
        for (tags, status) in [("\"2\"", 304), ("W/\"2\"", 304), ("*", 304), ("\"1\"", 200), ("junk", 200)] {
            for method in [Method::GET, Method::HEAD] {
                let answer = shop.send(request(method, uri).insert_header(("if-none-match", tags))).await;
                assert_eq!((answer.status.as_u16(), answer.header("etag")), (status, "\"2\""), "{tags}");
            }
        }
    }
    let now = shop.get(ADDRESS).await.json();
    for (method, body) in [
        (Method::PUT, r#"{"name":"Tea","price":1}"#),
        (Method::PATCH, r#"{"stock":9}"#),
        (Method::PATCH, r#"{"price":9}"#),
        (Method::DELETE, ""),
    ] {
        let old = with_json(method.clone(), ADDRESS, body).insert_header(("if-match", "\"1\""));
        let answer = shop.send(old).await;
        let problem = answer.problem(412, "version_mismatch");
        assert_eq!((answer.header("etag"), &problem["product"]), ("\"2\"", &now));
        let bad = with_json(method, ADDRESS, body).insert_header(("if-match", "2"));
        shop.send(bad).await.problem(400, "malformed_if_match");
    }
    let current = with_json(Method::PATCH, ADDRESS, r#"{"price":9}"#).insert_header(("if-match", "\"2\""));
    assert_eq!(shop.send(current).await.header("etag"), "\"3\"");
    let gone = request(Method::DELETE, ADDRESS).insert_header(("if-match", "\"3\""));
    assert_eq!(shop.send(gone).await.status, 200);
}

#[actix_web::test]
async fn a_price_stays_in_its_currency() {
    let shop = Shop::open();
    shop.make(r#"{"id":"tea","name":"Tea","price":350,"currency":"JPY"}"#).await;
    shop.json(Method::PATCH, ADDRESS, r#"{"price":3.5}"#).await.points_to("/price", "too_precise");
    assert!(
        shop.json(Method::PATCH, ADDRESS, r#"{"price":360}"#)
            .await
            .body
            .contains(r#""price":360,"currency":"JPY""#)
    );
    let dollars = shop.json(Method::PATCH, ADDRESS, r#"{"price":3.5,"currency":"USD"}"#).await;
    assert!(dollars.body.contains(r#""price":3.50,"currency":"USD""#), "{dollars:?}");
    shop.json(Method::PATCH, ADDRESS, r#"{"currency":"EUR"}"#).await.points_to("/currency", "needs_price");
}

#[actix_web::test]
async fn parallel_changes_of_the_price_all_happen() {
    let shop = Shop::open();
    shop.make(TEA).await;
    let changes = (1..=4).map(|n| {
        shop.state.catalog.edit(
            cartwright_domain::ProductId::new("tea").unwrap(),
            cartwright_catalog::Draft::from_json(format!(r#"{{"price":{n}}}"#).as_bytes())
                .unwrap()
                .edit(&cartwright_domain::ProductId::new("tea").unwrap())
                .unwrap(),
            Vec::new(),
        )
    });
    for changed in futures_util::future::join_all(changes).await {
        assert!(matches!(changed.unwrap(), cartwright_storage::Changed::Changed { .. }));
    }
    assert_eq!(shop.get(ADDRESS).await.header("etag"), "\"5\"");
}

#[actix_web::test]
async fn what_orders_name_is_retired() {
    let shop = Shop::open();
    shop.make(TEA).await;
    shop.order("11111111-1111-7111-8111-111111111111", "ana", &["tea"]).await;
    assert_eq!(shop.delete(ADDRESS).await.json()["outcome"], "retired");
    shop.get(ADDRESS).await.problem(404, "product_not_found");
    shop.json(Method::POST, "/api/v1/products", TEA).await.problem(409, "product_exists");
}
