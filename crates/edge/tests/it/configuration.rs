//! What the shipped configuration keeps, what it never keeps, and whom it obeys.

use std::net::Ipv4Addr;

use cartwright_edge::SurrogateKey;
use cartwright_testkit::eventually;

use crate::{
    PATIENCE,
    client::{ask, ask_from, get},
    origin::Origin,
    varnish,
};

const LAPTOP: &str = "/api/v1/products/1";
const KEPT: &str = "Cache-Control: public, s-maxage=60\n";

fn laptop() -> SurrogateKey {
    SurrogateKey::of("product", "1")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_somebody_is_never_kept() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    // Whatever their answers say.
    for path in [
        "/api/v1/carts/ana",
        "/api/v1/carts/ana/count",
        "/cart/ana",
        "/cart",
        "/session/1",
        "/api/v1/sessions/1",
        "/api/v1/orders",
        "/api/v1/users/ana/profile",
        "/api/v1/recommendations/ana",
        "/health",
        "/metrics",
        "/api/v1/productsandmore",
        "/api/v1/products/../carts/ana",
        "/api/v1/products/%2e%2E/carts/ana",
        "/api/v1/products/..%2fcarts/ana",
        "//api/v1/products/1",
    ] {
        origin.put(path, KEPT, "mine");
        for _ in 0..3 {
            let answer = get(&varnish, path).await;
            assert!(!answer.is_hit() && answer.body == "mine", "{path}: {answer:?}");
        }
        assert_eq!(origin.asked(path), 3, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_so_is_not_kept() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    for (n, headers) in [
        "Cache-Control: private, max-age=60\n",
        "Cache-Control: no-store\n",
        "Cache-Control: no-cache, max-age=60\n",
        "Cache-Control: public\n",
        "Cache-Control: max-age=0\n",
        "Cache-Control: s-maxage=60\nSet-Cookie: guest=1\n",
        "Cache-Control: s-maxage=60\nVary: *\n",
        "Expires: Thu, 01 Jan 2099 00:00:00 GMT\n",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/api/v1/products/{n}");
        origin.put(&path, headers, "now");
        for _ in 0..2 {
            assert!(!get(&varnish, &path).await.is_hit(), "{headers}");
        }
    }
    // Whatever it says: a failure is over soon. That there is no such product may last.
    for (status, kept) in [("503 Sorry", false), ("500 Sorry", false), ("404 Not Found", true)] {
        let path = format!("/api/v1/products/{}", status.replace(' ', "-"));
        origin.put(&path, KEPT, "");
        origin.put_status(&path, status);
        get(&varnish, &path).await;
        let again = get(&varnish, &path).await;
        assert_eq!((again.is_hit(), status.starts_with(&again.status.to_string())), (kept, true), "{status}");
    }
    // Requests that nothing is kept for, nor answered from what is kept.
    origin.put(LAPTOP, KEPT, "laptop");
    get(&varnish, LAPTOP).await;
    assert!(get(&varnish, LAPTOP).await.is_hit());
    assert!(!ask(&varnish, "GET", LAPTOP, &[("Authorization", "Bearer x")]).await.is_hit());
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = ask(&varnish, method, LAPTOP, &[("Content-Length", "0")]).await;
        assert!(!answer.is_hit() && answer.status == 200, "{method}: {answer:?}");
        assert!(origin.last_request(LAPTOP).starts_with(method));
    }
    for method in ["PURGE", "TRACE", "FOO"] {
        assert_eq!(ask(&varnish, method, LAPTOP, &[]).await.status, 405, "{method}");
    }
    assert!(get(&varnish, LAPTOP).await.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_do_not_matter_for_the_catalogue() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    origin.put(LAPTOP, KEPT, "laptop");
    ask(&varnish, "GET", LAPTOP, &[("Cookie", "guest=1")]).await;
    assert!(!origin.last_request(LAPTOP).to_lowercase().contains("cookie"));
    assert!(ask(&varnish, "GET", LAPTOP, &[("Cookie", "guest=2")]).await.is_hit());
    // Elsewhere they arrive.
    origin.put("/cart", "", "cart");
    ask(&varnish, "GET", "/cart", &[("Cookie", "guest=1")]).await;
    assert!(origin.last_request("/cart").to_lowercase().contains("cookie: guest=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_vary() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    let language = |language: &'static str| [("Accept-Language", language)];
    origin.put(LAPTOP, &format!("{KEPT}Vary: Accept-Language\nSurrogate-Key: {}\n", laptop()), "colour");
    assert_eq!(ask(&varnish, "GET", LAPTOP, &language("en")).await.body, "colour");
    origin.put(LAPTOP, &format!("{KEPT}Vary: Accept-Language\nSurrogate-Key: {}\n", laptop()), "Farbe");
    assert_eq!(ask(&varnish, "GET", LAPTOP, &language("de")).await.body, "Farbe");
    let english = ask(&varnish, "GET", LAPTOP, &language("en")).await;
    assert!(english.is_hit() && english.body == "colour");
    // A purge takes all of them.
    ask(&varnish, "BAN", "/", &[("Surrogate-Key", laptop().as_str())]).await;
    assert!(!ask(&varnish, "GET", LAPTOP, &language("en")).await.is_hit());
    assert!(!ask(&varnish, "GET", LAPTOP, &language("de")).await.is_hit());
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_answers_are_served_while_it_is_asked_if_the_origin_allows() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    origin.put(LAPTOP, "Cache-Control: s-maxage=1, stale-while-revalidate=60\n", "old");
    get(&varnish, LAPTOP).await;
    origin.put(LAPTOP, "Cache-Control: s-maxage=60\n", "new");
    eventually(PATIENCE, async || {
        let answer = get(&varnish, LAPTOP).await;
        assert!(answer.is_hit(), "somebody had to wait");
        answer.body == "new"
    })
    .await;

    let strict = "/api/v1/products/2";
    origin.put(strict, "Cache-Control: s-maxage=1\n", "old");
    get(&varnish, strict).await;
    origin.put(strict, "Cache-Control: s-maxage=60\n", "new");
    eventually(PATIENCE, async || {
        let answer = get(&varnish, strict).await;
        assert_eq!(answer.is_hit(), answer.body == "old", "what was served is not what is now");
        answer.body == "new"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_keep_their_names() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    origin.put(LAPTOP, &format!("{KEPT}X-Request-ID: first\n"), "laptop");
    let named = |name: &'static str| [("X-Request-ID", name)];
    assert_eq!(ask(&varnish, "GET", LAPTOP, &named("first")).await.header("x-request-id"), Some("first"));
    assert!(origin.last_request(LAPTOP).contains("X-Request-ID: first"));
    let hit = ask(&varnish, "GET", LAPTOP, &named("second")).await;
    assert!(hit.is_hit());
    assert_eq!(hit.header("x-request-id"), Some("second"));
    let unnamed = get(&varnish, LAPTOP).await;
    assert!(unnamed.header("x-request-id").unwrap().starts_with("edge-"), "{unnamed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_our_own_may_purge() {
    let origin = Origin::start().await;
    let varnish = varnish(&origin);
    origin.put_keyed(LAPTOP, &[laptop()], "laptop");
    get(&varnish, LAPTOP).await;
    let key = ("Surrogate-Key", "product:1");
    let elsewhere = Ipv4Addr::new(127, 0, 0, 2);
    assert_eq!(ask_from(elsewhere, &varnish, "BAN", "/", &[key]).await.status, 403);
    // Through a proxy on this machine.
    for forwarded in
        [("X-Forwarded-For", "203.0.113.9"), ("Forwarded", "for=203.0.113.9"), ("Via", "1.1 front")]
    {
        assert_eq!(ask(&varnish, "BAN", "/", &[key, forwarded]).await.status, 403, "{forwarded:?}");
    }
    // Ours, but not a list of keys.
    for list in [
        "",
        ".",
        ".*",
        "a|b",
        "a  b",
        " ",
        "a,b",
        "**",
        "product:1 *",
        "product:1)",
        "x || obj.status == 200",
        "\"",
        "a\tb",
        "é",
    ] {
        let answer = ask(&varnish, "BAN", "/", &[("Surrogate-Key", list)]).await;
        assert_eq!(answer.status, 400, "{list:?}: {answer:?}");
    }
    assert_eq!(ask(&varnish, "BAN", "/", &[]).await.status, 400);
    assert!(get(&varnish, LAPTOP).await.is_hit());
    assert_eq!(ask(&varnish, "BAN", "/", &[key]).await.status, 200);
    assert!(!get(&varnish, LAPTOP).await.is_hit());
}
