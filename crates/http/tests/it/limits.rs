//! How often callers may ask.

use std::sync::Arc;

use actix_web::{http::Method, test::TestRequest};
use cartwright_http::{Access, Limits, Quotas};
use cartwright_identity::GuestToken;
use cartwright_limits::{MemoryRateLimiter, ProxyHeader, Quota, TrustedProxies};

use crate::{
    kit::{Answer, Shop, request, with_json},
    tokens::Mint,
};

const BELIEVED: Access = Access::TrustedHeader { anonymous_admin: false };

fn quota(amount: u32) -> Option<Quota> {
    Quota::per_minute(amount).unwrap()
}

fn shop(access: Access, users: Quotas, addresses: Quotas) -> Shop {
    let proxies = TrustedProxies::new(ProxyHeader::XForwardedFor, ["127.0.0.0/8"]).unwrap();
    let limiter = Arc::new(MemoryRateLimiter::new(10_000));
    let mut shop = Shop::with_access(access);
    shop.state.limits = Some(Limits { limiter, users, addresses, proxies });
    shop
}

/// Behind a proxy of ours.
fn by_proxy(request: TestRequest, for_whom: &'static str) -> TestRequest {
    request.peer_addr("127.0.0.1:4711".parse().unwrap()).insert_header(("x-forwarded-for", for_whom))
}

fn add() -> TestRequest {
    with_json(Method::POST, "/cart/add", r#"{"product_id":"sku-1"}"#)
}

fn refused(answer: &Answer) {
    answer.problem(429, "rate_limited");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait), "{answer:?}");
    assert_eq!(answer.header("ratelimit-remaining"), "0", "{answer:?}");
}

#[actix_web::test]
async fn each_has_his_own_share_of_each_kind() {
    let users = Quotas { writes: quota(3), orders: quota(1), ..Quotas::default() };
    let shop = shop(BELIEVED, users, Quotas::default());
    let guest = GuestToken::generate();
    let by_guest = |request: TestRequest| request.insert_header(("x-guest-token", guest.expose()));
    for left in ["2", "1", "0"] {
        let added = shop.send(add().insert_header(("x-user-id", "ana"))).await;
        assert_eq!((added.status.as_u16(), added.header("ratelimit-remaining")), (200, left), "{added:?}");
        assert_eq!(added.header("ratelimit-policy"), r#""writes-user";q=3;w=60"#);
        assert!(added.header("ratelimit").starts_with(&format!(r#""writes-user";r={left}"#)), "{added:?}");
        assert_eq!(added.header("retry-after"), "");
        assert_eq!(shop.send(by_guest(add())).await.status, 200);
    }
    refused(&shop.send(add().insert_header(("x-user-id", "ana"))).await);
    refused(&shop.send(by_guest(add())).await);
    let cart = shop.send(request(Method::GET, "/cart").insert_header(("x-user-id", "ana"))).await;
    assert_eq!(cart.json()["total_quantity"], 3, "what was refused was not done");
    assert_eq!(cart.header("ratelimit-policy"), "", "reads are not counted");
    assert_eq!(shop.send(add().insert_header(("x-user-id", "bob"))).await.status, 200);

    let buy = || {
        let buy = with_json(Method::POST, "/api/v1/orders", r#"{"product_id":"sku-1","quantity":1}"#);
        buy.insert_header(("x-user-id", "ana"))
    };
    assert_eq!(shop.send(buy()).await.status, 201, "orders are another kind");
    refused(&shop.send(buy()).await);
    for _ in 0..5 {
        let put = with_json(Method::POST, "/api/v1/carts/ana/items", r#"{"product_id":"sku-1"}"#);
        let by_staff = shop.send(put.insert_header(("x-user-scopes", "service"))).await;
        assert_eq!((by_staff.status.as_u16(), by_staff.header("ratelimit")), (200, ""), "nor is staff");
    }
    assert_eq!(shop.get("/livez").await.header("ratelimit-policy"), "");
}

#[actix_web::test]
async fn those_who_share_an_address_share_its_share() {
    let shop = shop(
        BELIEVED,
        Quotas { reads: quota(100), ..Quotas::default() },
        Quotas { writes: quota(3), searches: quota(2), logins: quota(1), ..Quotas::default() },
    );
    let from = |address, request| by_proxy(request, address);
    for user in ["ana", "bob", "eve"] {
        let added = shop.send(from("203.0.113.7", add().insert_header(("x-user-id", user)))).await;
        assert_eq!(added.status, 200, "{added:?}");
    }
    refused(&shop.send(from("203.0.113.7", add().insert_header(("x-user-id", "ida")))).await);
    // What a client writes before his proxy does, is not believed.
    refused(&shop.send(from("1.1.1.1, 203.0.113.7", add().insert_header(("x-user-id", "ida")))).await);
    assert_eq!(shop.send(from("203.0.113.8", add().insert_header(("x-user-id", "ida")))).await.status, 200);

    for _ in 0..2 {
        let found = shop.send(from("203.0.113.7", request(Method::GET, "/api/v1/search?q=product"))).await;
        assert_eq!(found.status, 200, "{found:?}");
    }
    refused(&shop.send(from("203.0.113.7", request(Method::GET, "/api/v1/search?q=product"))).await);
    let guest = || from("203.0.113.7", request(Method::POST, "/api/v1/guests"));
    assert_eq!(shop.send(guest()).await.status, 201);
    refused(&shop.send(guest()).await);
    // It may be a proxy that we do not know of.
    for local in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        for _ in 0..3 {
            assert_eq!(shop.send(from(local, request(Method::POST, "/api/v1/guests"))).await.status, 201);
        }
    }
    // Counted by user, and by the hottest address too.
    let read = shop.send(request(Method::GET, "/api/v1/carts/ana").insert_header(("x-user-id", "ana"))).await;
    assert_eq!(read.header("ratelimit-remaining"), "99", "{read:?}");
}

#[actix_web::test]
async fn tokens_cannot_be_tried_out() {
    let mint = Mint::new();
    let access = Access::Tokens(mint.verifier().await);
    let shop = shop(access, Quotas::default(), Quotas { logins: quota(2), ..Quotas::default() });
    let good = mint.token("ana", "");
    let with = |token: &str| {
        let read = request(Method::GET, "/cart").insert_header(("authorization", format!("Bearer {token}")));
        by_proxy(read, "203.0.113.7")
    };
    let texts: std::collections::BTreeSet<String> = {
        let mut texts = std::collections::BTreeSet::new();
        for bad in [format!("{good}x"), good.replace('.', "..")] {
            let answer = shop.send(with(&bad)).await;
            let mut problem = answer.problem(401, "invalid_token");
            problem["request_id"] = "".into();
            texts.insert(problem.to_string());
        }
        texts
    };
    assert_eq!(texts.len(), 1, "{texts:?}");
    refused(&shop.send(with("a.b.c")).await);
    // Where a read goes past the router it is told as much.
    let hot = request(Method::GET, "/api/v1/carts/ana").insert_header(("authorization", "Bearer a.b.c"));
    refused(&shop.send(by_proxy(hot, "203.0.113.7")).await);
    assert_eq!(shop.send(with(&good)).await.status, 200, "who has a good one is let in");
}
