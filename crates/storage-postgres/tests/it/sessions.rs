//! Sessions, where only the server decides who comes first.

use std::{sync::Arc, time::Duration};

use cartwright_storage::SessionStore;
use cartwright_storage_tests::sessions::SessionKit;

use crate::kit::{direct, fresh_url, node};

/// Somebody logs in again at the moment in which he ends all of his sessions: the one that gets another id is still his.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_his_id_does_not_escape() {
    let url = fresh_url().await;
    let kit = Arc::new(SessionKit::new(Arc::new(node(&url).await) as Arc<dyn SessionStore>));
    let (from, _) = kit.make(Some("ana"), "{}").await;
    let to = kit.id();
    let mut server = direct(&url).await;
    let rotating = server.transaction().await.unwrap();
    let rotate = "UPDATE sessions SET hash = $2 WHERE hash = $1";
    assert_eq!(rotating.execute(rotate, &[&from.as_str(), &to.as_str()]).await.unwrap(), 1);
    let revoking = tokio::spawn({
        let kit = Arc::clone(&kit);
        async move { kit.revoke_all("ana", None).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!revoking.is_finished(), "it waits");
    rotating.commit().await.unwrap();
    assert_eq!(revoking.await.unwrap(), 1);
    assert_eq!(kit.read(&to).await, None);
}

/// A read that is due to be written down does not wait for ever, nor does it bring back what was ended meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ended_while_somebody_read_is_gone() {
    let url = fresh_url().await;
    let kit = Arc::new(SessionKit::new(Arc::new(node(&url).await) as Arc<dyn SessionStore>));
    let (hash, _) = kit.make(Some("ana"), "{}").await;
    kit.advance(chrono::TimeDelta::minutes(10));
    let mut server = direct(&url).await;
    let deleting = server.transaction().await.unwrap();
    deleting.execute("DELETE FROM sessions WHERE hash = $1", &[&hash.as_str()]).await.unwrap();
    let reading = tokio::spawn({
        let (kit, hash) = (Arc::clone(&kit), hash.clone());
        async move { kit.read(&hash).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    deleting.commit().await.unwrap();
    // It began before: either is true.
    let _before_or_after = reading.await.unwrap();
    assert_eq!(kit.read(&hash).await, None);
}
