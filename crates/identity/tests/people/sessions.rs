use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cartwright_cache_redis::{RedisOptions, RedisSessionStore};
use cartwright_domain::{ManualClock, OwnerId, SessionData, SystemClock};
use cartwright_identity::sessions::{
    NobodyListens, SessionError, SessionListener, SessionParts, SessionService,
};
use cartwright_storage::{SessionPolicy, SessionStore, StorageError};
use cartwright_storage_tests::owner;
use chrono::{DateTime, TimeDelta};
use tokio::sync::Semaphore;

use crate::kit::{redis, sqlite};

fn data(json: &str) -> SessionData {
    json.parse().unwrap()
}

/// Notes who came, when it is allowed to.
struct Notes {
    heard: Mutex<Vec<OwnerId>>,
    allowed: Semaphore,
}

#[async_trait]
impl SessionListener for Notes {
    async fn started(&self, owner: OwnerId) {
        let _allowed = self.allowed.acquire().await.unwrap();
        self.heard.lock().unwrap().push(owner);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_from_guest_to_log_out() {
    let (store, _folder) = sqlite().await;
    let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_767_323_045, 0).unwrap()));
    let notes = Arc::new(Notes { heard: Mutex::default(), allowed: Semaphore::new(0) });
    let service = SessionService::start(SessionParts {
        store: store as Arc<dyn SessionStore>,
        listener: Arc::clone(&notes) as Arc<dyn SessionListener>,
        clock: Arc::clone(&clock) as Arc<dyn cartwright_domain::Clock>,
        policy: SessionPolicy::default(),
    });
    let (guest, session) = service.create(None, data(r#"{"a":1}"#)).await.unwrap();
    assert_eq!(session.handle, guest.hash().handle());
    assert_eq!(service.read(&guest.expose().parse().unwrap()).await.unwrap(), session);
    let replaced = service.replace(&guest, &data(r#"{"a":2}"#), &[1]).await.unwrap();
    match service.replace(&guest, &data("{}"), &[1]).await {
        Err(SessionError::Conflict(present)) => assert_eq!(*present, replaced),
        other => panic!("{other:?}"),
    }
    // Nobody waits for who listens.
    let (id, session) = service.log_in(&guest, owner("ana")).await.unwrap();
    assert_ne!(id.expose(), guest.expose());
    assert_eq!((session.owner.as_ref(), &session.data), (Some(&owner("ana")), &replaced.data));
    assert!(matches!(service.read(&guest).await, Err(SessionError::Gone)));
    assert!(matches!(service.log_in(&guest, owner("eve")).await, Err(SessionError::Gone)));
    let (again, _) = service.log_in(&id, owner("ana")).await.unwrap();
    assert!(again != id && again != guest, "another one each time");
    let id = again;
    let (other, _) = service.create(Some(owner("ana")), data("{}")).await.unwrap();
    assert_eq!(service.list(&owner("ana")).await.unwrap().len(), 2);
    assert!(service.revoke(&owner("ana"), &other.hash().handle()).await.unwrap());
    assert!(!service.revoke(&owner("ana"), &other.hash().handle()).await.unwrap());
    service.create(Some(owner("ana")), data("{}")).await.unwrap();
    assert_eq!(service.revoke_all(&owner("ana"), Some(&id)).await.unwrap(), 1);
    assert!(service.read(&id).await.is_ok());
    clock.advance(TimeDelta::minutes(30));
    assert!(matches!(service.read(&id).await, Err(SessionError::Gone)));
    assert_eq!(service.clean(10).await.unwrap(), 1);
    let (last, _) = service.create(None, data("{}")).await.unwrap();
    assert!(service.delete(&last).await.unwrap() && !service.delete(&last).await.unwrap());
    assert!(notes.heard.lock().unwrap().is_empty());
    notes.allowed.add_permits(1);
    service.shutdown().await;
    assert_eq!(*notes.heard.lock().unwrap(), vec![owner("ana"); 4], "guests are nobody");
}

/// Whoever listens for ever costs as much as a few who do.
#[tokio::test(flavor = "multi_thread")]
async fn who_listens_too_slowly_does_not_hear_of_everybody() {
    let (store, _folder) = sqlite().await;
    let notes = Arc::new(Notes { heard: Mutex::default(), allowed: Semaphore::new(0) });
    let service = SessionService::start(SessionParts {
        store: store as Arc<dyn SessionStore>,
        listener: Arc::clone(&notes) as Arc<dyn SessionListener>,
        clock: Arc::new(SystemClock),
        policy: SessionPolicy::default(),
    });
    for n in 0..300 {
        service.create(Some(owner(&format!("u{n}"))), data("{}")).await.unwrap();
    }
    notes.allowed.add_permits(1000);
    service.shutdown().await;
    assert_eq!(notes.heard.lock().unwrap().len(), 256);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_redis_is_an_error_and_no_session() {
    let server = redis().await;
    let store = RedisSessionStore::start(&RedisOptions::new(server.url(), Vec::new())).unwrap();
    let service = SessionService::start(SessionParts {
        store: Arc::new(store),
        listener: Arc::new(NobodyListens),
        clock: Arc::new(SystemClock),
        policy: SessionPolicy::default(),
    });
    let (id, _) = service.create(Some(owner("ana")), data(r#"{"secret":"tulip"}"#)).await.unwrap();
    server.kill();
    let unavailable =
        |error: &SessionError| matches!(error, SessionError::Storage(StorageError::Unavailable(_)));
    let error = service.read(&id).await.unwrap_err();
    assert!(unavailable(&error), "{error:?}");
    assert!(!format!("{error:?}").contains(&id.expose()));
    assert!(unavailable(&service.create(None, data("{}")).await.unwrap_err()));
    assert!(unavailable(&service.revoke_all(&owner("ana"), None).await.unwrap_err()));
    server.restart();
    let found = cartwright_testkit::eventually_some(Duration::from_secs(20), async || {
        match service.read(&id).await {
            Err(SessionError::Gone) => Some("gone"),
            Ok(session) => panic!("{session:?}"),
            Err(_) => None,
        }
    });
    assert_eq!(found.await, "gone", "that Redis kept nothing");
}

#[test]
fn nothing_secret_is_shown() {
    let session = cartwright_storage::NewSession {
        hash: cartwright_domain::SessionId::new([1; 32]).hash(),
        owner: None,
        data: data(r#"{"secret":"tulip"}"#),
    };
    assert!(!format!("{session:?}").contains("tulip"));
}
