//! Every address and method that is mounted, for everybody who may come.

use std::collections::BTreeMap;

use actix_web::{
    http::Method,
    test::{self, TestRequest},
};
use cartwright_http::Access;
use cartwright_identity::GuestToken;

use crate::{
    kit::{Shop, request, with_json},
    tokens::Mint,
};

const ANYONE: &str = "
    GET /api/v1/products                          GET /api/v1/products/{product_id}
    GET /api/v1/products/{product_id}/cached      GET /api/v1/products/{product_id}/inventory
    GET /api/v1/products/{product_id}/related     GET /api/v1/search
    GET /api/v1/categories                        GET /api/v1/categories/{category}/products
    GET /api/v1/stats/top-products                GET /stats/top-products
    GET /cache/product/{product_id}               POST /api/v1/guests
    GET /livez   GET /readyz   GET /health        GET /api/v1/health   GET /api/v1/health/ready
    GET /openapi.json   GET /redoc                GET /redoc/redoc.standalone.js
    GET /docs    GET /docs/{file:.*}              GET /jobs   GET /jobs/{file}";

/// For what is his own.
const CALLER: &str = "
    GET /cart    GET /cart/count    POST /cart/add    DELETE /cart/clear
    DELETE /cart/remove/{product_id}              PUT /cart/update/{product_id}
    GET /api/v1/orders   POST /api/v1/orders      POST /api/v1/holds";

/// For what is his own; what is Ana's is not there for others.
const HIDDEN: &str = "
    GET /api/v1/orders/{order_id}                 GET /api/v1/orders/{order_id}/status
    POST /api/v1/orders/{order_id}/cancel         GET /api/v1/holds/{hold_id}
    POST /api/v1/holds/{hold_id}/renew            DELETE /api/v1/holds/{hold_id}";

/// Whoever likes; who says who he is, is known.
const KNOWN: &str = "POST /api/v1/sessions    POST /session/create";

/// Who knows the name of a session, and it is not somebody else's.
const SESSION: &str = "
    GET /api/v1/sessions/{session_id}             PUT /api/v1/sessions/{session_id}
    DELETE /api/v1/sessions/{session_id}          GET /session/{session_id}
    DELETE /session/{session_id}";

/// After the first login the name is another.
const LOGIN: &str = "POST /api/v1/sessions/{session_id}/login";

/// For whom the path names.
const NAMED: &str = "
    GET /api/v1/carts/{user_id}                   DELETE /api/v1/carts/{user_id}
    GET /api/v1/carts/{user_id}/count             GET /api/v1/carts/{user_id}/events
    POST /api/v1/carts/{user_id}/items            PUT /api/v1/carts/{user_id}/items/{product_id}
    DELETE /api/v1/carts/{user_id}/items/{product_id}
    POST /api/v1/carts/{user_id}/merge            POST /api/v1/carts/{user_id}/checkout
    GET /cart/{user_id}                           POST /cart/{user_id}/add
    POST /cart/{user_id}/clear                    POST /cart/{user_id}/remove/{product_id}
    PUT /cart/{user_id}/update/{product_id}       GET /api/v1/users/{user_id}/orders
    GET /api/v1/users/{user_id}/events            GET /api/v1/recommendations/{user_id}
    GET /api/v1/users/{user_id}/profile           PUT /api/v1/users/{user_id}/profile
    GET /api/v1/users/{user_id}/sessions          DELETE /api/v1/users/{user_id}/sessions
    DELETE /api/v1/users/{user_id}/sessions/{handle}
    GET /api/v1/users/{user_id}/export            DELETE /api/v1/users/{user_id}";

/// For operators and services.
const STAFF: &str = "POST /api/v1/orders/{order_id}/steps    GET /api/v1/events    GET /metrics";

const OPERATORS: &str = "
    POST /api/v1/products                         POST /api/v1/products/import
    PUT /api/v1/products/{product_id}             PATCH /api/v1/products/{product_id}
    DELETE /api/v1/products/{product_id}          POST /cache/product/{product_id}
    GET /api/v1/jobs                              DELETE /api/v1/jobs
    GET /api/v1/jobs/overview                     GET /api/v1/jobs/failures
    POST /api/v1/jobs/retry                       GET /api/v1/jobs/queues
    GET /api/v1/jobs/workers                      POST /api/v1/jobs/queues/{queue}/pause
    POST /api/v1/jobs/queues/{queue}/resume       PUT /api/v1/jobs/queues/{queue}/rate
    DELETE /api/v1/jobs/queues/{queue}/rate       GET /api/v1/jobs/{job_id}
    POST /api/v1/jobs/{job_id}/retry              POST /api/v1/jobs/{job_id}/cancel
    GET /api/v1/webhooks                          POST /api/v1/webhooks
    GET /api/v1/webhooks/{webhook_id}             PATCH /api/v1/webhooks/{webhook_id}
    DELETE /api/v1/webhooks/{webhook_id}          POST /api/v1/webhooks/{webhook_id}/rotate-secret
    POST /api/v1/webhooks/{webhook_id}/test       POST /api/v1/webhooks/{webhook_id}/replay
    GET /api/v1/webhooks/{webhook_id}/deliveries  GET /api/v1/health/cache/stats
    GET /redis/info                               GET /api/v1/redis/info";

/// Who comes: Ana, to whom it belongs; Bob; a guest; an operator; a program of ours; somebody who says nothing.
const COMERS: [&str; 6] = ["ana", "bob", "guest", "admin", "service", "nobody"];

/// What each of them gets: 200 stands for any answer but 401 and 403, 0 for 401 or 404.
fn cells(kind: &str) -> [u16; 6] {
    match kind {
        "anyone" => [200, 200, 200, 200, 200, 200],
        "known" => [200, 200, 200, 200, 200, 200],
        "session" => [200, 404, 404, 200, 200, 404],
        "login" => [200, 0, 0, 0, 0, 0],
        "caller" => [200, 200, 200, 200, 200, 401],
        "hidden" => [200, 404, 404, 200, 200, 401],
        "named" => [200, 403, 403, 200, 200, 401],
        "staff" => [403, 403, 403, 200, 200, 401],
        _ => [403, 403, 403, 200, 403, 401],
    }
}

/// Pairs of method and address.
fn rows() -> BTreeMap<(String, String), &'static str> {
    let kinds = [
        ("anyone", ANYONE),
        ("known", KNOWN),
        ("session", SESSION),
        ("login", LOGIN),
        ("caller", CALLER),
        ("hidden", HIDDEN),
        ("named", NAMED),
        ("staff", STAFF),
        ("operators", OPERATORS),
    ];
    let mut rows = BTreeMap::new();
    for (kind, text) in kinds {
        let mut words = text.split_whitespace();
        while let (Some(method), Some(path)) = (words.next(), words.next()) {
            let twice = rows.insert((method.to_owned(), path.to_owned()), kind);
            assert_eq!(twice, None, "{method} {path}");
            if method == "GET" && !path.ends_with("/events") {
                rows.insert(("HEAD".to_owned(), path.to_owned()), kind);
            }
        }
    }
    rows
}

fn mounted() -> Vec<(String, String)> {
    let each = |(path, allow): (&str, &str)| {
        allow.split(", ").map(|method| (method.to_owned(), path.to_owned())).collect::<Vec<_>>()
    };
    cartwright_http::addresses().into_iter().flat_map(each).collect()
}

#[test]
fn every_address_is_in_both_tables() {
    let (rows, mounted) = (rows(), mounted());
    for address in &mounted {
        assert!(rows.contains_key(address), "who may call {address:?}?");
    }
    for address in rows.keys() {
        assert!(mounted.contains(address), "{address:?} is not mounted");
    }
    cartwright_http::check_routes().unwrap();
}

/// How each of those who come says who he is.
struct Comers {
    mint: Option<Mint>,
    guest: GuestToken,
}

impl Comers {
    /// By the headers that are believed.
    fn believed() -> (Self, Access) {
        (Self { mint: None, guest: GuestToken::generate() }, Access::TrustedHeader { anonymous_admin: false })
    }

    /// By tokens. Headers that would be believed elsewhere come along, and say something else.
    async fn with_tokens() -> (Self, Access) {
        let mint = Mint::new();
        let access = Access::Tokens(mint.verifier().await);
        (Self { mint: Some(mint), guest: GuestToken::generate() }, access)
    }

    fn send(&self, who: &str, request: TestRequest) -> TestRequest {
        let request = match who {
            "guest" => return request.insert_header(("x-guest-token", self.guest.expose())),
            _ => request,
        };
        let Some(mint) = &self.mint else {
            return match who {
                "admin" | "service" => request.insert_header(("x-user-scopes", who)),
                "nobody" => request,
                user => request.insert_header(("x-user-id", user)),
            };
        };
        let request =
            request.insert_header(("x-user-id", "ana")).insert_header(("x-user-scopes", "admin service"));
        let token = match who {
            "nobody" => return request,
            "admin" => mint.token("root", "admin"),
            "service" => mint.token("packing", "service"),
            user => mint.token(user, ""),
        };
        request.insert_header(("authorization", format!("Bearer {token}")))
    }
}

/// The address with something of Ana's in it.
async fn filled_in(shop: &Shop, comers: &Comers, path: &str) -> String {
    let mut uri = path.to_owned();
    for (name, made_at) in [("{order_id}", "/api/v1/orders"), ("{hold_id}", "/api/v1/holds")] {
        if path.contains(name) {
            let buy = with_json(Method::POST, made_at, r#"{"product_id":"sku-2","quantity":1}"#);
            let made = shop.send(comers.send("ana", buy)).await;
            assert_eq!(made.status, 201, "{made:?}");
            uri = uri.replace(name, made.json()["id"].as_str().unwrap());
        }
    }
    if path.contains("{session_id}") {
        let made = shop.send(comers.send("ana", with_json(Method::POST, "/api/v1/sessions", "{}"))).await;
        uri = uri.replace("{session_id}", made.json()["session_id"].as_str().unwrap());
    }
    let others = [
        ("{handle}", "AAAABBBBCCCCDDDD"),
        ("{user_id}", "ana"),
        ("{product_id}", "sku-1"),
        ("{category}", "tools"),
        ("{queue}", "mail"),
        ("{job_id}", "1"),
        ("{webhook_id}", "1"),
        ("{file:.*}", ""),
        ("{file}", "main.js"),
    ];
    others.iter().fold(uri, |uri, (name, value)| uri.replace(name, value))
}

async fn everybody_everywhere(comers: Comers, access: Access) {
    let shop = Shop::with_access(access);
    let app = test::init_service(cartwright_http::create_app(shop.state.clone())).await;
    for ((method, path), kind) in rows() {
        let uri = filled_in(&shop, &comers, &path).await;
        for (who, expected) in COMERS.iter().zip(cells(kind)) {
            let request = comers.send(who, request(method.parse().unwrap(), &uri));
            // Not its body: streams have no end.
            let status = test::call_service(&app, request.to_request()).await.status().as_u16();
            let right = match expected {
                0 => [401, 404].contains(&status),
                200 => ![401, 403, 500].contains(&status),
                refused => status == refused,
            };
            assert!(right, "{method} {uri} for {who}: {status} instead of {expected}");
        }
    }
}

#[actix_web::test]
async fn who_is_believed_may_call_what_the_table_says() {
    let (comers, access) = Comers::believed();
    everybody_everywhere(comers, access).await;
}

#[actix_web::test]
async fn who_has_a_token_may_call_what_the_table_says_and_headers_change_nothing() {
    let (comers, access) = Comers::with_tokens().await;
    everybody_everywhere(comers, access).await;
}

/// Each is told of his own only, whatever he asks for.
#[actix_web::test]
async fn lists_have_what_is_ones_own() {
    for (comers, access) in [Comers::believed(), Comers::with_tokens().await] {
        let shop = Shop::with_access(access);
        for who in ["ana", "bob", "guest"] {
            let buy = with_json(Method::POST, "/api/v1/orders", r#"{"product_id":"sku-1","quantity":1}"#);
            assert_eq!(shop.send(comers.send(who, buy)).await.status, 201);
        }
        for (who, seen) in [("ana", 1), ("bob", 1), ("guest", 1), ("admin", 3), ("service", 3)] {
            let list = shop.send(comers.send(who, request(Method::GET, "/api/v1/orders"))).await.json();
            assert_eq!(list["total"], seen, "{who}: {list}");
            let owner =
                if who == "guest" { comers.guest.owner().as_str().to_owned() } else { who.to_owned() };
            assert!(seen == 3 || list["items"][0]["user_id"] == owner.as_str(), "{who}: {list}");
        }
    }
}

/// A guest's cart goes over at login, once, and only with his token.
#[actix_web::test]
async fn a_guest_becomes_a_user() {
    for (comers, access) in [Comers::believed(), Comers::with_tokens().await] {
        let shop = Shop::with_access(access);
        let guest = comers.guest.owner();
        let add = with_json(Method::POST, "/cart/add", r#"{"product_id":"sku-1","quantity":2}"#);
        assert_eq!(shop.send(comers.send("guest", add)).await.json()["total_quantity"], 2);

        let merge = |body: &str| with_json(Method::POST, "/api/v1/carts/ana/merge", body);
        let named = format!(r#"{{"from_user_id":"{guest}"}}"#);
        shop.send(comers.send("ana", merge(&named))).await.problem(403, "not_yours");
        shop.send(comers.send("ana", merge("{}"))).await.points_to("/from_user_id", "missing");
        shop.send(comers.send("guest", merge("{}"))).await.problem(403, "not_yours");

        let with_token =
            |request: TestRequest| request.insert_header(("x-guest-token", comers.guest.expose()));
        let tried = with_token(with_json(Method::POST, "/api/v1/carts/ana/merge?dry_run=true", "{}"));
        assert_eq!(shop.send(comers.send("ana", tried)).await.json()["cart"]["total_quantity"], 2);
        let not_yet = shop.send(comers.send("ana", request(Method::GET, "/cart"))).await;
        assert_eq!(not_yet.json()["total_quantity"], 0);
        for body in ["{}", &named] {
            let merged = shop.send(comers.send("ana", with_token(merge(body)))).await;
            assert_eq!(merged.json()["cart"]["total_quantity"], 2, "{merged:?}");
        }
        let left = shop.send(comers.send("guest", request(Method::GET, "/cart"))).await;
        assert_eq!(left.json()["total_quantity"], 0);
        let hers = shop.send(comers.send("ana", with_token(request(Method::GET, "/cart")))).await;
        assert_eq!(hers.json()["user_id"], "ana", "who says who he is, is no guest");
    }
}

#[actix_web::test]
async fn guests_are_made_with_a_token_or_a_cookie() {
    let shop = Shop::with_access(Access::TrustedHeader { anonymous_admin: false });
    let made = shop.send(request(Method::POST, "/api/v1/guests")).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, "no-store"));
    let token: GuestToken = made.json()["token"].as_str().unwrap().parse().unwrap();
    assert_eq!(made.json()["guest_id"], token.owner().as_str());

    let made = shop.send(request(Method::POST, "/api/v1/guests?cookie=true")).await;
    assert_eq!(made.json()["token"], serde_json::Value::Null);
    let cookie = made.header("set-cookie").to_owned();
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let add = || {
        let add = with_json(Method::POST, "/cart/add", r#"{"product_id":"sku-1","quantity":2}"#);
        add.insert_header(("cookie", cookie.clone()))
    };
    let added = shop.send(add()).await;
    assert_eq!(added.json()["user_id"], made.json()["guest_id"]);
    for site in ["cross-site", "same-site"] {
        shop.send(add().insert_header(("sec-fetch-site", site))).await.problem(403, "cross_site");
    }
    assert_eq!(shop.send(add().insert_header(("sec-fetch-site", "same-origin"))).await.status, 200);
    let other = request(Method::GET, "/cart").insert_header(("cookie", "cartwright_guest=of-somebody-else"));
    shop.send(other).await.problem(401, "unauthorized");
    for token in ["", "short", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9"] {
        let bad = request(Method::GET, "/cart").insert_header(("x-guest-token", token));
        let refused = shop.send(bad).await;
        refused.problem(401, "invalid_token");
        assert!(refused.header("www-authenticate").starts_with("Bearer"));
    }
}

/// What stands there twice may have been looked at once, by somebody on the way.
#[actix_web::test]
async fn credentials_stand_there_once() {
    let shop = Shop::with_access(Access::TrustedHeader { anonymous_admin: true });
    for (name, one, two) in [("x-user-id", "ana", "bob"), ("x-user-scopes", "admin", "service")] {
        let twice =
            request(Method::GET, "/api/v1/orders").append_header((name, one)).append_header((name, two));
        shop.send(twice).await.problem(401, "invalid_token");
    }
}
