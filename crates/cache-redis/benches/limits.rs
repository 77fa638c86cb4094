//! One request that is counted for its user and its address, on a Redis of its own: alone, sixty-four at a time, and one that is
//! known to be refused.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up panics")]

use std::{
    hint::black_box,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use cartwright_cache::{CartCache, Survey};
use cartwright_cache_redis::{RedisCartCache, RedisOptions, RedisRateLimiter};
use cartwright_domain::{Gate, GateState, OpenGate};
use cartwright_limits::{Ask, Decision, LimitKey, Quota, RateLimiter};
use cartwright_testkit::{RedisServer, eventually, eventually_some};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(10);

fn asks(number: u32, amount: u32) -> [Ask; 2] {
    let quota = Quota::new(amount.try_into().unwrap(), Duration::from_secs(3600)).unwrap();
    let address = Ipv4Addr::from_bits(0x0a00_0000 + number).into();
    [
        Ask { key: LimitKey::user("writes", &format!("user-{number}")), quota },
        Ask { key: LimitKey::address("writes", address), quota },
    ]
}

/// Caches that use this server, with an open gate.
async fn carts(server: &RedisServer) -> RedisCartCache {
    let carts = RedisCartCache::start(&RedisOptions::new(server.url(), Vec::new())).unwrap();
    let (primary, replicas) = eventually_some(PATIENCE, async || match carts.survey().await {
        Survey::Found { primary, replicas } => Some((primary, replicas)),
        _ => None,
    })
    .await;
    let open = OpenGate { namespace: "bench".to_owned(), primary, replicas, previous: None };
    carts.observe(&Gate { epoch: 1, state: GateState::Open(open) }, Instant::now());
    carts
}

fn benches(criterion: &mut Criterion) {
    let server = RedisServer::start().unwrap();
    let runtime = Runtime::new().unwrap();
    let (carts, limiter) = runtime.block_on(async {
        let carts = carts(&server).await;
        let limiter = RedisRateLimiter::beside(&carts, 1000).with_patience(PATIENCE);
        let once = asks(2_000_000, 1);
        // Counted on the server, or the second would be admitted by this node.
        eventually(PATIENCE, async || !Decision::admits(&limiter.check(&once).await)).await;
        (carts, limiter)
    });
    let mut group = criterion.benchmark_group("on Redis, two keys");

    let known: Vec<[Ask; 2]> = (0..1000).map(|number| asks(number, 1_000_000)).collect();
    let mut turn = known.iter().cycle();
    group.bench_function("one at a time", |bench| {
        bench.iter(|| runtime.block_on(limiter.check(black_box(turn.next().unwrap()))));
    });

    group.throughput(Throughput::Elements(64));
    group.bench_function("64 at a time", |bench| {
        bench.iter(|| runtime.block_on(join_all(turn.by_ref().take(64).map(|asks| limiter.check(asks)))));
    });
    group.throughput(Throughput::Elements(1));

    let refused = asks(1_000_000, 1);
    runtime.block_on(async { (limiter.check(&refused).await, limiter.check(&refused).await) });
    group.bench_function("known to be refused", |bench| {
        bench.iter(|| runtime.block_on(limiter.check(black_box(&refused))));
    });
    group.finish();
    drop(carts);
}

criterion_group!(all, benches);
criterion_main!(all);
