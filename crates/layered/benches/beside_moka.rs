//! A hit in memory beside a hit of moka's, which is what it would be without invalidation, staleness and figures; and a
//! herd on a cold key.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up panics")]

use std::{borrow::Cow, hint::black_box, time::Duration};

use bytes::Bytes;
use cartwright_layered::{CacheKey, Cause, Layered, LoadFrom, Node, Policy};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::future::join_all;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Number(u64);

impl CacheKey for Number {
    type Value = Bytes;
    const KIND: &'static str = "number";
    const POLICY: Policy = Policy::ttl(Duration::from_secs(3600));

    fn text(&self) -> Cow<'_, str> {
        Cow::Owned(self.0.to_string())
    }
}

const KEYS: u64 = 1000;

fn value() -> Bytes {
    Bytes::from(vec![b'x'; 600])
}

fn layered() -> Layered<Number> {
    Node::alone().cache().memory(10_000).hot_keys(50).over(|keys: Vec<Number>, _: LoadFrom| async move {
        tokio::task::yield_now().await;
        Ok::<_, Cause>(vec![Some(value()); keys.len()])
    })
}

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();

    let mut group = criterion.benchmark_group("a hit in memory");
    let cache = layered();
    let keys: Vec<Number> = (0..KEYS).map(Number).collect();
    runtime.block_on(cache.get_many(&keys));
    let mut at = 0;
    let mut next = || {
        at = (at + 7) % KEYS;
        Number(at)
    };
    group.bench_function("layered", |bench| bench.iter(|| black_box(cache.peek(&next()))));
    let moka =
        moka::sync::Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(3600)).build();
    (0..KEYS).for_each(|key| moka.insert(Number(key), value()));
    group.bench_function("moka", |bench| bench.iter(|| black_box(moka.get(&next()))));
    group.finish();

    let mut group = criterion.benchmark_group("a hundred callers of one cold key");
    let mut cold = KEYS;
    group.bench_function("layered", |bench| {
        bench.iter(|| {
            cold += 1;
            let key = Number(cold);
            runtime.block_on(join_all((0..100).map(|_| cache.get(&key))))
        });
    });
    let moka = moka::future::Cache::builder().max_capacity(10_000).build();
    group.bench_function("moka", |bench| {
        bench.iter(|| {
            cold += 1;
            let load = || async {
                tokio::task::yield_now().await;
                value()
            };
            runtime.block_on(join_all((0..100).map(|_| moka.get_with(Number(cold), load()))))
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
