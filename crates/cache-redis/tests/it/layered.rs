//! Layered caches on real servers: the conformance suite, and what a cut connection does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache_redis::{RedisBus, RedisOptions, RedisShared};
use cartwright_cache_tests::layered::{Nodes, Parts, Truth, shown, until};
use cartwright_testkit::{ChaosProxy, Mode};

use crate::kit::{InUse, Servers, servers};

fn parts(node: &InUse) -> Parts {
    Parts {
        shared: Arc::new(RedisShared::beside(node.redis())),
        bus: Arc::new(RedisBus::start_beside(node.redis())),
    }
}

async fn fresh() -> (Parts, Parts, (InUse, InUse)) {
    let options = servers().await.options();
    let one = InUse::start(&options).await;
    let other = one.join(&options).await;
    (parts(&one), parts(&other), (one, other))
}

cartwright_cache_tests::layered_conformance!(fresh);

/// Two nodes, the second of which reaches the primary through a proxy.
async fn with_proxy(servers: &Servers) -> (Nodes, ChaosProxy, (InUse, InUse)) {
    let proxy = ChaosProxy::start(([127, 0, 0, 1], servers.0.primary.port())).unwrap();
    let one = InUse::start(&servers.options()).await;
    let via = RedisOptions { primary_url: servers.0.primary.url_via(proxy.port()), ..servers.options() };
    let other = one.join(&via).await;
    (Nodes::start(parts(&one), parts(&other)).await, proxy, (one, other))
}

/// After a change was declared done, nobody serves what was before for longer than this.
const AT_ONCE: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_cut_off_serves_nothing_old_and_nothing_old_survives() {
    for mode in [Mode::Cut, Mode::BlackHole, Mode::Stall] {
        let (nodes, proxy, guards) = with_proxy(servers().await).await;
        let truth = Truth::with("a", 0);
        let (one, other) = nodes.plain(&truth);
        for number in 1..=90 {
            if number == 30 {
                proxy.set(mode);
            }
            if number == 60 {
                proxy.set(Mode::Pass);
            }
            truth.change(&nodes.one, "a", number).await;
            let done = Instant::now();
            until("the other node sees it", async || {
                let seen = shown(&other, "a").await.0 >= Some(number);
                assert!(seen || done.elapsed() < AT_ONCE, "{mode:?}: {number} after {:?}", done.elapsed());
                seen
            })
            .await;
            assert_eq!(shown(&one, "a").await.0, Some(number));
        }
        until("it hears again", async || nodes.other.hears()).await;
        for _ in 0..20 {
            assert_eq!(shown(&other, "a").await.0, Some(90));
        }
        drop(guards);
    }
}
