//! Sessions, profiles, and what is kept of somebody.

use actix_web::{http::Method, test::TestRequest};
use cartwright_http::Access;

use crate::kit::{Shop, request, with_json};

const SESSIONS: &str = "/api/v1/sessions";
const PROFILE: &str = "/api/v1/users/ana/profile";

fn shop() -> Shop {
    Shop::with_access(Access::TrustedHeader { anonymous_admin: false })
}

fn by(user: &'static str, request: TestRequest) -> TestRequest {
    request.insert_header(("x-user-id", user))
}

#[actix_web::test]
async fn a_session_from_its_beginning_to_its_end() {
    let shop = shop();
    let made = shop.json(Method::POST, SESSIONS, r#"{"data":{"theme":"dark"}}"#).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, "no-store"), "{made:?}");
    let id = made.json()["session_id"].as_str().unwrap().to_owned();
    assert_eq!((id.len(), &made.json()["user_id"]), (43, &serde_json::Value::Null));
    let uri = format!("{SESSIONS}/{id}");
    let read = shop.get(&uri).await;
    assert_eq!((read.json()["data"]["theme"].as_str(), read.header("etag")), (Some("dark"), "\"1\""));
    assert_eq!(read.json()["session_id"], serde_json::Value::Null, "it is known");

    let put =
        |body: &str, tag: &'static str| with_json(Method::PUT, &uri, body).insert_header(("if-match", tag));
    assert_eq!(shop.send(put(r#"{"data":{"theme":"light"}}"#, "\"1\"")).await.json()["version"], 2);
    shop.send(put(r#"{"data":{}}"#, "\"1\"")).await.problem(412, "version_mismatch");

    // At login it gets another name, and carries what it did.
    shop.send(request(Method::POST, &format!("{uri}/login"))).await.problem(401, "unauthorized");
    let hers = shop.send(by("ana", request(Method::POST, &format!("{uri}/login")))).await;
    let new = hers.json()["session_id"].as_str().unwrap().to_owned();
    assert!(
        new != id && hers.json()["user_id"] == "ana" && hers.json()["data"]["theme"] == "light",
        "{hers:?}"
    );
    shop.get(&uri).await.problem(404, "session_not_found");
    let uri = format!("/session/{new}");
    shop.get(&uri).await.problem(404, "session_not_found");
    shop.send(by("bob", request(Method::GET, &uri))).await.problem(404, "session_not_found");
    assert_eq!(shop.send(by("ana", request(Method::GET, &uri))).await.status, 200);

    let ended = shop.send(by("ana", request(Method::DELETE, &uri))).await;
    assert_eq!(ended.body, r#"{"ended":1}"#);
    shop.send(by("ana", request(Method::GET, &uri))).await.problem(404, "session_not_found");
}

#[actix_web::test]
async fn sessions_are_listed_and_ended_by_their_owner() {
    let shop = shop();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let made = shop.send(by("ana", with_json(Method::POST, "/session/create", r#"{"cart":7}"#))).await;
        assert_eq!(made.json()["data"]["cart"], 7, "the classic body is the data: {made:?}");
        ids.push(made.json()["session_id"].as_str().unwrap().to_owned());
    }
    let all = "/api/v1/users/ana/sessions";
    let list = shop.send(by("ana", request(Method::GET, all))).await;
    assert!(ids.iter().all(|id| !list.body.contains(id.as_str())), "no name that could be used");
    let handle = list.json()["items"][0]["handle"].as_str().unwrap().to_owned();
    shop.send(by("bob", request(Method::DELETE, &format!("{all}/{handle}")))).await.problem(403, "not_yours");
    let one = || by("ana", request(Method::DELETE, &format!("{all}/{handle}")));
    assert_eq!(shop.send(one()).await.body, r#"{"ended":1}"#);
    shop.send(one()).await.problem(404, "session_not_found");
    shop.send(by("ana", request(Method::DELETE, &format!("{all}/short"))))
        .await
        .points_to("/path/handle", "invalid_id");

    let left = shop.send(by("ana", request(Method::GET, all))).await.json();
    let left: Vec<&str> =
        left["items"].as_array().unwrap().iter().map(|one| one["handle"].as_str().unwrap()).collect();
    assert_eq!(left.len(), 2);
    let mut stays = None;
    for id in &ids {
        let read = shop.send(by("ana", request(Method::GET, &format!("{SESSIONS}/{id}")))).await;
        if read.status == 200 {
            stays = Some(id.clone());
        }
    }
    let but_one =
        by("ana", request(Method::DELETE, all)).insert_header(("x-session-id", stays.clone().unwrap()));
    assert_eq!(shop.send(but_one).await.body, r#"{"ended":1}"#);
    let kept = format!("{SESSIONS}/{}", stays.unwrap());
    assert_eq!(shop.send(by("ana", request(Method::GET, &kept))).await.status, 200);
    let bad = by("ana", request(Method::DELETE, all)).insert_header(("x-session-id", "none"));
    shop.send(bad).await.problem(400, "invalid_id");
    assert_eq!(shop.send(by("ana", request(Method::DELETE, all))).await.body, r#"{"ended":1}"#);
}

#[actix_web::test]
async fn what_sessions_and_profiles_carry_is_an_object_of_a_size() {
    let shop = shop();
    let wide = |bytes: usize| format!(r#"{{"data":{{"text":"{}"}}}}"#, "x".repeat(bytes));
    let deep = format!(r#"{{"data":{}1{}}}"#, r#"{"a":"#.repeat(40), "}".repeat(40));
    for (body, pointer, code) in [
        (r#"{"data":[]}"#, "/data", "not_an_object"),
        (r#"{"data":"x"}"#, "/data", "not_an_object"),
        (deep.as_str(), "/data", "too_deep"),
        (wide(30_000).as_str(), "/data", "too_large"),
        (r#"{"owner":"bob"}"#, "/owner", "unknown_field"),
        (r#"{"user_id":"bob","data":{}}"#, "/user_id", "unknown_field"),
        (r#"{"session_id":"x"}"#, "/session_id", "unknown_field"),
        (r#"{"expires_at":"2099-01-01T00:00:00Z"}"#, "/expires_at", "unknown_field"),
    ] {
        shop.json(Method::POST, SESSIONS, body).await.points_to(pointer, code);
        shop.send(by("ana", with_json(Method::PUT, PROFILE, body))).await.points_to(pointer, code);
    }
    shop.json(Method::POST, SESSIONS, &wide(15_000)).await.points_to("/data", "too_large");
    assert_eq!(shop.send(by("ana", with_json(Method::PUT, PROFILE, &wide(15_000)))).await.status, 200);
    shop.json(Method::POST, "/session/create", "[]").await.points_to("", "not_an_object");
    shop.json(Method::POST, SESSIONS, "{").await.problem(400, "malformed_json");
    for id in ["none", &"A".repeat(43), "%00", &"x".repeat(4_000)] {
        shop.get(&format!("{SESSIONS}/{id}")).await.problem(404, "session_not_found");
    }
}

#[actix_web::test]
async fn a_profile_is_written_and_read() {
    let shop = shop();
    let get =
        |tag: &'static str| by("ana", request(Method::GET, PROFILE)).insert_header(("if-none-match", tag));
    let none = shop.send(get("")).await;
    assert_eq!((none.header("etag"), &none.json()["data"]), ("\"0\"", &serde_json::json!({})), "{none:?}");
    let put = |body: &str, tag: &'static str| {
        by("ana", with_json(Method::PUT, PROFILE, body)).insert_header(("if-match", tag))
    };
    assert_eq!(shop.send(put(r#"{"data":{"name":"Ana"}}"#, "\"0\"")).await.json()["version"], 1);
    shop.send(put(r#"{"data":{}}"#, "\"0\"")).await.problem(412, "version_mismatch");
    let read = shop.send(get("\"0\"")).await;
    assert_eq!((read.json()["data"]["name"].as_str(), read.header("x-cache")), (Some("Ana"), "database"));
    assert_eq!(shop.send(get("\"1\"")).await.status, 304);
}

#[actix_web::test]
async fn what_is_kept_of_somebody_is_handed_out_and_erased() {
    let shop = shop();
    let add = with_json(Method::POST, "/cart/add", r#"{"product_id":"sku-1","quantity":2}"#);
    assert_eq!(shop.send(by("ana", add)).await.status, 200);
    let buy = with_json(Method::POST, "/api/v1/orders", r#"{"product_id":"sku-2","quantity":1}"#);
    let order = shop.send(by("ana", buy)).await.json()["id"].as_str().unwrap().to_owned();
    let hold = with_json(Method::POST, "/api/v1/holds", r#"{"product_id":"sku-2","quantity":1}"#);
    assert_eq!(shop.send(by("ana", hold)).await.status, 201);
    shop.send(by("ana", with_json(Method::PUT, PROFILE, r#"{"data":{"name":"Ana"}}"#))).await;
    let session = shop.send(by("ana", with_json(Method::POST, SESSIONS, "{}"))).await.json();

    let export = shop.send(by("ana", request(Method::GET, "/api/v1/users/ana/export"))).await;
    assert_eq!((export.status.as_u16(), export.header("cache-control")), (200, "no-store"), "{export:?}");
    assert!(!export.body.contains(session["session_id"].as_str().unwrap()));
    let kept = export.json();
    assert_eq!(
        (&kept["cart"]["total_quantity"], &kept["profile"]["data"]["name"], &kept["orders"][0]["id"]),
        (&2.into(), &"Ana".into(), &order.as_str().into())
    );
    assert_eq!(
        (&kept["holds"][0]["status"], kept["sessions"].as_array().unwrap().len()),
        (&"active".into(), 1)
    );
    assert_eq!(kept["orders"][0]["history"][0]["to"], "pending");

    let erase = || by("ana", request(Method::DELETE, "/api/v1/users/ana"));
    assert_eq!(
        shop.send(erase()).await.body,
        r#"{"cart":true,"profile":true,"sessions":1,"holds":1,"orders":1}"#
    );
    assert_eq!(
        shop.send(erase()).await.body,
        r#"{"cart":false,"profile":false,"sessions":0,"holds":0,"orders":0}"#
    );
    let orders = shop.send(by("ana", request(Method::GET, "/api/v1/users/ana/orders"))).await;
    assert_eq!(orders.json()["total"], 0);
    let staff =
        request(Method::GET, &format!("/api/v1/orders/{order}")).insert_header(("x-user-scopes", "admin"));
    let nameless = shop.send(staff).await.json();
    assert!(nameless["user_id"].as_str().unwrap().starts_with("erased-"), "{nameless}");
}
