//! Server-sent events.

use std::{pin::pin, time::Duration};

use actix_web::{
    body::MessageBody,
    dev::Service,
    http::{Method, header::CONTENT_TYPE},
    test,
};
use tokio::time::timeout;

use crate::kit::{Shop, request};

const PATIENCE: Duration = Duration::from_secs(10);

#[actix_web::test]
async fn versions_arrive_as_they_are_written() {
    let shop = Shop::open();
    shop.add("ana", "sku-1", 1).await;
    let app = test::init_service(cartwright_http::create_app(shop.state.clone())).await;
    let events = request(Method::GET, "/api/v1/carts/ana/events").insert_header(("accept-encoding", "gzip"));
    let response = app.call(events.to_request()).await.unwrap();
    assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "text/event-stream");
    assert!(!response.headers().contains_key("content-encoding"));
    let mut body = pin!(response.into_body());
    let mut next = async || {
        let chunk = timeout(PATIENCE, std::future::poll_fn(|context| body.as_mut().poll_next(context)));
        chunk
            .await
            .expect("an event in time")
            .map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
    };

    let cart = shop.get("/api/v1/carts/ana").await.body;
    assert_eq!(next().await.unwrap(), format!("event: cart\nid: 1\ndata: {cart}\n\n"));
    shop.add("bob", "sku-1", 1).await;
    let changed = shop.add("ana", "sku-1", 1).await.body;
    assert_eq!(next().await.unwrap(), format!("event: cart\nid: 2\ndata: {changed}\n\n"));

    shop.state.draining.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(next().await, None);
}
