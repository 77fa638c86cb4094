//! What only Redis' own pub/sub can show: listeners that are no nodes, and a primary that changes.

use std::time::{Duration, Instant};

use cartwright_cache::{CartEvent, EventBus, Message, Publisher, Update};
use cartwright_cache_redis::{RedisEventBus, RedisOptions};
use cartwright_cache_tests::owner;
use cartwright_testkit::{RedisServer, eventually};
use futures_util::StreamExt;

use crate::kit::{DEADLINE, Servers};

fn event(name: &str, version: u64) -> CartEvent {
    CartEvent { owner: owner(name), version }
}

/// Whoever subscribes on the primary hears carts, by name or by pattern, from the first moment on.
#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_listen() {
    let server = tokio::task::spawn_blocking(|| RedisServer::start().unwrap()).await.unwrap();
    let bus = RedisEventBus::start(&RedisOptions::new(server.url(), Vec::new())).unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let many: Vec<CartEvent> = (0..2_500).map(|n| event(&format!("u{n}"), n)).collect();
    bus.publish(&many).await;

    let mut by_name = client.get_async_pubsub().await.unwrap();
    by_name.subscribe(&["cart_update:u7", "cart_update:u2400"]).await.unwrap();
    bus.publish(&many).await;
    let mut heard = by_name.on_message();
    for (name, version) in [("u7", 7), ("u2400", 2400)] {
        let message = tokio::time::timeout(DEADLINE, heard.next()).await.unwrap().unwrap();
        assert_eq!(message.get_channel_name(), format!("cart_update:{name}"));
        let payload: String = message.get_payload().unwrap();
        assert_eq!(payload, format!(r#"{{"user_id":"{name}","version":{version}}}"#));
    }

    let mut by_pattern = client.get_async_pubsub().await.unwrap();
    by_pattern.psubscribe("cart_*").await.unwrap();
    bus.publish(&many).await;
    let heard: Vec<String> = tokio::time::timeout(
        DEADLINE,
        by_pattern
            .on_message()
            .take(many.len())
            .map(|message| message.get_channel_name().to_owned())
            .collect(),
    )
    .await
    .unwrap();
    let told: Vec<String> = many.iter().map(|event| format!("cart_update:{}", event.owner)).collect();
    assert_eq!(heard, told);
}

/// Any bytes, on any channel, in order; and it is said when there is nobody to say it to.
#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_whoever_listens_to_their_channel() {
    let server = tokio::task::spawn_blocking(|| RedisServer::start().unwrap()).await.unwrap();
    let bus = RedisEventBus::start(&RedisOptions::new(server.url(), Vec::new())).unwrap();
    let message = |n: usize| Message {
        channel: format!("events:{}", if n.is_multiple_of(3) { "order.created" } else { "stock.low" }),
        payload: format!("{n} \u{2615}'\"\\ \0").into(),
    };
    let many: Vec<Message> = (0..2_500).map(message).collect();
    let mut listening = redis::Client::open(server.url()).unwrap().get_async_pubsub().await.unwrap();
    let channels = ["events:stock.low", "events:order.created"].map(str::to_owned);
    assert_eq!(bus.heard(&channels).await.unwrap(), [false, false]);
    listening.subscribe("events:order.created").await.unwrap();
    assert_eq!(bus.heard(&channels).await.unwrap(), [false, true]);
    bus.say(&many).await.unwrap();
    let mut heard = listening.on_message();
    for told in many.iter().step_by(3) {
        let message = tokio::time::timeout(DEADLINE, heard.next()).await.unwrap().unwrap();
        assert_eq!(
            (message.get_channel_name(), message.get_payload_bytes()),
            (&*told.channel, &told.payload[..])
        );
    }
    let mut by_pattern = redis::Client::open(server.url()).unwrap().get_async_pubsub().await.unwrap();
    by_pattern.psubscribe("events:*").await.unwrap();
    assert_eq!(bus.heard(&channels).await.unwrap(), [true, true]);
    server.kill();
    let deadline = Instant::now() + DEADLINE;
    while bus.say(&many[..1]).await.is_ok() {
        assert!(Instant::now() < deadline, "nobody is there");
    }
}

/// How many listen to ana's cart on this server.
async fn listeners(url: &str) -> u64 {
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut asked = redis::cmd("PUBSUB");
    let (_channel, count): (String, u64) =
        asked.arg("NUMSUB").arg("cart_update:ana").query_async(&mut connection).await.unwrap();
    count
}

/// Listeners and publishers follow the primary: nobody is told anything on a server that has become a replica.
#[tokio::test(flavor = "multi_thread")]
async fn listeners_follow_the_primary() {
    let servers = tokio::task::spawn_blocking(Servers::start).await.unwrap();
    let (here, there) = (
        RedisEventBus::start(&servers.options()).unwrap(),
        RedisEventBus::start(&servers.options()).unwrap(),
    );
    let mut listener = there.subscribe(&owner("ana"));
    let mut version = 0;
    for round in 0..2 {
        if round == 1 {
            servers.0.replicas[0].promote();
            servers.0.primary.replica_of("127.0.0.1", servers.0.replicas[0].port());
            // Nobody listens on the old one any more: what is heard from now on was published on the new one.
            eventually(DEADLINE, || async {
                listeners(&servers.0.primary.url()).await == 0
                    && listeners(&servers.0.replicas[0].url()).await == 1
            })
            .await;
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            version += 1;
            here.publish(&[event("ana", version)]).await;
            let heard = async { while listener.next().await != Update::Version(version) {} };
            if tokio::time::timeout(Duration::from_millis(200), heard).await.is_ok() {
                break;
            }
            assert!(Instant::now() < deadline, "round {round}: nothing is heard");
        }
    }
}
