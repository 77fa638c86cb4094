use std::{io::IsTerminal, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::{config::LogFormat, one_line::OneLine};

/// From where to where the times of requests and statements lie, in seconds.
const SECONDS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Sizes of batches.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Sends the log to standard error, as `RUST_LOG` wants it.
pub(crate) fn init_log(format: LogFormat) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.trim().is_empty() => {
            EnvFilter::try_new(&text).with_context(|| format!("RUST_LOG is not a log filter: {text:?}"))?
        }
        // actix tells of every worker it starts and stops.
        _ => EnvFilter::new("info,actix_server=warn"),
    };
    let coloured = format == LogFormat::Text && std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(OneLine { coloured });
    let installed = match format {
        LogFormat::Text => log.with_ansi(coloured).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("the log cannot be set up: {error}"))
}

/// Collects metrics from now on; the handle renders them. Looked-up counters belong to the recorder of that moment, so
/// this comes before the service is made.
pub(crate) fn init_metrics(stop: CancellationToken) -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_batch".to_owned()), &SIZES))
        .context("the metrics' buckets")?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("the metrics' recorder")?;
    cartwright_http::describe_metrics();
    cartwright_jobs::describe_metrics();
    cartwright_events::describe_metrics();
    cartwright_identity::describe_metrics();
    crate::left_alone::describe_metrics();
    let upkeep = handle.clone();
    // Empties the histograms' queues when nobody scrapes.
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
