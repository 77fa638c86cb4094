//! The cache on real Redis servers: the conformance suites, and what only several servers can show.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot be set up panics")]

mod documents;
mod events;
mod kit;
mod layered;
mod limits;
mod sessions;
mod topology;

use std::sync::Arc;

use cartwright_cache::{CartCache, EventBus};
use cartwright_cache_redis::{RedisEventBus, RedisOptions};
use cartwright_domain::Gate;
use cartwright_testkit::RedisServer;

use crate::kit::{InUse, servers};

async fn fresh() -> (Arc<dyn CartCache>, Gate, InUse) {
    let in_use = InUse::start(&servers().await.options()).await;
    (in_use.cache(), in_use.gate(), in_use)
}

cartwright_cache_tests::conformance!(fresh);

mod bus {
    use super::*;

    /// A server each: channels are named by the cart alone, and the tests use the same carts.
    async fn buses() -> (Arc<dyn EventBus>, Arc<dyn EventBus>, RedisServer) {
        let start = tokio::task::spawn_blocking(|| RedisServer::start().expect("a server"));
        let server = start.await.expect("a server starts");
        let options = RedisOptions::new(server.url(), Vec::new());
        let bus = || Arc::new(RedisEventBus::start(&options).expect("addresses"));
        (bus(), bus(), server)
    }

    cartwright_cache_tests::bus_conformance!(buses);
}
