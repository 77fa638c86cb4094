//! The suite of stores of sessions, which need not be databases.

mod races;
mod rules;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use cartwright_domain::{Clock, ManualClock, OwnerId, Session, SessionData, SessionHash, SessionId};
use cartwright_storage::{NewSession, ReplacedSession, Rotation, SessionPolicy, SessionStore};
use chrono::{DateTime, TimeDelta, Utc};

pub use races::*;
pub use rules::*;

/// A store, with the clock and the policy that the rules use it with. Other tests may use the same store: ids and owners are
/// those of this kit alone.
#[derive(Debug)]
pub struct SessionKit {
    /// What is tested.
    pub store: Arc<dyn SessionStore>,
    /// The time of all steps.
    pub clock: ManualClock,
    /// Half an hour, at most a day, at most three of an owner.
    pub policy: SessionPolicy,
    number: u64,
    ids: AtomicU64,
}

/// A session carries this.
pub fn carrying(json: &str) -> SessionData {
    json.parse().unwrap()
}

impl SessionKit {
    /// A kit around a store.
    pub fn new(store: Arc<dyn SessionStore>) -> Self {
        static KITS: AtomicU64 = AtomicU64::new(0);
        // A time with microseconds, so that a store which rounds is found out.
        let clock = ManualClock::new(DateTime::from_timestamp_micros(1_767_323_045_123_457).unwrap());
        let policy =
            SessionPolicy { lifetime: TimeDelta::minutes(30), at_most: TimeDelta::days(1), per_owner: 3 };
        let number = (u64::from(std::process::id()) << 32) + KITS.fetch_add(1, Relaxed);
        Self { store, clock, policy, number, ids: AtomicU64::new(0) }
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// An owner of that name, whom no other test knows.
    pub fn owner(&self, name: &str) -> OwnerId {
        OwnerId::new(&format!("{name}-{:x}", self.number)).unwrap()
    }

    /// Another id.
    pub fn id(&self) -> SessionHash {
        let mut bits = [7; 32];
        bits[..8].copy_from_slice(&self.number.to_le_bytes());
        bits[8..16].copy_from_slice(&self.ids.fetch_add(1, Relaxed).to_le_bytes());
        SessionId::new(bits).hash()
    }

    /// Makes a session.
    pub async fn make(&self, owner: Option<&str>, json: &str) -> (SessionHash, Session) {
        let hash = self.id();
        let owner = owner.map(|name| self.owner(name));
        let new = NewSession { hash: hash.clone(), owner, data: carrying(json) };
        let made = self.store.create_session(&new, &self.policy, self.now()).await.unwrap();
        assert_eq!(made, new.made(&self.policy, self.now()));
        (hash, made)
    }

    /// Reads a session.
    pub async fn read(&self, hash: &SessionHash) -> Option<Session> {
        self.store.session(hash, &self.policy, self.now()).await.unwrap()
    }

    /// Has a session carry something else.
    pub async fn replace(&self, hash: &SessionHash, json: &str, expected: &[u64]) -> ReplacedSession {
        let data = carrying(json);
        self.store.replace_session(hash, &data, expected, &self.policy, self.now()).await.unwrap()
    }

    /// Ends a session.
    pub async fn delete(&self, hash: &SessionHash) -> bool {
        self.store.delete_session(hash, self.now()).await.unwrap()
    }

    /// Somebody logs in.
    pub async fn rotate(&self, from: &SessionHash, name: &str) -> Option<(SessionHash, Session)> {
        let to = self.id();
        let rotation = Rotation { from: from.clone(), to: to.clone(), owner: self.owner(name) };
        let rotated = self.store.rotate_session(&rotation, &self.policy, self.now()).await.unwrap();
        rotated.map(|session| (to, session))
    }

    /// The sessions of somebody.
    pub async fn list(&self, name: &str) -> Vec<Session> {
        self.store.sessions_of(&self.owner(name), self.now()).await.unwrap()
    }

    /// Ends all sessions of somebody but one.
    pub async fn revoke_all(&self, name: &str, except: Option<&SessionHash>) -> u64 {
        self.store.revoke_sessions(&self.owner(name), except, self.now()).await.unwrap()
    }
}

/// Makes one `#[tokio::test]` of each rule of [`SessionStore`].
///
/// `$fresh` is an `async fn() -> (Arc<dyn SessionStore>, guard)`. Several tests may use the same store.
#[macro_export]
macro_rules! session_conformance {
    ($fresh:path) => {
        $crate::session_conformance!(@of $fresh:
            a_session_is_kept_exactly,
            a_session_lasts_as_long_as_it_is_used,
            a_session_does_not_last_for_ever,
            a_slower_clock_takes_nothing_back,
            a_shorter_policy_counts_at_once,
            a_session_carries_something_else,
            a_session_is_ended_once,
            who_logs_in_gets_another_id,
            sessions_are_listed,
            sessions_are_ended_by_their_handles,
            all_sessions_are_ended,
            there_are_only_so_many,
            what_has_expired_is_cleaned,
            no_change_is_lost_among_reads,
            who_logs_in_twice_is_in_once,
            what_is_written_meanwhile_goes_along_or_is_refused,
            a_session_is_ended_or_goes_on,
            none_escapes_who_ends_them_all,
            who_goes_away_leaves_nothing_half_done,
        );
    };
    (@of $fresh:path: $($rule:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            let (store, guard) = $fresh().await;
            $crate::sessions::$rule($crate::sessions::SessionKit::new(store)).await;
            drop(guard);
        }
    )*};
}
