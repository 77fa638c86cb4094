//! Sessions on the primary.

mod link;
mod scripts;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use cartwright_domain::{OwnerId, Session, SessionData, SessionHandle, SessionHash};
use cartwright_storage::{NewSession, ReplacedSession, Rotation, SessionPolicy, SessionStore, StorageError};
use chrono::{DateTime, Utc};
use metrics::Counter;
use redis::{FromRedisValue, RedisError, Script, ScriptInvocation};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    events::PAUSE,
    options::{ConnectError, RedisOptions},
    sessions::link::{Known, Primary},
};

/// How long replicas may take to have what was ended.
const REPLICAS: Duration = Duration::from_millis(250);

/// Sessions on Redis: `session:<hash>`, a JSON object, and `sessions-of:<owner>`, a sorted set. Each step is one script on the
/// primary, one round trip. Replicas are not read from.
///
/// What Redis keeps is as safe as Redis is. Replicas get writes a moment later, so that a failover loses the last ones: a session
/// that was just made is gone, which its holder notices; and one that was just ended is back, which he does not. See
/// [`ends_on`](Self::ends_on). Ids of sessions are not in Redis, only their hashes.
///
/// Redis must not evict sessions (`maxmemory-policy noeviction`, or one of the `volatile` ones if need be: to be logged out is
/// then the worst that happens), and must be one server with replicas, not a cluster: a session and the list that it is in would
/// be in different slots.
pub struct RedisSessionStore {
    known: watch::Receiver<Known>,
    /// Has the connections looked at now.
    doubt: Arc<Notify>,
    replicas: usize,
    errors: Counter,
    _stop: DropGuard,
}

impl fmt::Debug for RedisSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessionStore").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

/// A session as it stands in Redis; times in microseconds since 1970.
#[derive(Deserialize)]
struct Kept {
    owner: Option<OwnerId>,
    version: u64,
    created_at: i64,
    seen_at: i64,
    expires_at: i64,
    data: Box<RawValue>,
}

/// Nobody to ask.
#[derive(Debug, thiserror::Error)]
#[error("no Redis server that takes writes was found: {0}")]
struct NoPrimary(String);

/// Too few have it.
#[derive(Debug, thiserror::Error)]
#[error("it is ended, but only {found} of {wanted} replicas have it: a failover now would bring it back")]
struct NotOnReplicas {
    wanted: usize,
    found: usize,
}

fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::Unexpected("a session in Redis that is none".into(), Some(Box::new(error)))
}

fn read(hash: &SessionHash, text: &str) -> Result<Session, StorageError> {
    let kept: Kept = serde_json::from_str(text).map_err(unexpected)?;
    let time = |micros| {
        DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| StorageError::unexpected("a session in Redis with a time beyond all times"))
    };
    Ok(Session {
        handle: hash.handle(),
        owner: kept.owner,
        data: SessionData::kept(String::from(Box::<str>::from(kept.data))).map_err(unexpected)?,
        version: kept.version,
        created_at: time(kept.created_at)?,
        seen_at: time(kept.seen_at)?,
        expires_at: time(kept.expires_at)?,
    })
}

/// Whether it may go well when it is tried again.
fn may_pass(error: &RedisError) -> bool {
    const CODES: [&str; 9] = [
        "LOADING",
        "MASTERDOWN",
        "READONLY",
        "CLUSTERDOWN",
        "TRYAGAIN",
        "OOM",
        "MISCONF",
        "NOREPLICAS",
        "BUSY",
    ];
    let lost = error.is_io_error() || error.is_timeout() || error.is_connection_dropped();
    // Older servers say it only in the text of what the script failed with.
    let text = error.detail().unwrap_or_default();
    lost || CODES.iter().any(|code| error.code() == Some(*code) || text.contains(&format!("-{code} ")))
}

fn begin<'a>(script: &'a Script, policy: &SessionPolicy, now: DateTime<Utc>) -> ScriptInvocation<'a> {
    let mut call = script.prepare_invoke();
    let micros = |delta: chrono::TimeDelta| delta.num_microseconds().unwrap_or(1 << 52);
    call.arg(now.timestamp_micros());
    call.arg(micros(policy.lifetime)).arg(micros(policy.at_most)).arg(policy.per_owner);
    call
}

impl RedisSessionStore {
    /// Starts to use these servers, on the current tokio runtime; whichever of them takes writes. Returns at once, whether they
    /// answer or not: while they do not, every step is [`StorageError::Unavailable`].
    ///
    /// # Errors
    /// [`ConnectError`] when an address is none.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(options: &RedisOptions) -> Result<Self, ConnectError> {
        let clients = options.clients()?;
        let (sender, known) = watch::channel(Known::Looking);
        let (doubt, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let keeping = link::keep(clients, sender, Arc::clone(&doubt));
        tokio::spawn(stop.clone().run_until_cancelled_owned(keeping));
        let errors = metrics::counter!("cartwright_session_store_errors_total");
        Ok(Self { known, doubt, replicas: 0, errors, _stop: stop.drop_guard() })
    }

    /// Has a session not ended before so many replicas know of it: then a failover to one of them does not bring it back. When
    /// they do not answer within 250 ms, that is an error, and it may be tried again. 0, as at first: nobody is waited for.
    #[must_use]
    pub fn ends_on(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    async fn primary(&self) -> Result<Primary, StorageError> {
        let mut known = self.known.clone();
        let looked = known.wait_for(|known| !matches!(known, Known::Looking));
        let nobody = |why: &str| StorageError::Unavailable(Box::new(NoPrimary(why.to_owned())));
        match tokio::time::timeout(PAUSE, looked).await {
            Ok(Ok(known)) => match &*known {
                Known::Found(primary) => Ok(primary.clone()),
                Known::Nobody(why) => Err(nobody(why)),
                Known::Looking => Err(nobody("it is being looked for")),
            },
            _ => Err(nobody("none answers")),
        }
    }

    fn failed(&self, error: RedisError) -> StorageError {
        self.errors.increment(1);
        self.doubt.notify_one();
        if may_pass(&error) {
            StorageError::Unavailable(Box::new(error))
        } else {
            StorageError::Unexpected("Redis refused a script of sessions".into(), Some(Box::new(error)))
        }
    }

    async fn call<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, StorageError> {
        let mut primary = self.primary().await?;
        call.invoke_async(&mut primary.link).await.map_err(|error| self.failed(error))
    }

    /// As [`call`](Self::call), of something that ends sessions: done when the replicas know of it, too.
    async fn end<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, StorageError> {
        if self.replicas == 0 {
            return self.call(call).await;
        }
        let mut primary = self.primary().await?;
        let link = &mut primary.waiting;
        let answer = call.invoke_async(link).await.map_err(|error| self.failed(error))?;
        let mut pipeline = redis::pipe();
        // What is waited for is the last write of this connection. Who tries again may have had nothing left to write.
        pipeline.cmd("SET").arg("session:ended").arg("").arg("PX").arg(1000).ignore();
        pipeline.cmd("WAIT").arg(self.replicas).arg(REPLICAS.as_millis() as u64);
        let found: Result<(usize,), _> = pipeline.query_async(link).await;
        let (found,) = found.map_err(|error| self.failed(error))?;
        if found >= self.replicas {
            return Ok(answer);
        }
        self.errors.increment(1);
        Err(StorageError::Unavailable(Box::new(NotOnReplicas { wanted: self.replicas, found })))
    }

    async fn revoke(
        &self,
        owner: &OwnerId,
        beginning: &str,
        except: &str,
        now: DateTime<Utc>,
    ) -> Result<u64, StorageError> {
        let mut call = begin(&scripts::REVOKE, &SessionPolicy::default(), now);
        call.arg(owner.as_str()).arg(beginning).arg(except);
        self.end(&call).await
    }
}

#[async_trait]
impl SessionStore for RedisSessionStore {
    async fn create_session(
        &self,
        new: &NewSession,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Session, StorageError> {
        let mut call = begin(&scripts::CREATE, policy, now);
        call.arg(new.hash.as_str())
            .arg(new.owner.as_ref().map_or("", OwnerId::as_str))
            .arg(new.data.as_str());
        read(&new.hash, &self.call::<String>(&call).await?)
    }

    async fn session(
        &self,
        hash: &SessionHash,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StorageError> {
        let mut call = begin(&scripts::READ, policy, now);
        call.arg(hash.as_str());
        let text: Option<String> = self.call(&call).await?;
        let session = text.map(|text| read(hash, &text)).transpose()?;
        // It may have come to its end by having been used: the policy became shorter.
        Ok(session.filter(|session| session.expires_at > now))
    }

    async fn replace_session(
        &self,
        hash: &SessionHash,
        data: &SessionData,
        expected: &[u64],
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<ReplacedSession, StorageError> {
        let mut call = begin(&scripts::REPLACE, policy, now);
        call.arg(hash.as_str()).arg(data.as_str()).arg(expected);
        let answer: Option<(bool, String)> = self.call(&call).await?;
        Ok(match answer {
            None => ReplacedSession::Gone,
            Some((true, text)) => ReplacedSession::Done(read(hash, &text)?),
            Some((false, text)) => ReplacedSession::Conflict(read(hash, &text)?),
        })
    }

    async fn delete_session(&self, hash: &SessionHash, now: DateTime<Utc>) -> Result<bool, StorageError> {
        let mut call = begin(&scripts::DELETE, &SessionPolicy::default(), now);
        call.arg(hash.as_str());
        self.end(&call).await
    }

    async fn rotate_session(
        &self,
        rotation: &Rotation,
        policy: &SessionPolicy,
        now: DateTime<Utc>,
    ) -> Result<Option<Session>, StorageError> {
        let mut call = begin(&scripts::ROTATE, policy, now);
        call.arg(rotation.from.as_str()).arg(rotation.to.as_str()).arg(rotation.owner.as_str());
        let text: Option<String> = self.end(&call).await?;
        text.map(|text| read(&rotation.to, &text)).transpose()
    }

    async fn sessions_of(&self, owner: &OwnerId, now: DateTime<Utc>) -> Result<Vec<Session>, StorageError> {
        let mut call = begin(&scripts::LIST, &SessionPolicy::default(), now);
        call.arg(owner.as_str());
        let found: Vec<(String, String)> = self.call(&call).await?;
        let mut sessions = (found.iter())
            .map(|(hash, text)| {
                let hash = SessionHash::kept(hash).map_err(unexpected)?;
                let session = read(&hash, text)?;
                Ok((hash, session))
            })
            .collect::<Result<Vec<_>, StorageError>>()?;
        sessions.sort_by(|(a, one), (b, other)| {
            other.expires_at.cmp(&one.expires_at).then_with(|| a.as_str().cmp(b.as_str()))
        });
        Ok(sessions.into_iter().map(|(_, session)| session).collect())
    }

    async fn revoke_session(
        &self,
        owner: &OwnerId,
        handle: &SessionHandle,
        now: DateTime<Utc>,
    ) -> Result<bool, StorageError> {
        Ok(self.revoke(owner, handle.as_str(), "", now).await? > 0)
    }

    async fn revoke_sessions(
        &self,
        owner: &OwnerId,
        except: Option<&SessionHash>,
        now: DateTime<Utc>,
    ) -> Result<u64, StorageError> {
        self.revoke(owner, "", except.map_or("", SessionHash::as_str), now).await
    }

    /// Redis cleans by itself.
    async fn clean_sessions(&self, _now: DateTime<Utc>, _limit: u32) -> Result<u64, StorageError> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever stands there: it is a session, or an error.
        #[test]
        fn what_is_kept_is_a_session_or_none(
            owner in prop_oneof![Just("null".to_owned()), "\"[A-Za-z0-9 .-]{0,102}\""],
            data in prop_oneof![Just("{}".to_owned()), Just("[]".to_owned()), "\\{\"a\":\"[a-z]{0,9}\"\\}", "\\PC{0,9}"],
            version: i64, times: [i64; 3], cut in any::<prop::sample::Index>(),
        ) {
            let hash = cartwright_domain::SessionId::new([7; 32]).hash();
            let [created, seen, expires] = times;
            let text = format!(r#"{{"owner":{owner},"data":{data},"version":{version},"created_at":{created},"seen_at":{seen},"expires_at":{expires}}}"#);
            if let Ok(session) = read(&hash, &text) {
                prop_assert_eq!(session.handle, hash.handle());
                prop_assert_eq!(session.data.as_str(), data);
                prop_assert_eq!(session.expires_at.timestamp_micros(), expires);
                prop_assert_eq!(i64::try_from(session.version), Ok(version));
            }
            let mut cut = cut.index(text.len());
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            prop_assert!(read(&hash, &text[..cut]).is_err());
        }
    }

    #[test]
    fn one_that_is_kept_is_read() {
        let hash = cartwright_domain::SessionId::new([7; 32]).hash();
        let text = r#"{"owner":"ana","data":{"a":1},"version":3,"created_at":1,"seen_at":2,"expires_at":3}"#;
        let session = read(&hash, text).unwrap();
        assert_eq!((session.version, session.data.as_str()), (3, r#"{"a":1}"#));
    }
}
