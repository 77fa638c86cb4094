use std::{sync::Arc, time::Duration};

use cartwright_storage::{ReplacedSession, Rotation};
use chrono::TimeDelta;
use tokio::task::JoinSet;

use super::{SessionKit, carrying};

/// Who changes what he has read, and is told that it was as he read it, has changed it.
pub async fn no_change_is_lost_among_reads(kit: SessionKit) {
    let (hash, _) = kit.make(Some("ana"), r#"{"n":0}"#).await;
    let kit = Arc::new(kit);
    let mut tasks = JoinSet::new();
    for task in 0..6 {
        let (kit, hash) = (Arc::clone(&kit), hash.clone());
        tasks.spawn(async move {
            let mut done = 0;
            while done < 10 {
                // Each read is due to be written down.
                kit.advance(TimeDelta::minutes(4));
                let read = kit.read(&hash).await.unwrap();
                if task % 2 == 0 {
                    done += 1;
                    continue;
                }
                let n = read.data.to_value()["n"].as_u64().unwrap();
                assert_eq!(read.version, n + 1, "what it carries is that of its version");
                let next = format!("{{\"n\":{}}}", n + 1);
                match kit.replace(&hash, &next, &[read.version]).await {
                    ReplacedSession::Done(session) => {
                        assert_eq!(session.version, read.version + 1);
                        done += 1;
                    }
                    ReplacedSession::Conflict(session) => assert!(session.version > read.version),
                    ReplacedSession::Gone => panic!("it is used all the time"),
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let last = kit.read(&hash).await.unwrap();
    assert_eq!((last.version, last.data.as_str()), (31, r#"{"n":30}"#));
}

/// Of many, one succeeds; who reads meanwhile sees the session under one of its ids.
pub async fn who_logs_in_twice_is_in_once(kit: SessionKit) {
    let kit = Arc::new(kit);
    for _ in 0..10 {
        let (hash, _) = kit.make(None, "{}").await;
        let mut tasks = JoinSet::new();
        for n in 0..6 {
            let (kit, hash) = (Arc::clone(&kit), hash.clone());
            tasks.spawn(async move {
                if n == 0 {
                    kit.read(&hash).await;
                    return None;
                }
                let rotated = kit.rotate(&hash, &format!("u{n}")).await;
                assert_eq!(kit.read(&hash).await, None, "whoever was answered sees nothing under the old id");
                rotated
            });
        }
        let rotated: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        let [(to, session)] = &rotated[..] else { panic!("{rotated:?}") };
        assert_eq!(kit.read(to).await.as_ref(), Some(session));
    }
}

/// What was said to be carried is carried on.
pub async fn what_is_written_meanwhile_goes_along_or_is_refused(kit: SessionKit) {
    let kit = Arc::new(kit);
    for _ in 0..20 {
        let (hash, _) = kit.make(None, r#"{"n":1}"#).await;
        let replacing = tokio::spawn({
            let (kit, hash) = (Arc::clone(&kit), hash.clone());
            async move { kit.replace(&hash, r#"{"n":2}"#, &[]).await }
        });
        let (to, rotated) = kit.rotate(&hash, "ana").await.unwrap();
        let wanted = match replacing.await.unwrap() {
            ReplacedSession::Done(_) => (2, r#"{"n":2}"#),
            ReplacedSession::Gone => (1, r#"{"n":1}"#),
            other @ ReplacedSession::Conflict(_) => panic!("{other:?}"),
        };
        assert_eq!((rotated.version, rotated.data.as_str()), wanted);
        assert_eq!(kit.read(&to).await, Some(rotated));
    }
}

/// Who ends it and who logs in with it do not both succeed.
pub async fn a_session_is_ended_or_goes_on(kit: SessionKit) {
    let kit = Arc::new(kit);
    for _ in 0..20 {
        let (hash, _) = kit.make(Some("ana"), "{}").await;
        let deleting = tokio::spawn({
            let (kit, hash) = (Arc::clone(&kit), hash.clone());
            async move { kit.delete(&hash).await }
        });
        let rotated = kit.rotate(&hash, "ana").await;
        assert_ne!(deleting.await.unwrap(), rotated.is_some());
        assert_eq!(kit.read(&hash).await, None);
        assert_eq!(kit.list("ana").await.len(), usize::from(rotated.is_some()));
        kit.revoke_all("ana", None).await;
    }
}

/// Whatever id it gets meanwhile. Who comes after it, or at the same time, may stay.
pub async fn none_escapes_who_ends_them_all(mut kit: SessionKit) {
    kit.policy.per_owner = 50;
    let kit = Arc::new(kit);
    for _ in 0..20 {
        let (mut hash, _) = kit.make(Some("ana"), "{}").await;
        let moving = tokio::spawn({
            let kit = Arc::clone(&kit);
            async move {
                for _ in 0..3 {
                    match kit.rotate(&hash, "ana").await {
                        Some((to, _)) => hash = to,
                        None => break,
                    }
                }
                hash
            }
        });
        let making = tokio::spawn({
            let kit = Arc::clone(&kit);
            async move { kit.make(Some("ana"), "{}").await.0 }
        });
        tokio::time::sleep(Duration::from_micros(300)).await;
        kit.revoke_all("ana", None).await;
        let (moved, made) = (moving.await.unwrap(), making.await.unwrap());
        assert_eq!(kit.read(&moved).await, None);
        let left = kit.read(&made).await;
        assert_eq!(kit.list("ana").await, left.into_iter().collect::<Vec<_>>());
        kit.revoke_all("ana", None).await;
        assert_eq!(kit.read(&made).await, None);
    }
}

/// Either it was done or it was not, and the store is as good as before.
pub async fn who_goes_away_leaves_nothing_half_done(kit: SessionKit) {
    let kit = Arc::new(kit);
    for n in 0..30 {
        let (hash, _) = kit.make(Some("ana"), r#"{"n":1}"#).await;
        let to = kit.id();
        let task = tokio::spawn({
            let (kit, hash, to) = (Arc::clone(&kit), hash.clone(), to.clone());
            async move {
                kit.replace(&hash, r#"{"n":2}"#, &[1]).await;
                let rotation = Rotation { from: hash, to, owner: kit.owner("bob") };
                kit.store.rotate_session(&rotation, &kit.policy, kit.now()).await.unwrap();
            }
        });
        tokio::time::sleep(Duration::from_micros(100 * n)).await;
        task.abort();
        let _cancelled_or_done = task.await;
        // What was sent may still be under way: a change waits for it.
        let changed = kit.replace(&hash, r#"{"n":3}"#, &[]).await;
        match (changed, kit.read(&hash).await, kit.read(&to).await) {
            (ReplacedSession::Done(changed), Some(read), None) => {
                assert_eq!(read.data, carrying(r#"{"n":3}"#));
                assert!(changed.version == 2 || changed.version == 3);
                assert_eq!(kit.list("ana").await, [read]);
            }
            (ReplacedSession::Gone, None, Some(read)) => {
                assert_eq!((read.version, read.data), (2, carrying(r#"{"n":2}"#)));
                assert!(kit.list("ana").await.is_empty());
            }
            // It went on behind the change.
            (ReplacedSession::Done(_), None, Some(read)) => assert_eq!(read.data, carrying(r#"{"n":3}"#)),
            other => panic!("{other:?}"),
        }
        kit.revoke_all("ana", None).await;
        kit.revoke_all("bob", None).await;
    }
}
