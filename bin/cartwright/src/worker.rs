use cartwright_jobs::{JobQueue, Worker};
use tokio_util::sync::CancellationToken;

use crate::{config::Settings, maintenance, serve::Signals, telemetry, wiring::AnyStore};

/// Works on jobs until it is told to stop.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let stop = CancellationToken::new();
    telemetry::init_metrics(stop.clone())?;
    let store = AnyStore::open(&settings.database).await?;
    for name in store.prepare(&settings.database).await? {
        tracing::info!(migration = %name, "applied");
    }
    let queue = JobQueue::new(store.jobs());
    let registry = maintenance::registry(&store.shop(), settings)?;
    let builder = Worker::builder(queue, registry).schedules(maintenance::schedules()?);
    let worker = builder.settings(settings.jobs.worker()?).start();
    tracing::info!(worker = %worker.name(), store = %settings.database.url, "ready");
    let name = signals.wait().await;
    tracing::info!(signal = name, "stopping: running jobs are finished; a second signal ends at once");
    worker.shutdown().await;
    stop.cancel();
    tracing::info!("stopped");
    Ok(())
}
