//! One configured server: connections that know which process they were opened to.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bb8_redis::bb8::{ManageConnection, Pool, RunError};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, RedisResult,
    aio::MultiplexedConnection,
};
use tokio::runtime::{self, Handle};

use crate::survey::{self, ServerReport};

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// How long a server may take to answer. Waiting for replicas is well below it.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);

/// More runtimes than a program has at the same time.
const MANY_RUNTIMES: usize = 2048;

/// A connection.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    /// Identity of the server process at the other end.
    pub(crate) run_id: String,
    /// When it was certainly open: the process at the other end has not restarted since.
    pub(crate) opened: Instant,
    broken: bool,
}

impl Link {
    pub(crate) async fn open(client: &Client) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let run_id = survey::field(&info, "run_id")
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "INFO without a run_id")))?
            .to_owned();
        Ok(Self { connection, run_id, opened: Instant::now(), broken: false })
    }

    /// A pipeline, or a single command in one.
    pub(crate) async fn pipeline<T: FromRedisValue>(&mut self, pipeline: &redis::Pipeline) -> RedisResult<T> {
        let answer = pipeline.query_async(&mut self.connection).await;
        self.note(answer)
    }

    pub(crate) async fn command<T: FromRedisValue>(&mut self, command: &redis::Cmd) -> RedisResult<T> {
        let answer = command.query_async(&mut self.connection).await;
        self.note(answer)
    }

    pub(crate) async fn report(&mut self) -> RedisResult<ServerReport> {
        let info: String = self.command(redis::cmd("INFO").arg("server").arg("replication")).await?;
        let mut report = ServerReport::parse(&info).ok_or_else(|| {
            RedisError::from((ErrorKind::UnexpectedReturnType, "INFO without its usual fields"))
        })?;
        // Not allowed to everybody, and only good advice.
        let asked: RedisResult<Vec<String>> = self.command(redis::cmd("CONFIG").arg("GET").arg("save")).await;
        report.saves = asked.ok().and_then(|pair| pair.into_iter().nth(1)).map(|rules| !rules.is_empty());
        let asked: RedisResult<Vec<String>> =
            self.command(redis::cmd("CONFIG").arg("GET").arg("appendonly")).await;
        report.appends = asked.ok().and_then(|pair| pair.into_iter().nth(1)).map(|value| value == "yes");
        Ok(report)
    }

    /// `INFO` alone, for the survey.
    pub(crate) async fn survey(&mut self) -> RedisResult<Option<ServerReport>> {
        let info: String = self.command(redis::cmd("INFO").arg("server").arg("replication")).await?;
        Ok(ServerReport::parse(&info))
    }

    fn note<T>(&mut self, answer: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &answer {
            self.broken |= error.is_io_error() || error.is_timeout() || error.is_connection_dropped();
        }
        answer
    }
}

pub(crate) struct Opener {
    client: Client,
    /// Where connections are driven: whoever needed a new one may be on a runtime that ends before it.
    runtime: Handle,
}

impl ManageConnection for Opener {
    type Connection = Link;
    type Error = RedisError;

    async fn connect(&self) -> Result<Link, RedisError> {
        let client = self.client.clone();
        let opening = self.runtime.spawn(async move { Link::open(&client).await });
        opening.await.unwrap_or_else(|lost| Err(RedisError::from(std::io::Error::other(lost))))
    }

    async fn is_valid(&self, _link: &mut Link) -> Result<(), RedisError> {
        Ok(()) // a PING per checkout would double the round trips; a dead link shows at its use
    }

    fn has_broken(&self, link: &mut Link) -> bool {
        link.broken
    }
}

/// Which connection is used.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Over {
    /// One of one's own for as long as it takes.
    Own,
    /// That of the runtime, shared with others.
    Near,
}

/// A configured server.
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) client: Client,
    /// For whatever may block or must not be mixed: each is used by one batch at a time.
    pool: Pool<Opener>,
    /// For what never blocks: one for each runtime, driven there, so that no other thread has to be woken for an
    /// answer, and shared by all who are there.
    near: RwLock<HashMap<runtime::Id, Arc<Link>>>,
    /// What it said at the last survey. `None`: it did not answer.
    report: Mutex<Option<ServerReport>>,
    /// Set when it failed; cleared by whoever looks after it in the background. While set, nobody waits for it.
    suspect: AtomicBool,
    /// How fresh its contents were at the last look, and when that was.
    seen: Mutex<Option<(Duration, Instant)>>,
}

impl Endpoint {
    pub(crate) fn new(client: Client, connections: u32) -> Self {
        let name = crate::options::name(&client);
        let pool = Pool::builder()
            .max_size(connections.max(2))
            .connection_timeout(CONNECT_TIMEOUT + ANSWER_TIMEOUT)
            .retry_connection(false)
            .test_on_check_out(false)
            .build_unchecked(Opener { client: client.clone(), runtime: Handle::current() });
        Self {
            name,
            client,
            pool,
            near: RwLock::default(),
            report: Mutex::new(None),
            suspect: AtomicBool::new(false),
            seen: Mutex::new(None),
        }
    }

    /// Talks to this very process over the connection of the runtime that this is called on: what came of it, and when
    /// the connection was certainly open. `None`: another process is at the address by now.
    pub(crate) async fn near<T>(
        &self,
        run_id: &str,
        talk: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> RedisResult<Option<(T, Instant)>> {
        let here = Handle::current().id();
        let known = self.near.read().unwrap_or_else(PoisonError::into_inner).get(&here).cloned();
        let link = match known.filter(|link| link.run_id == run_id) {
            Some(link) => link,
            None => {
                let link = Arc::new(Link::open(&self.client).await?);
                let mut near = self.near.write().unwrap_or_else(PoisonError::into_inner);
                if near.len() >= MANY_RUNTIMES {
                    near.clear(); // those that have ended left theirs behind
                }
                near.insert(here, Arc::clone(&link));
                link
            }
        };
        if link.run_id != run_id {
            return Ok(None);
        }
        let answer = talk(&mut link.connection.clone()).await;
        if answer.is_err() {
            self.near.write().unwrap_or_else(PoisonError::into_inner).remove(&here);
        }
        Ok(Some((answer?, link.opened)))
    }

    /// A connection to whatever process is at this address.
    pub(crate) async fn link(&self) -> RedisResult<bb8_redis::bb8::PooledConnection<'_, Opener>> {
        self.pool.get().await.map_err(|error| match error {
            RunError::User(error) => error,
            RunError::TimedOut => RedisError::from((ErrorKind::Io, "no connection in time")),
        })
    }

    /// A connection to this very process; `None` when another one is at the address by now.
    pub(crate) async fn link_to(
        &self,
        run_id: &str,
    ) -> RedisResult<Option<bb8_redis::bb8::PooledConnection<'_, Opener>>> {
        let mut link = self.link().await?;
        if link.run_id != run_id {
            link.broken = true; // an address that moved on never comes back to an old process
            return Ok(None);
        }
        Ok(Some(link))
    }

    /// Asks this very process. `None`: another one is at the address by now.
    pub(crate) async fn pipeline<T: FromRedisValue>(
        &self,
        run_id: &str,
        over: Over,
        pipeline: &redis::Pipeline,
    ) -> RedisResult<Option<T>> {
        match over {
            Over::Own => {
                let Some(mut link) = self.link_to(run_id).await? else { return Ok(None) };
                link.pipeline(pipeline).await.map(Some)
            }
            Over::Near => {
                let answer = self.near(run_id, async |link| pipeline.query_async(link).await).await?;
                Ok(answer.map(|(answer, _opened)| answer))
            }
        }
    }

    pub(crate) fn connections(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }

    pub(crate) fn report(&self) -> Option<ServerReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_report(&self, report: Option<ServerReport>) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    pub(crate) fn is(&self, run_id: &str) -> bool {
        self.report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .is_some_and(|report| report.run_id == run_id)
    }

    pub(crate) fn suspect(&self) -> bool {
        self.suspect.load(Ordering::Relaxed)
    }

    /// Returns whether this changed anything.
    pub(crate) fn set_suspect(&self, suspect: bool) -> bool {
        self.suspect.swap(suspect, Ordering::Relaxed) != suspect
    }

    pub(crate) fn saw(&self, freshness: Duration) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((freshness, Instant::now()));
    }

    /// An upper bound of its contents' age, growing since the last look.
    pub(crate) fn freshness(&self) -> Option<Duration> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).map(|(age, at)| age + at.elapsed())
    }
}
