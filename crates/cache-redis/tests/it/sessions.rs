//! Sessions on the primary: the conformance suite, and what becomes of them when servers die.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache_redis::{RedisOptions, RedisSessionStore};
use cartwright_domain::{SessionData, SessionId};
use cartwright_storage::{NewSession, SessionPolicy, SessionStore, StorageError};
use cartwright_storage_tests::sessions::SessionKit;
use cartwright_testkit::{RedisServer, eventually, eventually_some};
use chrono::TimeDelta;

use crate::kit::{DEADLINE, Servers, servers};

fn start(options: &RedisOptions) -> Arc<dyn SessionStore> {
    Arc::new(RedisSessionStore::start(options).unwrap())
}

async fn fresh() -> (Arc<dyn SessionStore>, ()) {
    (start(&servers().await.options()), ())
}

cartwright_storage_tests::session_conformance!(fresh);

async fn own_servers() -> Servers {
    tokio::task::spawn_blocking(Servers::start).await.unwrap()
}

async fn alone() -> (RedisServer, SessionKit) {
    let server = tokio::task::spawn_blocking(|| RedisServer::start().unwrap()).await.unwrap();
    let kit = SessionKit::new(start(&RedisOptions::new(server.url(), Vec::new())));
    (server, kit)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_can_be_read_and_leads_to_no_session() {
    let (server, kit) = alone().await;
    let id = SessionId::new([0x5a; 32]);
    let new = NewSession {
        hash: id.hash(),
        owner: Some(kit.owner("ana")),
        data: r#"{"theme":"dark"}"#.parse().unwrap(),
    };
    kit.store.create_session(&new, &kit.policy, kit.now()).await.unwrap();
    let mut keys: Vec<String> = server.query(&["KEYS", "*"]).await;
    keys.sort();
    let (key, set) = (format!("session:{}", id.hash().as_str()), format!("sessions-of:{}", kit.owner("ana")));
    assert_eq!(keys, [key.clone(), set.clone()]);
    let text: String = server.query(&["GET", &key]).await;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["owner"], &json["version"], &json["data"]["theme"]),
        (&kit.owner("ana").as_str().into(), &1.into(), &"dark".into())
    );
    assert_eq!(json["expires_at"].as_i64().unwrap(), (kit.now() + kit.policy.lifetime).timestamp_micros());
    let members: Vec<String> = server.query(&["ZRANGE", &set, "0", "-1", "WITHSCORES"]).await;
    assert_eq!(members, [id.hash().as_str(), &json["expires_at"].to_string()]);
    for key in [&key, &set] {
        let left: i64 = server.query(&["PTTL", key]).await;
        assert!((1_790_000..=1_801_000).contains(&left), "{key}: {left} ms");
    }
    for text in [text, members.join(" "), keys.join(" ")] {
        assert!(!text.contains(&id.expose()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_removes_what_has_expired_by_itself() {
    let (server, kit) = alone().await;
    let policy = SessionPolicy { lifetime: TimeDelta::milliseconds(200), ..kit.policy };
    for n in 0..4 {
        let owner = (n % 2 == 0).then(|| kit.owner("ana"));
        let new = NewSession { hash: kit.id(), owner, data: SessionData::default() };
        kit.store.create_session(&new, &policy, kit.now()).await.unwrap();
    }
    eventually(DEADLINE, async || server.query::<u64>(&["DBSIZE"]).await == 0).await;
}

/// Were it still there, nobody could end it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_in_no_list_has_ended() {
    let (server, kit) = alone().await;
    let (hash, _) = kit.make(Some("ana"), "{}").await;
    let () = server.query(&["DEL", &format!("sessions-of:{}", kit.owner("ana"))]).await;
    assert_eq!(kit.read(&hash).await, None);
    assert_eq!(server.query::<u64>(&["DBSIZE"]).await, 0);
    // And one that is only in the list is not listed, and not counted.
    let (hash, _) = kit.make(Some("ana"), "{}").await;
    let () = server.query(&["DEL", &format!("session:{}", hash.as_str())]).await;
    assert!(kit.list("ana").await.is_empty());
    assert_eq!(kit.revoke_all("ana", None).await, 0);
    assert_eq!(server.query::<u64>(&["DBSIZE"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_put_there_is_an_error_and_no_session() {
    let (server, kit) = alone().await;
    let hash = kit.id();
    let key = format!("session:{}", hash.as_str());
    for foreign in
        ["hello", "{}", r#"{"owner":null,"data":{}}"#, r#"{"owner":null,"expires_at":9e18,"data":{}}"#]
    {
        let () = server.query(&["SET", &key, foreign]).await;
        let read = kit.store.session(&hash, &kit.policy, kit.now()).await;
        assert!(matches!(read, Err(StorageError::Unexpected(..))), "{foreign}: {read:?}");
    }
    let () = server.query(&["DEL", &key]).await;
    let () = server.query(&["LPUSH", &key, "x"]).await;
    let read = kit.store.session(&hash, &kit.policy, kit.now()).await;
    assert!(matches!(read, Err(StorageError::Unexpected(..))), "{read:?}");
    let (other, made) = kit.make(None, "{}").await;
    assert_eq!(kit.read(&other).await, Some(made));
}

fn unavailable<T: std::fmt::Debug>(result: &Result<T, StorageError>) -> bool {
    matches!(result, Err(StorageError::Unavailable(_)))
}

/// Neither a session that is made up nor one that is said to be gone; and soon after it is back, all is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_redis_is_said_to_be_dead_at_once() {
    let (server, kit) = alone().await;
    let (hash, _) = kit.make(Some("ana"), "{}").await;
    let read = async || kit.store.session(&hash, &kit.policy, kit.now()).await;
    server.kill();
    for n in 0..20 {
        let began = Instant::now();
        let found = read().await;
        assert!(unavailable(&found), "{found:?}");
        let owner = Some(kit.owner("ana"));
        let new = NewSession { hash: kit.id(), owner, data: SessionData::default() };
        assert!(unavailable(&kit.store.create_session(&new, &kit.policy, kit.now()).await));
        assert!(unavailable(&kit.store.delete_session(&hash, kit.now()).await));
        assert!(
            began.elapsed() < Duration::from_millis(if n < 2 { 3000 } else { 300 }),
            "{:?}",
            began.elapsed()
        );
    }
    server.restart();
    let found = eventually_some(DEADLINE, async || read().await.ok()).await;
    assert_eq!(found, None, "it kept nothing");
    kit.make(Some("ana"), "{}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_redis_is_not_waited_for_long() {
    let (server, kit) = alone().await;
    let (hash, _) = kit.make(None, "{}").await;
    server.pause();
    let began = Instant::now();
    let read = kit.store.session(&hash, &kit.policy, kit.now()).await;
    assert!(unavailable(&read), "{read:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    server.resume();
    let read = async || kit.store.session(&hash, &kit.policy, kit.now()).await.ok().flatten();
    eventually_some(DEADLINE, read).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_says_so() {
    let start = || RedisServer::builder().setting("maxmemory", "2mb").start().unwrap();
    let server = tokio::task::spawn_blocking(start).await.unwrap();
    let kit = SessionKit::new(self::start(&RedisOptions::new(server.url(), Vec::new())));
    let (hash, _) = kit.make(None, "{}").await;
    let () = server.query(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let new = NewSession { hash: kit.id(), owner: None, data: SessionData::default() };
    let made = kit.store.create_session(&new, &kit.policy, kit.now()).await;
    assert!(unavailable(&made), "{made:?}");
    let () = server.query(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert!(kit.read(&hash).await.is_some());
}

/// A server that was demoted shows nothing, though it still has it all; what its replica knew goes on.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_go_on_at_the_new_primary() {
    let servers = own_servers().await;
    let kit = SessionKit::new(start(&servers.options()));
    let (hash, made) = kit.make(Some("ana"), "{}").await;
    let (old, new) = (&servers.0.primary, &servers.0.replicas[0]);
    new.wait_online(DEADLINE);
    let key = format!("session:{}", hash.as_str());
    eventually(DEADLINE, async || new.query::<bool>(&["EXISTS", &key]).await).await;
    new.promote();
    let () = new.query(&["DEL", &key]).await;
    old.replica_of("127.0.0.1", new.port());
    let () = new.query(&["SET", "mark", "1"]).await;
    // Never what the old one had: it is refused there, and gone here.
    let answered =
        eventually_some(DEADLINE, async || match kit.store.session(&hash, &kit.policy, kit.now()).await {
            Ok(found) => Some(found),
            Err(StorageError::Unavailable(_)) => None,
            Err(other) => panic!("{other:?}"),
        })
        .await;
    assert_eq!(answered, None, "{made:?}");
    kit.make(Some("ana"), "{}").await;
}

/// What is ended on its replicas stays ended at a failover; and where they cannot be reached, that is said.
#[tokio::test(flavor = "multi_thread")]
async fn who_ends_a_session_may_wait_for_replicas() {
    let servers = own_servers().await;
    let replicas = &servers.0.replicas;
    let store = Arc::new(RedisSessionStore::start(&servers.options()).unwrap().ends_on(2));
    let kit = SessionKit::new(store);
    // A replica that has just come takes a second before it acknowledges for the first time.
    eventually(DEADLINE, async || kit.store.delete_session(&kit.id(), kit.now()).await.is_ok()).await;
    for n in 0..20 {
        let (hash, _) = kit.make(Some("ana"), "{}").await;
        let key = format!("session:{}", hash.as_str());
        match n % 4 {
            0 => assert!(kit.delete(&hash).await),
            1 => assert!(kit.rotate(&hash, "bob").await.is_some()),
            2 => assert_eq!(kit.revoke_all("ana", None).await, 1),
            _ => {
                let revoked = kit.store.revoke_session(&kit.owner("ana"), &hash.handle(), kit.now()).await;
                assert!(revoked.unwrap());
            }
        }
        for replica in replicas {
            assert!(!replica.query::<bool>(&["EXISTS", &key]).await, "it is ended on all of them");
        }
    }
    let (hash, made) = kit.make(Some("ana"), "{}").await;
    replicas[1].pause();
    let deleted = kit.store.delete_session(&hash, kit.now()).await;
    assert!(unavailable(&deleted), "{deleted:?}");
    assert!(
        unavailable(&kit.store.delete_session(&hash, kit.now()).await),
        "again it is not said to be done"
    );
    assert_eq!(kit.read(&hash).await, None, "it is ended all the same: {made:?}");
    replicas[1].resume();
    eventually(DEADLINE, async || kit.store.delete_session(&hash, kit.now()).await.is_ok()).await;
}
