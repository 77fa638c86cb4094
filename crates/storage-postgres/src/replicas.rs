//! Reads from replicas: those that have come far enough, in turn. The primary answers whenever they do not.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use cartwright_storage::{LogPosition, ReadFrom, StorageError};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl, pooled_connection::PoolableConnection};
use futures_util::join;
use metrics::counter;

use crate::{
    connection::{self, Pool, Pooled, Role},
    error::statement_failed,
    options::{PostgresOptions, Target},
    read,
    sql::{HasReplayed, Replayed},
    store::PostgresStore,
};

/// How long a replica that did not answer is not asked again.
const SKIPPED: Duration = Duration::from_secs(2);

/// What became of the reads of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaFigures {
    /// Its address, without user and password.
    pub server: String,
    /// Reads that it answered.
    pub answered: u64,
    /// Reads that the primary answered, because the replica had not come far enough.
    pub behind: u64,
    /// Reads that the primary answered, because the replica did not.
    pub failed: u64,
    /// Whether it is left alone at the moment, because it did not answer.
    pub skipped: bool,
}

/// Why a replica did not answer.
#[derive(Debug)]
enum NoUse {
    Behind,
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

struct Replica {
    server: String,
    pool: Pool,
    skip_until: Mutex<Option<Instant>>,
    answered: AtomicU64,
    behind: AtomicU64,
    failed: AtomicU64,
    /// Whether the last read was in vain: one warning for many.
    in_vain: AtomicBool,
}

/// The replicas of a store. A clone shares them.
#[derive(Clone)]
pub(crate) struct Replicas {
    all: Arc<[Replica]>,
    next: Arc<AtomicUsize>,
    timeout: Duration,
}

impl Replicas {
    /// None of them is connected to yet: a replica that is down is no reason not to start.
    pub(crate) fn new(options: &PostgresOptions) -> Result<Self, StorageError> {
        let replica = |url: &String| {
            Ok(Replica {
                server: Target::parse(url)?.describe(),
                pool: connection::unconnected(
                    url,
                    Role::Replica,
                    options.pool_size,
                    options.replica_timeout,
                )?
                .0,
                skip_until: Mutex::new(None),
                answered: AtomicU64::new(0),
                behind: AtomicU64::new(0),
                failed: AtomicU64::new(0),
                in_vain: AtomicBool::new(false),
            })
        };
        let all = options.replicas.iter().map(replica).collect::<Result<Vec<_>, StorageError>>()?;
        Ok(Self { all: all.into(), next: Arc::default(), timeout: options.replica_timeout })
    }

    /// The next one that is not left alone.
    fn next(&self) -> Option<&Replica> {
        let first = self.next.fetch_add(1, Relaxed);
        let now = Instant::now();
        (0..self.all.len())
            .filter_map(|n| self.all.get(first.wrapping_add(n) % self.all.len()))
            .find(|replica| !replica.is_skipped(now))
    }

    /// A connection to a replica, if one may answer. `None`: ask the primary.
    pub(crate) async fn reader(&self, from: ReadFrom) -> Option<Reader<'_>> {
        let ReadFrom::AtLeast(position) = from else { return None };
        let at_least = i64::try_from(position.0).ok()?;
        let replica = self.next()?;
        match replica.pool.get().await {
            Ok(connection) => Some(Reader { replica, connection, at_least, timeout: self.timeout }),
            Err(error) => {
                replica.was_in_vain(NoUse::Failed(Box::new(error)));
                None
            }
        }
    }

    fn figures(&self) -> Vec<ReplicaFigures> {
        let now = Instant::now();
        let read = |figure: &AtomicU64| AtomicU64::load(figure, Relaxed);
        let figures = |replica: &Replica| ReplicaFigures {
            server: replica.server.clone(),
            answered: read(&replica.answered),
            behind: read(&replica.behind),
            failed: read(&replica.failed),
            skipped: replica.is_skipped(now),
        };
        self.all.iter().map(figures).collect()
    }
}

impl Replica {
    fn is_skipped(&self, now: Instant) -> bool {
        self.skip_until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|until| now < until)
    }

    /// How far it has come. `None`: it is no standby.
    async fn position(&self) -> Result<Option<LogPosition>, StorageError> {
        // The pool would try again and again, and then say that it took too long; this says what is wrong.
        let connection = self.pool.dedicated_connection().await;
        let mut connection = connection.map_err(|error| StorageError::Unavailable(Box::new(error)))?;
        let asked = Replayed {}.get_result::<(Option<i64>,)>(&mut connection).await;
        let (replayed,) = asked.map_err(|error| statement_failed(error, !connection.is_broken()))?;
        Ok(replayed.map(read::count).transpose()?.map(LogPosition))
    }

    fn has_answered(&self) {
        self.answered.fetch_add(1, Relaxed);
        self.in_vain.store(false, Relaxed);
        counter!("cartwright_db_replica_reads_total", "outcome" => "answered").increment(1);
    }

    fn was_in_vain(&self, no_use: NoUse) {
        let first = !self.in_vain.swap(true, Relaxed);
        let server = &self.server;
        match no_use {
            NoUse::Behind => {
                self.behind.fetch_add(1, Relaxed);
                counter!("cartwright_db_replica_reads_total", "outcome" => "behind").increment(1);
                if first {
                    tracing::warn!(server, "a database replica is behind; the primary answers");
                }
            }
            NoUse::Failed(error) => {
                self.failed.fetch_add(1, Relaxed);
                counter!("cartwright_db_replica_reads_total", "outcome" => "failed").increment(1);
                *self.skip_until.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Instant::now() + SKIPPED);
                if first {
                    tracing::warn!(
                        server,
                        error = &*error as &dyn std::error::Error,
                        "a database replica does not answer; the primary does"
                    );
                }
            }
        }
    }
}

/// A replica that is being asked.
pub(crate) struct Reader<'a> {
    replica: &'a Replica,
    connection: Pooled<'a>,
    at_least: i64,
    timeout: Duration,
}

impl Reader<'_> {
    /// For the statements of the read.
    pub(crate) fn pipe(&self) -> &AsyncPgConnection {
        &self.connection
    }

    /// One round trip. How far the replica has come is asked first, and it does not go back: what is read next is at
    /// least as new. `None`: ask the primary.
    pub(crate) async fn ask<T>(&self, read: impl Future<Output = QueryResult<T>>) -> Option<T> {
        let replayed = HasReplayed { at_least: self.at_least };
        let asked = async { join!(replayed.get_result::<(bool,)>(&mut self.pipe()), read) };
        let answer = match tokio::time::timeout(self.timeout, asked).await {
            Ok((Ok((true,)), Ok(answer))) => Ok(answer),
            Ok((Ok((false,)), _)) => Err(NoUse::Behind),
            Ok((Err(error), _) | (_, Err(error))) => Err(NoUse::Failed(Box::new(error))),
            Err(elapsed) => Err(NoUse::Failed(Box::new(elapsed))),
        };
        match answer {
            Ok(answer) => {
                self.replica.has_answered();
                Some(answer)
            }
            Err(no_use) => {
                self.replica.was_in_vain(no_use);
                None
            }
        }
    }
}

/// Reads where `$from` allows: `$pipe` is a connection in `$read`, a future of the answer. A replica that fails costs
/// nothing but time: the primary says what is wrong, if anything is.
///
/// A macro, because `$read` is written once and made twice: closures that borrow what they read with are not `Send`
/// enough for the traits of the store.
macro_rules! read_from {
    ($store:expr, $from:expr, |$pipe:ident| $read:expr) => {
        'answered: {
            if let Some(reader) = $store.replicas.reader($from).await {
                let $pipe = reader.pipe();
                if let Some(answer) = reader.ask($read).await {
                    break 'answered Ok(answer);
                }
            }
            $store
                .run(async |connection| {
                    let $pipe: &diesel_async::AsyncPgConnection = connection;
                    $read.await
                })
                .await
        }
    };
}
pub(crate) use read_from;

impl PostgresStore {
    /// What became of the reads of each replica, in the order of the configuration.
    pub fn replica_figures(&self) -> Vec<ReplicaFigures> {
        self.replicas.figures()
    }

    /// How far each replica has replayed the log, asked now, in the order of the configuration. `None`: it is no standby,
    /// and its answers are never used.
    ///
    /// # Errors
    /// For each: [`StorageError::Unavailable`] when it does not let us in or does not answer.
    pub async fn replica_positions(&self) -> Vec<Result<Option<LogPosition>, StorageError>> {
        let mut positions = Vec::with_capacity(self.replicas.all.len());
        for replica in self.replicas.all.iter() {
            positions.push(self.in_time(replica.position()).await);
        }
        positions
    }
}
