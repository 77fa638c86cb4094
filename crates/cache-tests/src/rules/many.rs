use std::{collections::HashMap, time::Duration};

use cartwright_cache::CacheRead;
use cartwright_domain::OwnerId;

use crate::{
    Kit, document,
    kit::{owner, value},
    owners,
};

/// Names that a careless key would confuse.
fn confusable() -> Vec<OwnerId> {
    let mut names: Vec<String> =
        ["a", "A", "a:", ":a", "a:a", "a.", "a@b", "a-", "a_", "0", "00", "cart:a", "a:1", "T1"]
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
    names.push("x".repeat(100));
    names.push("x".repeat(99));
    names.iter().map(|name| owner(name)).collect()
}

/// Every owner has a key of its own.
pub async fn carts_do_not_mix(kit: Kit) {
    let carts = confusable();
    for (n, cart) in carts.iter().enumerate() {
        kit.put(cart, &document(n as u64 + 1)).await;
    }
    for (n, cart) in carts.iter().enumerate() {
        kit.hit(cart, &document(n as u64 + 1)).await;
    }
    let _lease = kit.fence(&carts[..1]).await;
    kit.hidden(&carts[0]).await;
    for (n, cart) in carts.iter().enumerate().skip(1) {
        kit.hit(cart, &document(n as u64 + 1)).await;
    }
}

/// One answer for each owner, at its place, whatever the answers are.
pub async fn answers_come_in_order(kit: Kit) {
    let carts = owners("mixed", 90);
    let (mut fenced, mut cached) = (Vec::new(), HashMap::new());
    for (n, cart) in carts.iter().enumerate() {
        match n % 3 {
            0 => {
                cached.insert(cart.clone(), document(n as u64 + 1));
                kit.put(cart, &document(n as u64 + 1)).await;
            }
            1 => fenced.push(cart.clone()),
            _ => {}
        }
    }
    let fence = kit.fence(&fenced).await;
    let reads = kit.cache().read(&carts).await;
    assert_eq!(reads.len(), carts.len());
    for (cart, read) in carts.iter().zip(reads) {
        match read.clone() {
            CacheRead::Hit(found, _) => assert_eq!(Some(&found), cached.get(cart), "{cart}"),
            CacheRead::Missing | CacheRead::Bypass => panic!("{read:?}"),
            CacheRead::Absent(lease) => {
                assert!(!cached.contains_key(cart), "{cart}");
                assert_eq!(fenced.contains(cart), lease == fence, "{cart}");
                kit.store(cart, &lease, &document(1000)).await;
                kit.hit(cart, &document(1000)).await;
            }
        }
    }
}

/// An owner that is named twice is answered twice, with the same lease.
pub async fn the_same_cart_twice_in_a_read(kit: Kit) {
    let (ana, bob) = (owner("ana"), owner("bob"));
    kit.put(&bob, &document(4)).await;
    let asked = [ana.clone(), bob.clone(), ana.clone(), bob.clone(), ana.clone()];
    let reads = kit.cache().read(&asked).await;
    assert_eq!(reads.len(), asked.len());
    let mut leases = Vec::new();
    for (cart, read) in asked.iter().zip(reads) {
        match read.clone() {
            CacheRead::Hit(found, _) => {
                assert_eq!((cart, found), (&bob, document(4)));
            }
            CacheRead::Absent(lease) => {
                assert_eq!(*cart, ana);
                leases.push(lease);
            }
            CacheRead::Missing | CacheRead::Bypass => panic!("{read:?}"),
        }
    }
    assert!(leases.len() == 3 && leases.iter().all(|lease| *lease == leases[0]), "{leases:?}");
    kit.store(&ana, &leases[0], &document(2)).await;
    kit.hit(&ana, &document(2)).await;
}

/// Empty lists are legal everywhere.
pub async fn nothing_asked_nothing_answered(kit: Kit) {
    assert_eq!(kit.cache().read(&[]).await, Vec::new());
    kit.cache().store(Vec::new()).await;
    kit.put(&owner("ana"), &document(1)).await;
}

/// A batch of writes fences all of its carts at once.
pub async fn a_fence_of_many_carts_hides_them_all(kit: Kit) {
    let carts = owners("crowd", 200);
    for cart in carts.iter().step_by(2) {
        kit.put(cart, &document(1)).await;
    }
    let lease = kit.fence(&carts).await;
    for (cart, read) in carts.iter().zip(kit.cache().read(&carts).await) {
        assert_eq!(read, CacheRead::Absent(lease.clone()), "{cart}");
        assert_eq!(kit.cache().peek(cart), None, "{cart}");
    }
    kit.cache().store(carts.iter().map(|cart| value(cart, &lease, &document(2))).collect()).await;
    for cart in &carts {
        kit.hit(cart, &document(2)).await;
    }
}

/// A fence of no cart hides none.
pub async fn a_fence_of_nobody_is_nothing(kit: Kit) {
    let ana = owner("ana");
    kit.put(&ana, &document(1)).await;
    let _lease = kit.fence(&[]).await;
    kit.hit(&ana, &document(1)).await;
}

/// The quick look shows what the long one shows, or nothing.
pub async fn peek_never_contradicts_read(kit: Kit) {
    let ana = owner("ana");
    assert_eq!(kit.cache().peek(&ana), None);
    kit.put(&ana, &document(1)).await;
    assert!(kit.cache().peek(&ana).is_none_or(|found| found == document(1)));
    let lease = kit.fence(std::slice::from_ref(&ana)).await;
    assert_eq!(kit.cache().peek(&ana), None);
    kit.store(&ana, &lease, &document(2)).await;
    assert!(kit.cache().peek(&ana).is_none_or(|found| found == document(2)));
    kit.hit(&ana, &document(2)).await;
    assert!(kit.cache().peek(&ana).is_none_or(|found| found == document(2)));
}

/// Writers who fence, commit and store, while readers read: no reader sees a version below the one that was committed
/// when the reader began, and late stores of old leases change nothing.
pub async fn random_histories_never_show_a_fenced_document(kit: Kit) {
    let carts = owners("history", 4);
    // What the database would hold. Taken in a fence, released after the commit, as the store does.
    let truth: std::sync::Arc<Vec<tokio::sync::RwLock<u64>>> =
        std::sync::Arc::new(carts.iter().map(|_| tokio::sync::RwLock::new(0)).collect());
    let mut tasks = Vec::new();
    for task in 0..6_usize {
        let (kit, carts, truth) = (kit.clone(), carts.clone(), truth.clone());
        tasks.push(tokio::spawn(async move {
            for turn in 0..150_usize {
                let at = (task + turn * (task + 1)) % carts.len();
                let (cart, row) = (&carts[at], &truth[at]);
                if (turn + task) % 3 == 0 {
                    let mut version = row.write().await;
                    let lease = kit.fence(std::slice::from_ref(cart)).await;
                    *version += 1;
                    let committed = document(*version);
                    drop(version);
                    if turn % 2 == 0 {
                        tokio::time::sleep(Duration::from_micros(300)).await;
                    }
                    kit.store(cart, &lease, &committed).await;
                    continue;
                }
                let acknowledged = *row.read().await;
                match kit.read(cart).await {
                    CacheRead::Hit(found, _) => {
                        assert!(found.version >= acknowledged, "{cart}: {found:?} after {acknowledged}");
                    }
                    CacheRead::Absent(lease) => {
                        // Without waiting, as a fill does.
                        let Some(loaded) = row.try_read().ok().map(|version| document(*version)) else {
                            continue;
                        };
                        tokio::time::sleep(Duration::from_micros(200)).await;
                        kit.store(cart, &lease, &loaded).await;
                    }
                    CacheRead::Missing => panic!("{cart} was read, not looked for"),
                    CacheRead::Bypass => {}
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// What is said without asking anyone is no nonsense.
pub async fn the_status_makes_sense(kit: Kit) {
    kit.put(&owner("ana"), &document(1)).await;
    let status = kit.cache().status();
    assert!(status.reachable, "{status:?}");
    assert!(status.in_use, "{status:?}");
    assert!(!status.kind.is_empty());
    for (n, node) in status.nodes.iter().enumerate() {
        assert!(!node.endpoint.is_empty());
        assert!(!node.endpoint.contains("password"), "{node:?}");
        assert!(status.nodes[..n].iter().all(|other| other.endpoint != node.endpoint), "{status:?}");
    }
}
