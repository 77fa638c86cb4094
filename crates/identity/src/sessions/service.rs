use std::sync::Arc;

use async_trait::async_trait;
use cartwright_domain::{Clock, OwnerId, Session, SessionData, SessionHandle, SessionId};
use cartwright_storage::{NewSession, ReplacedSession, Rotation, SessionPolicy, SessionStore, StorageError};
use metrics::Counter;
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::task::TaskTracker;

/// Starts that are listened to at the same time. Of more nobody hears: who listens is to be quick, or can do without.
const LISTENING: usize = 256;

/// Hears of sessions that have started.
#[async_trait]
pub trait SessionListener: Send + Sync + 'static {
    /// Somebody has logged in a moment ago. Runs in the background, and is waited for at the end.
    async fn started(&self, owner: OwnerId);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub struct NobodyListens;

#[async_trait]
impl SessionListener for NobodyListens {
    async fn started(&self, _owner: OwnerId) {}
}

/// What a service is made of.
pub struct SessionParts {
    /// Where sessions are kept.
    pub store: Arc<dyn SessionStore>,
    /// Who wants to know that somebody is there.
    pub listener: Arc<dyn SessionListener>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How long sessions last, and how many there may be.
    pub policy: SessionPolicy,
}

impl std::fmt::Debug for SessionParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionParts").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Why the service did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no such session, or not any more: log in again.
    #[error("there is no such session, or not any more")]
    Gone,
    /// It has another version than the caller was prepared to change.
    #[error("the session is at version {}", .0.version)]
    Conflict(Box<Session>),
    /// The store failed. It may have happened all the same.
    #[error("the store of sessions failed")]
    Storage(#[from] StorageError),
}

struct Figures {
    made: Counter,
    logged_in: Counter,
    found: Counter,
    gone: Counter,
    replaced: Counter,
    ended: Counter,
    failed: Counter,
    unheard: Counter,
}

impl Figures {
    fn register() -> Self {
        let outcomes =
            |outcome: &'static str| metrics::counter!("cartwright_sessions_total", "outcome" => outcome);
        Self {
            made: outcomes("made"),
            logged_in: outcomes("logged_in"),
            found: outcomes("found"),
            gone: outcomes("gone"),
            replaced: outcomes("replaced"),
            ended: outcomes("ended"),
            failed: outcomes("failed"),
            unheard: metrics::counter!("cartwright_session_starts_unheard_total"),
        }
    }
}

/// Sessions. A clone is the same service.
#[derive(Clone)]
pub struct SessionService {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn SessionStore>,
    listener: Arc<dyn SessionListener>,
    clock: Arc<dyn Clock>,
    policy: SessionPolicy,
    figures: Figures,
    listening: Arc<Semaphore>,
    runtime: Handle,
    tasks: TaskTracker,
}

impl std::fmt::Debug for SessionService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionService").field("policy", &self.inner.policy).finish_non_exhaustive()
    }
}

impl SessionService {
    /// Starts the service on the current tokio runtime, on which listeners are called.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(parts: SessionParts) -> Self {
        let SessionParts { store, listener, clock, policy } = parts;
        let inner = Inner {
            store,
            listener,
            clock,
            policy,
            figures: Figures::register(),
            listening: Arc::new(Semaphore::new(LISTENING)),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a session. `owner`: whose it is; `None`: of somebody who has not logged in.
    ///
    /// The id is to be given to its holder, and to nobody else.
    ///
    /// # Errors
    /// [`SessionError::Storage`].
    pub async fn create(
        &self,
        owner: Option<OwnerId>,
        data: SessionData,
    ) -> Result<(SessionId, Session), SessionError> {
        let inner = &*self.inner;
        let id = SessionId::new(rand::random());
        let new = NewSession { hash: id.hash(), owner, data };
        let session =
            inner.known(inner.store.create_session(&new, &inner.policy, inner.clock.now()).await)?;
        inner.figures.made.increment(1);
        self.started(session.owner.as_ref());
        Ok((id, session))
    }

    /// The session, which thereby lasts longer.
    ///
    /// # Errors
    /// [`SessionError::Gone`], [`SessionError::Storage`].
    pub async fn read(&self, id: &SessionId) -> Result<Session, SessionError> {
        let inner = &*self.inner;
        let found = inner.store.session(&id.hash(), &inner.policy, inner.clock.now()).await;
        let session = inner.there(inner.known(found)?)?;
        inner.figures.found.increment(1);
        Ok(session)
    }

    /// Has the session carry something else. `expected`: the versions that the caller is prepared to change; empty: any.
    ///
    /// # Errors
    /// [`SessionError`]; with [`Gone`](SessionError::Gone) and [`Conflict`](SessionError::Conflict) it carries what it did.
    pub async fn replace(
        &self,
        id: &SessionId,
        data: &SessionData,
        expected: &[u64],
    ) -> Result<Session, SessionError> {
        let inner = &*self.inner;
        let (policy, now) = (&inner.policy, inner.clock.now());
        match inner.known(inner.store.replace_session(&id.hash(), data, expected, policy, now).await)? {
            ReplacedSession::Done(session) => {
                inner.figures.replaced.increment(1);
                Ok(session)
            }
            ReplacedSession::Conflict(session) => Err(SessionError::Conflict(Box::new(session))),
            ReplacedSession::Gone => inner.there(None),
        }
    }

    /// Ends the session. `false`: there was none.
    ///
    /// # Errors
    /// [`SessionError::Storage`]: it may still be there.
    pub async fn delete(&self, id: &SessionId) -> Result<bool, SessionError> {
        let inner = &*self.inner;
        let ended = inner.known(inner.store.delete_session(&id.hash(), inner.clock.now()).await)?;
        inner.figures.ended.increment(ended.into());
        Ok(ended)
    }

    /// Somebody has proved who he is: his session becomes `owner`'s and gets another id, so that whoever may know the one before
    /// has nothing of it. It carries what it did.
    ///
    /// When the answer does not reach him he has no session any more, and logs in again.
    ///
    /// # Errors
    /// [`SessionError::Gone`]: make one with [`create`](Self::create); [`SessionError::Storage`].
    pub async fn log_in(&self, id: &SessionId, owner: OwnerId) -> Result<(SessionId, Session), SessionError> {
        let inner = &*self.inner;
        let to = SessionId::new(rand::random());
        let rotation = Rotation { from: id.hash(), to: to.hash(), owner };
        let rotated = inner.store.rotate_session(&rotation, &inner.policy, inner.clock.now()).await;
        let session = inner.there(inner.known(rotated)?)?;
        inner.figures.logged_in.increment(1);
        self.started(session.owner.as_ref());
        Ok((to, session))
    }

    /// The sessions of somebody, those first that would end last.
    ///
    /// # Errors
    /// [`SessionError::Storage`].
    pub async fn list(&self, owner: &OwnerId) -> Result<Vec<Session>, SessionError> {
        let inner = &*self.inner;
        inner.known(inner.store.sessions_of(owner, inner.clock.now()).await)
    }

    /// Ends a session of somebody by its name in the list. `false`: there was none.
    ///
    /// # Errors
    /// [`SessionError::Storage`]: it may still be there.
    pub async fn revoke(&self, owner: &OwnerId, handle: &SessionHandle) -> Result<bool, SessionError> {
        let inner = &*self.inner;
        let ended = inner.known(inner.store.revoke_session(owner, handle, inner.clock.now()).await)?;
        inner.figures.ended.increment(ended.into());
        Ok(ended)
    }

    /// Ends all sessions of somebody, or all but the one in which he asks for that: how many.
    ///
    /// # Errors
    /// [`SessionError::Storage`]: some may be ended.
    pub async fn revoke_all(&self, owner: &OwnerId, except: Option<&SessionId>) -> Result<u64, SessionError> {
        let inner = &*self.inner;
        let except = except.map(SessionId::hash);
        let ended = inner.store.revoke_sessions(owner, except.as_ref(), inner.clock.now()).await;
        let ended = inner.known(ended)?;
        inner.figures.ended.increment(ended);
        Ok(ended)
    }

    /// Removes what has expired, so many at most: how many. For maintenance, again as long as there are as many.
    ///
    /// # Errors
    /// [`SessionError::Storage`].
    pub async fn clean(&self, limit: u32) -> Result<u64, SessionError> {
        let inner = &*self.inner;
        inner.known(inner.store.clean_sessions(inner.clock.now(), limit).await)
    }

    /// Returns when nobody is being told of anything any more.
    pub async fn shutdown(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// In the background: nobody waits for who listens.
    fn started(&self, owner: Option<&OwnerId>) {
        let Some(owner) = owner.cloned() else { return };
        let inner = &self.inner;
        match Arc::clone(&inner.listening).try_acquire_owned() {
            Ok(turn) => {
                let listener = Arc::clone(&inner.listener);
                let told = async move {
                    listener.started(owner).await;
                    drop(turn);
                };
                inner.tasks.spawn_on(told, &inner.runtime);
            }
            Err(_all_are_busy) => inner.figures.unheard.increment(1),
        }
    }
}

impl Inner {
    fn known<T>(&self, answer: Result<T, StorageError>) -> Result<T, SessionError> {
        answer.map_err(|error| {
            self.figures.failed.increment(1);
            SessionError::Storage(error)
        })
    }

    fn there(&self, found: Option<Session>) -> Result<Session, SessionError> {
        found.ok_or_else(|| {
            self.figures.gone.increment(1);
            SessionError::Gone
        })
    }
}
