//! A layered cache in a program of its own: two nodes, what they share, and a slow truth.
//!
//! ```text
//! cargo run -p cartwright-layered --example alone
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use cartwright_layered::{CacheKey, LoadFrom, MemoryBus, MemoryShared, Node, Policy, Target};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Weather(&'static str);

impl CacheKey for Weather {
    type Value = Bytes;
    const KIND: &'static str = "weather";
    const POLICY: Policy = Policy::ttl(Duration::from_secs(60)).stale_on_error(Duration::from_secs(3600));

    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // With `RedisShared` and `RedisBus` of cartwright-cache-redis, the nodes may be on different machines.
    let (shared, bus) = (Arc::new(MemoryShared::new()), Arc::new(MemoryBus::new()));
    let node = || Node::builder().shared(shared.clone()).bus(bus.clone()).start();
    let (here, there) = (node(), node());

    let degrees = Arc::new(AtomicU64::new(20));
    let cache = |node: &Node| {
        let degrees = Arc::clone(&degrees);
        node.cache::<Weather>().memory(1000).hot_keys(10).over(
            move |cities: Vec<Weather>, _from: LoadFrom| {
                let degrees = Arc::clone(&degrees);
                async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let one = |city: &Weather| {
                        Some(Bytes::from(format!("{}: {} °C", city.0, degrees.load(SeqCst))))
                    };
                    Ok(cities.iter().map(one).collect())
                }
            },
        )
    };
    let (one, other) = (cache(&here), cache(&there));
    let ask = async |who: &str, cache: &cartwright_layered::Layered<Weather>| {
        let answer = cache.get(&Weather("Porto")).await?;
        let text = answer.value.unwrap_or_default();
        println!("{who:<5} {:<4} {}", answer.layer.name(), String::from_utf8_lossy(&text));
        Ok::<_, cartwright_layered::LoadError>(())
    };

    // The echo of the bus has to come back once before anything is believed for long.
    while !(here.hears() && there.hears()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    ask("here", &one).await?; // from the loader
    ask("here", &one).await?; // from memory
    ask("there", &other).await?; // from the shared layer
    ask("there", &other).await?; // from memory

    let change = here.changing(vec![Target::from(&Weather("Porto"))]).await?;
    degrees.store(21, SeqCst);
    change.done(None).await;
    ask("there", &other).await?;
    ask("here", &one).await?;
    println!("{:?} of all answers needed no load", one.figures().hit_ratio());
    Ok(())
}
