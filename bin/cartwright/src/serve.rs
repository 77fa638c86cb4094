use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, web::ServiceConfig};
use anyhow::Context;
use cartwright_catalog::CatalogService;
use cartwright_http::{AppState, HttpSettings, configure};
use cartwright_jobs::JobQueue;
use cartwright_storage::Store;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Server, Settings, StoreKind},
    demo, maintenance, out, people, sockets, telemetry,
    wiring::{AnyStore, describe_cache, settle, start_carts, start_catalog, start_events, start_orders},
};

/// How often the list of what is popular is written down.
const TEND_EVERY: Duration = Duration::from_secs(60);

/// Runs the server until it is told to stop.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    cartwright_http::check_routes()?;
    let signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let metrics = telemetry::init_metrics(stop.clone())?;
    let store = AnyStore::open(&settings).await?;
    for name in store.prepare(&settings.database).await? {
        tracing::info!(migration = %name, "applied");
    }
    let started = start_carts(&settings, &store).await?;
    let (carts, catalog) = (started.carts.clone(), start_catalog(&settings, &store, &started).await?);
    let orders = start_orders(&settings, &store, &started, &catalog)?;
    let seeded = seed_demo(&settings, &*store.store(), &catalog).await?;
    let jobs = JobQueue::new(store.jobs());
    let events = start_events(&settings, &store, &jobs, &started)?;
    let people = people::start(&settings, &store, &started, &catalog)?;
    let draining = Arc::new(AtomicBool::new(false));
    let state = AppState {
        carts: carts.clone(),
        catalog: catalog.clone(),
        jobs: jobs.clone(),
        orders: orders.clone(),
        events: events.clone(),
        people: people.clone(),
        access: settings.auth.access(&settings.server).await?,
        limits: settings.limits.start(Arc::clone(&started.limiter))?,
        load: settings.overload.load(),
        settings: Arc::new(HttpSettings {
            cors_origins: settings.server.cors_origins.clone(),
            edge: settings.edge.control(),
            ..HttpSettings::default()
        }),
        render_metrics: Arc::new(move || metrics.render()),
        draining: Arc::clone(&draining),
    };
    let at = Listening {
        key: "server.listen",
        address: settings.server.listen,
        workers: settings.server.worker_count(),
    };
    let (server, address, ended) = listen(&settings.server, at, configure(state))?;
    let services = maintenance::Services {
        carts: carts.clone(),
        orders: orders.clone(),
        events: events.clone(),
        sessions: people.sessions.clone(),
    };
    let workers = maintenance::start_in_serve(&settings, &jobs, &store.shop(), &services).await?;
    let tending = tend(catalog.clone(), settings.catalog.warm_per_second);
    tokio::spawn(stop.clone().run_until_cancelled_owned(tending));
    greet(&settings, address, seeded)?;

    let outcome = tokio::select! {
        outcome = ended => outcome.unwrap_or_else(|_lost| Err(anyhow::anyhow!("the HTTP server's thread ended"))),
        name = signals.wait() => {
            tracing::info!(signal = name, "stopping: requests in progress are finished; a second signal ends at once");
            draining.store(true, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(settings.server.drain_seconds)).await;
            server.stop(true).await;
            Ok(())
        }
    };
    // Before what its jobs use.
    if let Some(workers) = workers {
        workers.shutdown().await;
    }
    // Everything that was accepted, also what no client waits for any more.
    carts.shutdown().await;
    orders.shutdown().await;
    people::finish(&people).await;
    events.shutdown().await;
    settle(&catalog).await;
    stop.cancel();
    tracing::info!("stopped");
    outcome
}

/// Gives a new embedded database something to buy. Returns whether it did.
async fn seed_demo(settings: &Settings, store: &dyn Store, catalog: &CatalogService) -> anyhow::Result<bool> {
    let embedded = matches!(settings.database.kind()?, StoreKind::Sqlite(_));
    if !embedded || store.count_listings(1).await? > 0 {
        return Ok(false);
    }
    catalog.import(demo::products()?).await?;
    Ok(true)
}

/// Loads what was popular before, and then looks after the list of what is.
async fn tend(catalog: CatalogService, warm_per_second: usize) {
    if warm_per_second > 0 {
        match catalog.warm(warm_per_second).await {
            Ok(loaded) => tracing::debug!(loaded, "popular products are in memory"),
            Err(error) => tracing::debug!(%error, "popular products were not loaded"),
        }
    }
    let mut tick = tokio::time::interval(TEND_EVERY);
    loop {
        tick.tick().await;
        if let Err(error) = catalog.remember_hot_products().await {
            tracing::debug!(%error, "hot products could not be written down");
        }
    }
}

pub(crate) type Ended = oneshot::Receiver<anyhow::Result<()>>;

/// Where a server listens, by which key of the configuration, and on how many threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listening {
    pub(crate) key: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) workers: usize,
}

/// Starts actix on a thread of its own, for it runs its own kind of runtime. The port is open when this returns.
pub(crate) fn listen(
    settings: &Server,
    at: Listening,
    configure: impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<(ServerHandle, SocketAddr, Ended)> {
    let (started, start) = std::sync::mpsc::channel();
    let (end, ended) = oneshot::channel();
    let settings = settings.clone();
    std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        let outcome = actix_web::rt::System::new().block_on(async move {
            let server = match bind(&settings, at, configure) {
                Ok((server, address)) => {
                    let _ = started.send(Ok((server.handle(), address)));
                    server
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                    return Ok(());
                }
            };
            server.await
        });
        let _ = end.send(outcome.context("the HTTP server failed"));
    })?;
    let (handle, address) = start.recv().context("the HTTP server did not start")??;
    Ok((handle, address, ended))
}

fn bind(
    settings: &Server,
    at: Listening,
    configure: impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static,
) -> anyhow::Result<(actix_web::dev::Server, SocketAddr)> {
    let Listening { key, address: listen, workers } = at;
    sockets::raise_file_limit(settings, workers);
    let unread = settings.unread_seconds;
    let server = HttpServer::new(move || App::new().configure(configure.clone()))
        .on_connect(move |stream, _| sockets::close_unread(stream, unread))
        .workers(workers)
        .max_connections(settings.max_connections)
        .client_request_timeout(settings.request_timeout())
        .keep_alive(Duration::from_secs(settings.keep_alive))
        .backlog(2048)
        .shutdown_timeout(settings.shutdown_seconds)
        .disable_signals()
        .bind(listen)
        .map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => anyhow::anyhow!(
                "{key} {listen}: another program listens there; choose another port, as in \
                 CARTWRIGHT__{}={}:{}",
                key.to_uppercase().replace('.', "__"),
                listen.ip(),
                listen.port().wrapping_add(1)
            ),
            _ => anyhow::Error::new(error).context(format!("{key} {listen} cannot be listened on")),
        })?;
    // With port 0 the system has chosen one.
    let address = server.addrs().first().copied().unwrap_or(listen);
    Ok((server.run(), address))
}

fn greet(settings: &Settings, address: SocketAddr, seeded: bool) -> anyhow::Result<()> {
    let at = format!("http://{address}");
    out::line(format_args!("Cartwright {} is ready", env!("CARGO_PKG_VERSION")));
    out::line(format_args!("  store   {}", settings.database.url));
    out::line(format_args!("  cache   {}", describe_cache(settings)?));
    if seeded {
        out::line("  demo    the catalogue was empty: products \"1\" to \"20\" were added");
    }
    out::line(format_args!("  API     {at}/api/v1      health  {at}/health"));
    out::line(format_args!("  docs    {at}/docs        and     {at}/redoc"));
    out::line(format_args!(
        "  try     curl -X POST {at}/api/v1/carts/ana/items -H 'content-type: application/json' \
         -d '{{\"product_id\": 1, \"quantity\": 2}}'"
    ));
    tracing::info!(%address, store = %settings.database.url, cache = describe_cache(settings)?, "ready");
    Ok(())
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    first: oneshot::Receiver<&'static str>,
}

impl Signals {
    /// From now on the first signal is told, and the second one ends the process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (tell, first) = oneshot::channel();
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                }
            };
            let _ = tell.send(next().await);
            next().await;
            std::process::exit(130);
        });
        Ok(Self { first })
    }

    pub(crate) async fn wait(self) -> &'static str {
        match self.first.await {
            Ok(name) => name,
            Err(_lost) => std::future::pending().await,
        }
    }
}
