//! Which jobs there are, and when: those that look after the database itself, and those of orders.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use cartwright_cart::CartService;
use cartwright_domain::{Clock, SystemClock};
use cartwright_events::EventService;
use cartwright_identity::sessions::SessionService;
use cartwright_jobs::{Job, JobContext, JobFailure, JobQueue, Policy, Registry, Schedule, WorkerSettings};
use cartwright_orders::{NothingToDo, OrderService, OrdersError};
use cartwright_storage::{JobError, JobName, ShopStore, StorageError};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::{
    config::{InServe, Settings},
    left_alone,
    workers::Workers,
};

/// The queue of all of them.
const QUEUE: &str = "maintenance";
/// Rows that one statement removes.
const AT_ONCE: u32 = 5_000;
/// Rows of events that one statement removes; each may have hundreds of them.
const EVENT_ROWS_AT_ONCE: u32 = 1_000;
/// How much longer than a portion the pause after it is.
const PAUSES: u32 = 3;
/// Orders that are counted in one transaction.
const COUNTED_AT_ONCE: u32 = 1_000;
/// Holds whose units are given back in one transaction. Their products are locked as long.
const EXPIRED_AT_ONCE: u32 = 100;
/// For how long a worker that was heard of no more is listed.
const WORKERS_LISTED: TimeDelta = TimeDelta::hours(1);

/// Declares jobs that are about nothing but themselves. One of each kind waits or runs at a time, and each is tried again
/// at its next time. Some may take longer than others.
macro_rules! maintenance {
    ($($(#[$doc:meta])* $name:ident = $kind:literal $(within $minutes:literal minutes)?),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize)]
        struct $name {}

        impl Job for $name {
            const KIND: &'static str = $kind;
            const QUEUE: &'static str = QUEUE;

            fn policy() -> Policy {
                Policy {
                    max_attempts: 3,
                    $(timeout: Duration::from_secs($minutes * 60),)?
                    ..Policy::default()
                }
            }

            fn unique_key(&self) -> Option<String> {
                Some($kind.to_owned())
            }
        }
    )*};
}

maintenance! {
    /// Forgets idempotency keys: they are kept for a day.
    ForgetKeys = "keys.forget",
    /// Removes kept results that no longer count.
    CleanResults = "results.clean",
    /// Counts new orders for statistics and recommendations.
    RefreshStatistics = "statistics.refresh",
    /// Removes jobs that were finished long ago.
    CleanJobs = "jobs.clean",
    /// Compares stock with its ledger.
    AuditStock = "stock.audit" within 35 minutes,
    /// Removes events that were kept for long enough.
    CleanEvents = "events.clean",
    /// Tells of holds that are about to expire.
    WarnOfHolds = "holds.warn",
    /// Gives back what is in holds that have expired.
    ExpireHolds = "holds.expire",
    /// Removes sessions that have expired.
    CleanSessions = "sessions.clean",
    /// Removes holds that ended long ago.
    ForgetHolds = "holds.forget",
    /// Tells of carts that were left alone for hours.
    TellAbandoned = "carts.abandoned",
    /// Empties carts that were left alone for weeks.
    ExpireCarts = "carts.expire",
}

/// Whom jobs are done by.
pub(crate) struct Services {
    pub(crate) carts: CartService,
    pub(crate) orders: OrderService,
    pub(crate) events: EventService,
    pub(crate) sessions: SessionService,
}

/// The handlers of all jobs that there are.
pub(crate) fn registry(
    settings: &Settings,
    store: &Arc<dyn ShopStore>,
    queue: &JobQueue,
    services: &Services,
) -> anyhow::Result<Registry> {
    let registry = upkeep(store, &services.orders, settings)?;
    cartwright_orders::handlers(registry, &services.orders, queue, Arc::new(NothingToDo))
        .and_then(|registry| of_events(registry, settings, store))
        .and_then(|registry| of_carts(registry, settings, store, &services.carts))
        .and_then(|registry| of_sessions(registry, &services.sessions))
        .and_then(|registry| services.events.register(registry))
        .context("a job with a bad name")
}

/// Where Redis keeps sessions, they go by themselves.
fn of_sessions(registry: Registry, sessions: &SessionService) -> Result<Registry, JobError> {
    let sessions = sessions.clone();
    registry.on(move |_: CleanSessions, context| {
        let sessions = sessions.clone();
        in_portions(context, async move || sessions.clean(AT_ONCE).await.map(all))
    })
}

/// Those that look after the database.
fn upkeep(
    store: &Arc<dyn ShopStore>,
    orders: &OrderService,
    settings: &Settings,
) -> anyhow::Result<Registry> {
    let shared = || Arc::clone(store);
    let keep = TimeDelta::hours(settings.jobs.keep_done_hours.into());
    let (keys, results, statistics, jobs, stock) = (shared(), shared(), shared(), shared(), shared());
    let keep_holds = TimeDelta::days(settings.holds.keep_days.into());
    let (orders, holds) = (orders.clone(), shared());
    let registry = Registry::new()
        .on(move |_: ForgetKeys, context| {
            let store = Arc::clone(&keys);
            in_portions(context, async move || store.forget_old_keys(&SystemClock, AT_ONCE).await.map(all))
        })
        .and_then(|registry| {
            registry.on(move |_: CleanResults, context| {
                let store = Arc::clone(&results);
                in_portions(context, async move || {
                    store.clean_cached(SystemClock.now(), AT_ONCE).await.map(all)
                })
            })
        })
        .and_then(|registry| {
            registry.on(move |_: RefreshStatistics, context| {
                let store = Arc::clone(&statistics);
                in_portions(context, async move || {
                    store.refresh_statistics(SystemClock.now(), COUNTED_AT_ONCE).await.map(|done| done.more)
                })
            })
        })
        .and_then(|registry| {
            registry.on(move |_: CleanJobs, context| {
                let store = Arc::clone(&jobs);
                in_portions(context, async move || {
                    let now = SystemClock.now();
                    store.forget_workers(None, now - WORKERS_LISTED).await?;
                    store.clean_finished(now - keep, AT_ONCE).await.map(all)
                })
            })
        })
        .and_then(|registry| {
            registry.on(move |_: AuditStock, _context| {
                let store = Arc::clone(&stock);
                async move { audit(&*store).await }
            })
        })
        .and_then(|registry| {
            registry.on(move |_: ExpireHolds, context| {
                let orders = orders.clone();
                in_portions(context, async move || {
                    let expired = orders.expire_holds(EXPIRED_AT_ONCE).await?;
                    Ok::<_, OrdersError>(expired >= u64::from(EXPIRED_AT_ONCE))
                })
            })
        })
        .and_then(|registry| {
            registry.on(move |_: ForgetHolds, context| {
                let store = Arc::clone(&holds);
                in_portions(context, async move || {
                    store.forget_holds(SystemClock.now() - keep_holds, AT_ONCE).await.map(all)
                })
            })
        });
    registry.context("a job with a bad name")
}

/// The figure is none when nothing could be counted: what was right an hour ago need not be so now.
async fn audit(store: &dyn ShopStore) -> Result<(), JobFailure> {
    let counted = store.stock_drift().await;
    metrics::gauge!("cartwright_stock_drift")
        .set(counted.as_ref().map_or(f64::NAN, |products| *products as f64));
    let drift = counted?;
    if drift > 0 {
        tracing::error!(products = drift, "stock is not what its ledger says");
    }
    Ok(())
}

/// Those that look after events.
fn of_events(
    registry: Registry,
    settings: &Settings,
    store: &Arc<dyn ShopStore>,
) -> Result<Registry, JobError> {
    let (keep, kept) = (TimeDelta::hours(settings.events.keep_hours.into()), Arc::clone(store));
    let registry = registry.on(move |_: CleanEvents, context| {
        let store = Arc::clone(&kept);
        in_portions(context, async move || {
            let rows = store.clean_events(SystemClock.now() - keep, EVENT_ROWS_AT_ONCE).await?;
            Ok::<_, StorageError>(rows >= u64::from(EVENT_ROWS_AT_ONCE))
        })
    })?;
    let (ahead, warned) = (TimeDelta::seconds(settings.events.hold_seconds.into()), Arc::clone(store));
    registry.on(move |_: WarnOfHolds, context| {
        let store = Arc::clone(&warned);
        in_portions(context, async move || {
            let now = SystemClock.now();
            let told = store.holds_expiring(now, now + ahead, EXPIRED_AT_ONCE).await?;
            Ok::<_, StorageError>(told.len() >= EXPIRED_AT_ONCE as usize)
        })
    })
}

/// Those that look after carts that nobody touches.
fn of_carts(
    registry: Registry,
    settings: &Settings,
    store: &Arc<dyn ShopStore>,
    carts: &CartService,
) -> Result<Registry, JobError> {
    let policy = left_alone::Policy::of(settings);
    let (telling, told) = (policy.clone(), Arc::clone(store));
    let (expired, carts) = (Arc::clone(store), carts.clone());
    registry
        .on(move |_: TellAbandoned, context| {
            let (store, policy) = (Arc::clone(&told), telling.clone());
            in_portions(context, async move || policy.tell(&store).await)
        })?
        .on(move |_: ExpireCarts, context: JobContext| {
            let (store, policy, carts) = (Arc::clone(&expired), policy.clone(), carts.clone());
            async move {
                while policy.expire(&store, &carts).await? && !context.is_stopped() {}
                Ok(())
            }
        })
}

/// Whether as many rows as might be: there may be more.
fn all(rows: u64) -> bool {
    rows >= u64::from(AT_ONCE)
}

/// Until there is no more, or somebody wants it to stop: the next run goes on from there. Nobody waits for it, so it leaves
/// the database to others most of the time.
async fn in_portions<E: std::error::Error + Send + Sync + 'static>(
    context: JobContext,
    portion: impl AsyncFn() -> Result<bool, E>,
) -> Result<(), JobFailure> {
    loop {
        let began = Instant::now();
        let more = portion().await?;
        if !more || timeout(began.elapsed() * PAUSES, context.stopped()).await.is_ok() {
            return Ok(());
        }
    }
}

/// When they are done. UTC.
pub(crate) fn schedules() -> anyhow::Result<Vec<Schedule>> {
    Ok(vec![
        Schedule::new("keys.forget", "7 * * * *", |_| ForgetKeys {})?,
        Schedule::new("results.clean", "* * * * *", |_| CleanResults {})?,
        Schedule::new("statistics.refresh", "* * * * *", |_| RefreshStatistics {})?,
        Schedule::new("jobs.clean", "*/10 * * * *", |_| CleanJobs {})?,
        Schedule::new("sessions.clean", "*/10 * * * *", |_| CleanSessions {})?,
        Schedule::new("events.clean", "*/10 * * * *", |_| CleanEvents {})?,
        Schedule::new("carts.abandoned", "*/10 * * * *", |_| TellAbandoned {})?,
        Schedule::new("carts.expire", "37 * * * *", |_| ExpireCarts {})?,
        // Reads all of the ledger.
        Schedule::new("stock.audit", "23 * * * *", |_| AuditStock {})?,
        // Every ten seconds. Nobody who wants to buy waits for it; shoppers see a little earlier what is back.
        Schedule::new("holds.expire", "*/10 * * * * *", |_| ExpireHolds {})?,
        Schedule::new("holds.warn", "5-59/10 * * * * *", |_| WarnOfHolds {})?,
        Schedule::new("holds.forget", "37 * * * *", |_| ForgetHolds {})?,
    ])
}

/// The workers inside `serve`. `None`: there are to be none.
pub(crate) async fn start_in_serve(
    settings: &Settings,
    queue: &JobQueue,
    store: &Arc<dyn ShopStore>,
    services: &Services,
) -> anyhow::Result<Option<Workers>> {
    let worker = settings.jobs.worker()?;
    let worker = match settings.jobs.in_serve(&settings.database.kind()?) {
        InServe::Off => return Ok(None),
        InServe::Maintenance => {
            let queues = Some(vec![JobName::new(QUEUE)?]);
            // Few, so that they take no connections from the shoppers; and not one, for some take minutes.
            WorkerSettings { queues, concurrency: 2, ..worker }
        }
        InServe::Auto | InServe::All => WorkerSettings { queues: None, ..worker },
    };
    let workers = Workers::start(settings, queue, &registry(settings, store, queue, services)?, worker)?;
    // Not only at the next minute: what was imported or restored is counted when the server is there.
    if let Err(error) = queue.enqueue(&RefreshStatistics {}).await {
        tracing::warn!(%error, "statistics wait for their next time");
    }
    Ok(Some(workers))
}

#[cfg(test)]
mod tests {
    use cartwright_storage_sqlite::{SqliteOptions, SqliteStore};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn an_audit_that_fails_leaves_no_figure_of_before() {
        let (recorder, folder) = (PrometheusBuilder::new().build_recorder(), tempfile::tempdir().unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let told = || {
            let rendered = recorder.handle().render();
            let mut lines = rendered.lines();
            lines.find_map(|line| line.strip_prefix("cartwright_stock_drift ").map(str::to_owned))
        };
        let open = async |name| SqliteStore::open(&folder.path().join(name), SqliteOptions::default()).await;
        let (whole, empty) = (runtime.block_on(open("a")).unwrap(), runtime.block_on(open("b")).unwrap());
        runtime.block_on(whole.migrate()).unwrap();
        let audited =
            |store| metrics::with_local_recorder(&recorder, || runtime.block_on(audit(store)).is_ok());
        assert_eq!((audited(&whole), told()), (true, Some("0".to_owned())));
        assert_eq!((audited(&empty), told()), (false, Some("NaN".to_owned())));
    }
}
