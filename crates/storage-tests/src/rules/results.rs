use cartwright_domain::Clock;
use cartwright_storage::CachedResult;
use chrono::TimeDelta;

use crate::Kit;

/// Results are there until they expire, and are any bytes under any key.
pub async fn results_are_kept_until_they_expire(kit: Kit) {
    let now = kit.clock.now();
    let result = |bytes: &[u8], seconds| CachedResult {
        bytes: bytes.to_vec(),
        expires_at: now + TimeDelta::seconds(seconds),
    };
    let key = "search:{'; -- ☕ \" ?}";
    assert_eq!(kit.store.cached(&[key], now).await.unwrap(), [None]);
    kit.store.keep_cached(&[(key.into(), result(b"old", 5))]).await.unwrap();
    let every: Vec<u8> = (0..=255).collect();
    let several = [
        (key.into(), result(b"replaced by a later one", 30)),
        ("other".into(), result(&vec![7; 1 << 20], 30)),
        (key.into(), result(&every, 10)),
        (String::new(), result(&[], 20)),
    ];
    kit.store.keep_cached(&several).await.unwrap();
    kit.store.keep_cached(&[]).await.unwrap();
    assert_eq!(
        kit.store.cached(&["", "none", key, ""], now).await.unwrap(),
        [Some(result(&[], 20)), None, Some(result(&every, 10)), Some(result(&[], 20))]
    );
    assert_eq!(kit.store.cached(&[], now).await.unwrap(), []);
    kit.advance(TimeDelta::seconds(10));
    assert_eq!(kit.store.cached(&[key], kit.clock.now()).await.unwrap(), [None]);
    assert_eq!(kit.store.clean_cached(kit.clock.now(), 100).await.unwrap(), 1);
    assert_eq!(kit.store.cached(&[key], now).await.unwrap(), [None], "its row is gone");
    kit.advance(TimeDelta::seconds(20));
    assert_eq!(kit.store.clean_cached(kit.clock.now(), 1).await.unwrap(), 1);
    assert!(kit.store.cached(&[""], now).await.unwrap()[0].is_none(), "the oldest goes first");
    kit.store.remove_cached(&["other", "none", "other"]).await.unwrap();
    kit.store.remove_cached(&[]).await.unwrap();
    assert_eq!(kit.store.cached(&["other"], now).await.unwrap(), [None]);
}

/// A generation stays until it is bumped, and is never used again.
pub async fn generations_are_random_and_change(kit: Kit) {
    let tags = ["a", "b", "a", "☕'"];
    let first = kit.store.generations(&tags).await.unwrap();
    assert_eq!(first[0], first[2]);
    assert!(first[0] != first[1] && first[1] != first[3]);
    assert_eq!(kit.store.generations(&tags).await.unwrap(), first);
    kit.store.bump_generations(&["b", "new", "b"]).await.unwrap();
    kit.store.bump_generations(&[]).await.unwrap();
    let second = kit.store.generations(&["b", "a", "new"]).await.unwrap();
    assert_ne!(second[0], first[1]);
    assert_eq!(second[1], first[0]);
    assert!(kit.store.generations(&[]).await.unwrap().is_empty());
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = kit.store.clone();
            tokio::spawn(async move { store.generations(&["fresh", "a"]).await.unwrap() })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    for task in tasks {
        seen.insert(task.await.unwrap());
    }
    assert_eq!(seen.len(), 1, "all are given the same");
}
