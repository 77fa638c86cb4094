//! One request that is counted for its user and its address, in process: of keys that are known, of one that refuses, and of
//! new ones when there is no room left.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up panics")]

use std::{hint::black_box, net::Ipv4Addr, time::Duration};

use cartwright_limits::{Ask, Fields, LimitKey, MemoryRateLimiter, Quota, RateLimiter};
use criterion::{Criterion, criterion_group, criterion_main};

const ROOM: usize = 100_000;

fn asks(number: u32, amount: u32) -> [Ask; 2] {
    let quota = Quota::new(amount.try_into().unwrap(), Duration::from_secs(3600)).unwrap();
    let address = Ipv4Addr::from_bits(0x0a00_0000 + number).into();
    [
        Ask { key: LimitKey::user("writes", &format!("user-{number}")), quota },
        Ask { key: LimitKey::address("writes", address), quota },
    ]
}

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = criterion.benchmark_group("in process, two keys");

    let limiter = MemoryRateLimiter::new(ROOM);
    let known: Vec<[Ask; 2]> = (0..1000).map(|number| asks(number, 1_000_000)).collect();
    let mut turn = known.iter().cycle();
    group.bench_function("known", |bench| {
        bench.iter(|| runtime.block_on(limiter.check(black_box(turn.next().unwrap()))));
    });

    let refused = asks(1_000_000, 1);
    limiter.decide(&refused);
    group.bench_function("refused", |bench| {
        bench.iter(|| runtime.block_on(limiter.check(black_box(&refused))));
    });

    let decisions = limiter.decide(&refused);
    group.bench_function("its header fields", |bench| {
        bench.iter(|| Fields::of(black_box(refused.iter().zip(&decisions))));
    });

    let full = MemoryRateLimiter::new(ROOM);
    let mut number = 0;
    let mut next = || {
        number += 1;
        asks(number % 10_000_000, 100)
    };
    for _ in 0..ROOM {
        full.decide(&next());
    }
    group.bench_function("new, and no room left", |bench| {
        bench.iter_batched(
            &mut next,
            |asks| runtime.block_on(full.check(&asks)),
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
