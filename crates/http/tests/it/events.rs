//! Events, as a list and as they come.

use std::{pin::pin, time::Duration};

use actix_web::{
    body::{BoxBody, MessageBody},
    dev::Service,
    http::Method,
    test,
};
use cartwright_domain::{Cart, Clock, OwnerId, ProductId, SystemClock};
use cartwright_storage::NewEvents;
use chrono::TimeDelta;
use tokio::time::timeout;

use crate::kit::{Shop, request};

const PATIENCE: Duration = Duration::from_secs(30);

fn low(stocks: std::ops::Range<u32>) -> NewEvents {
    let mut events = NewEvents::new();
    for stock in stocks {
        events.stock_low(&ProductId::new("sku-1").unwrap(), stock, 99);
    }
    events
}

fn of(owner: &str) -> NewEvents {
    let mut events = NewEvents::new();
    events.cart_updated(&Cart::empty(OwnerId::new(owner).unwrap()));
    events
}

/// Tells of something, and waits until it can be seen. Returns the number of the last event.
async fn tell(shop: &Shop, events: &NewEvents) -> u64 {
    let before = shop.store.event_figures(SystemClock.now()).await.unwrap().last;
    shop.store.emit(events, SystemClock.now()).await.unwrap();
    seen(shop, before + u64::from(events.count())).await
}

async fn seen(shop: &Shop, number: u64) -> u64 {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let last = shop.store.event_figures(SystemClock.now()).await.unwrap().last;
        if last >= number {
            return last;
        }
        assert!(tokio::time::Instant::now() < deadline, "{last} of {number}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn ids(page: &serde_json::Value) -> Vec<u64> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|event| event["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[actix_web::test]
async fn events_are_listed_from_any_number_on() {
    let shop = Shop::open();
    let empty = shop.get("/api/v1/events").await;
    assert_eq!(empty.body, r#"{"items":[],"next_cursor":null,"last":"0"}"#);
    assert_eq!((empty.header("vary"), empty.header("cache-control")), ("Accept", "no-store"));
    tell(&shop, &low(0..3)).await;
    tell(&shop, &of("ana")).await;
    tell(&shop, &low(3..5)).await;
    let all = shop.get("/api/v1/events").await.json();
    assert_eq!((ids(&all), all["next_cursor"].as_str()), (vec![1, 2, 3, 4, 5, 6], None));
    assert_eq!(all["items"][3]["type"], "cart.updated");
    assert_eq!(
        (all["items"][3]["owner"].as_str(), all["items"][3]["data"]["version"].as_u64()),
        (Some("ana"), Some(0))
    );
    assert_eq!(
        (all["items"][0]["data"]["stock"].as_u64(), all["items"][0]["specversion"].as_str()),
        (Some(0), Some("1.0"))
    );

    let (mut uri, mut found) = ("/api/v1/events?limit=4".to_owned(), Vec::new());
    loop {
        let page = shop.get(&uri).await.json();
        found.extend(ids(&page));
        let Some(after) = page["next_cursor"].as_str() else { break };
        uri = format!("/api/v1/events?limit=4&after={after}");
    }
    assert_eq!(found, [1, 2, 3, 4, 5, 6]);
    for (uri, expected) in [
        ("/api/v1/events?after=4", vec![5, 6]),
        ("/api/v1/events?after=6", vec![]),
        ("/api/v1/events?types=cart.updated", vec![4]),
        ("/api/v1/events?types=cart.updated,stock.low&after=3&limit=1", vec![4]),
        ("/api/v1/events?types=order.created", vec![]),
        ("/api/v1/users/ana/events", vec![4]),
        ("/api/v1/users/bob/events", vec![]),
    ] {
        let page = shop.get(uri).await.json();
        assert_eq!((ids(&page), page["last"].as_str()), (expected, Some("6")), "{uri}");
    }
    shop.get("/api/v1/events?after=7").await.points_to("/query/after", "too_far");
    shop.get("/api/v1/events?after=-1").await.points_to("/query/after", "not_an_integer");
    shop.get("/api/v1/events?after=99999999999999999999").await.points_to("/query/after", "not_an_integer");
    shop.get("/api/v1/events?types=cart.updated,cart").await.points_to("/query/types", "unknown");
    shop.get("/api/v1/events?limit=0").await.points_to("/query/limit", "out_of_range");
    shop.get("/api/v1/users/a%20b/events").await.points_to("/path/user_id", "invalid_id");

    let removed = SystemClock.now() + TimeDelta::hours(1);
    assert_eq!(shop.store.clean_events(removed, 2).await.unwrap(), 2);
    let gone = shop.get("/api/v1/events?after=3").await.problem(410, "events_removed");
    assert!(gone["detail"].as_str().unwrap().contains("up to 4"), "{gone}");
    assert_eq!(ids(&shop.get("/api/v1/events?after=4").await.json()), [5, 6]);
    assert_eq!(ids(&shop.get("/api/v1/events").await.json()), [5, 6], "from the oldest that there is");
}

/// A stream of events, chunk by chunk.
struct Open(std::pin::Pin<Box<BoxBody>>);

impl Open {
    async fn at(shop: &Shop, uri: &str, last: Option<&str>) -> Self {
        let app = test::init_service(cartwright_http::create_app(shop.state.clone())).await;
        let mut asked = request(Method::GET, uri).insert_header(("accept", "text/event-stream"));
        if let Some(last) = last {
            asked = asked.insert_header(("last-event-id", last));
        }
        let response = app.call(asked.to_request()).await.unwrap();
        assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream");
        let mut open = Self(Box::pin(response.into_body()));
        assert_eq!(open.next().await.unwrap(), "retry: 1000\n: hello\n\n");
        open
    }

    async fn next(&mut self) -> Option<String> {
        let body = self.0.as_mut();
        let mut body = pin!(body);
        let chunk = timeout(PATIENCE, std::future::poll_fn(|context| body.as_mut().poll_next(context)));
        chunk.await.unwrap().map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
    }

    /// The number and the type of the next event.
    async fn event(&mut self) -> (u64, String) {
        let chunk = self.next().await.unwrap();
        let line = |name: &str| {
            let line = chunk.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name:?} in {chunk:?}")).to_owned()
        };
        let document: serde_json::Value = serde_json::from_str(&line("data: ")).unwrap();
        let number = line("id: ");
        if line("event: ") != "reset" {
            assert_eq!(
                (document["id"].as_str(), document["type"].as_str()),
                (Some(&*number), Some(&*line("event: ")))
            );
        }
        (number.parse().unwrap(), line("event: "))
    }
}

fn low_event(number: u64) -> (u64, String) {
    (number, "stock.low".to_owned())
}

fn cart_event(number: u64) -> (u64, String) {
    (number, "cart.updated".to_owned())
}

#[actix_web::test]
async fn events_are_streamed_from_now_on_or_from_a_number() {
    let shop = Shop::open();
    tell(&shop, &low(0..2)).await;
    let mut from_now = Open::at(&shop, "/api/v1/events", None).await;
    let mut from_one = Open::at(&shop, "/api/v1/events?after=1", None).await;
    let mut again = Open::at(&shop, "/api/v1/events?after=0", Some("1")).await;
    let mut of_ana = Open::at(&shop, "/api/v1/users/ana/events", None).await;
    let mut carts = Open::at(&shop, "/api/v1/events?types=cart.updated&after=0", None).await;
    assert_eq!(from_one.event().await, low_event(2));
    assert_eq!(again.event().await, low_event(2));
    tell(&shop, &low(2..3)).await;
    tell(&shop, &of("bob")).await;
    tell(&shop, &of("ana")).await;
    for stream in [&mut from_now, &mut from_one, &mut again] {
        assert_eq!(stream.event().await, low_event(3));
        assert_eq!(stream.event().await, cart_event(4));
        assert_eq!(stream.event().await, cart_event(5));
    }
    assert_eq!(of_ana.event().await, cart_event(5));
    assert_eq!((carts.event().await, carts.event().await), (cart_event(4), cart_event(5)));

    shop.state.draining.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(from_now.next().await, None);
    assert_eq!(of_ana.next().await, None);
}

/// Whoever is slow reads on from the store, and misses nothing.
#[actix_web::test]
async fn a_slow_listener_misses_nothing() {
    let shop = Shop::open();
    let mut slow = Open::at(&shop, "/api/v1/events", None).await;
    let mut of_ana = Open::at(&shop, "/api/v1/users/ana/events", None).await;
    tell(&shop, &low(0..1)).await;
    assert_eq!(slow.event().await, low_event(1), "it is on the air");
    for _ in 0..20 {
        tell(&shop, &low(0..100)).await;
    }
    for _ in 0..50 {
        tell(&shop, &of("ana")).await;
    }
    for number in 2..=2_001 {
        assert_eq!(slow.event().await, low_event(number));
    }
    for number in 2_002..=2_051 {
        assert_eq!(of_ana.event().await, cart_event(number));
        assert_eq!(slow.event().await, cart_event(number));
    }
}

/// What cannot be gone on with is begun anew, and said so.
#[actix_web::test]
async fn a_stream_that_cannot_go_on_is_reset() {
    let shop = Shop::open();
    tell(&shop, &low(0..2)).await;
    tell(&shop, &low(2..4)).await;
    assert_eq!(shop.store.clean_events(SystemClock.now() + TimeDelta::hours(1), 1).await.unwrap(), 1);
    let mut stale = Open::at(&shop, "/api/v1/events", Some("1")).await;
    assert_eq!(stale.event().await, (4, "reset".to_owned()));
    let mut future = Open::at(&shop, "/api/v1/events", Some("99")).await;
    assert_eq!(future.event().await, (4, "reset".to_owned()));
    tell(&shop, &low(4..5)).await;
    assert_eq!((stale.event().await, future.event().await), (low_event(5), low_event(5)));
    let bad = request(Method::GET, "/api/v1/events").insert_header(("accept", "text/event-stream, */*"));
    let bad = shop.send(bad.insert_header(("last-event-id", "x"))).await;
    bad.points_to("/header/Last-Event-ID", "not_an_integer");
}
