use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_web::dev::ServerHandle;
use cartwright_http::{AppState, HttpSettings, Load, configure_operations};
use cartwright_jobs::JobQueue;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    maintenance, people,
    serve::{Listening, Signals, listen},
    telemetry,
    wiring::{AnyStore, settle, start_carts, start_catalog, start_events, start_orders},
    workers::Workers,
};

/// Works on jobs until it is told to stop.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let metrics = telemetry::init_metrics(stop.clone())?;
    let store = AnyStore::open(settings).await?;
    for name in store.prepare(&settings.database).await? {
        tracing::info!(migration = %name, "applied");
    }
    // What jobs do to orders, carts and products, caches hear of as from any other node.
    let started = start_carts(settings, &store).await?;
    let catalog = start_catalog(settings, &store, &started).await?;
    let orders = start_orders(settings, &store, &started, &catalog)?;
    let queue = JobQueue::new(store.jobs());
    let events = start_events(settings, &store, &queue, &started)?;
    let people = people::start(settings, &store, &started, &catalog)?;
    let draining = Arc::new(AtomicBool::new(false));
    let state = AppState {
        carts: started.carts.clone(),
        catalog: catalog.clone(),
        jobs: queue.clone(),
        orders: orders.clone(),
        events: events.clone(),
        people: people.clone(),
        access: settings.auth.access(&settings.server).await?,
        limits: None,
        load: Load::default(),
        settings: Arc::new(HttpSettings::default()),
        render_metrics: Arc::new(move || metrics.render()),
        draining: Arc::clone(&draining),
    };
    let server = answer(settings, state)?;
    let services = maintenance::Services {
        carts: started.carts.clone(),
        orders: orders.clone(),
        events: events.clone(),
        sessions: people.sessions.clone(),
    };
    let registry = maintenance::registry(settings, &store.shop(), &queue, &services)?;
    let workers = Workers::start(settings, &queue, &registry, settings.jobs.worker()?)?;
    tracing::info!(workers = ?workers.names(), store = %settings.database.url, "ready");
    let name = signals.wait().await;
    tracing::info!(signal = name, "stopping: running jobs are finished; a second signal ends at once");
    draining.store(true, Ordering::Relaxed);
    workers.shutdown().await;
    events.shutdown().await;
    started.carts.shutdown().await;
    orders.shutdown().await;
    people::finish(&people).await;
    settle(&catalog).await;
    if let Some(server) = server {
        server.stop(true).await;
    }
    stop.cancel();
    tracing::info!("stopped");
    Ok(())
}

/// Answers those who watch over the worker, if it is to. Until the end of the process, or until it is stopped.
fn answer(settings: &Settings, state: AppState) -> anyhow::Result<Option<ServerHandle>> {
    let Some(address) = settings.jobs.listen else { return Ok(None) };
    let at = Listening { key: "jobs.listen", address, workers: 1 };
    let (server, address, _ended) = listen(&settings.server, at, configure_operations(state))?;
    tracing::info!(%address, "answers /livez, /readyz, /health and /metrics");
    Ok(Some(server))
}
