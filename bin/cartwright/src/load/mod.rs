//! Measures cart reads with the cache on and off.
//!
//! A closed loop: each connection sends its next request when the answer to the last one has come. So the percentiles
//! are those of a server that is as busy as it can be, and are not corrected for requests that never were sent.

pub(crate) mod client;
mod zipf;

use std::{
    ffi::OsStr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use tokio::{process::Command, task::JoinSet};

use self::client::Client;
pub(crate) use self::zipf::run as zipf;
use crate::{
    cli::LoadOptions,
    config::{Settings, StoreKind},
    out,
    seed::owner,
};

/// How long each server runs under load before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// Measures two servers that run already.
pub(crate) async fn remote(options: &LoadOptions) -> anyhow::Result<()> {
    let (Some(cached), Some(uncached)) = (&options.cached_url, &options.uncached_url) else {
        bail!("--cached-url and --uncached-url go together");
    };
    let cached = measure(cached, options).await?;
    let uncached = measure(uncached, options).await?;
    print(&cached, &uncached, options);
    Ok(())
}

/// Starts the servers itself, one after the other: an embedded database has one user at a time.
pub(crate) async fn local(
    settings: &Settings,
    config: Option<&Path>,
    options: &LoadOptions,
) -> anyhow::Result<()> {
    let no_cache =
        matches!(settings.database.kind()?, StoreKind::Postgres) && settings.cache.redis_url.is_none();
    ensure!(!no_cache, "on PostgreSQL there is no cache to measure without Redis: set REDIS_URL");
    let cached = with_server("auto", config, options).await?;
    let uncached = with_server("off", config, options).await?;
    print(&cached, &uncached, options);
    Ok(())
}

async fn with_server(carts: &str, config: Option<&Path>, options: &LoadOptions) -> anyhow::Result<Figures> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let url = format!("http://127.0.0.1:{port}");
    let mut server = Command::new(std::env::current_exe()?)
        .arg("serve")
        .args(config.iter().flat_map(|file| [OsStr::new("--config"), file.as_os_str()]))
        .env("CARTWRIGHT__SERVER__LISTEN", format!("127.0.0.1:{port}"))
        .env("CARTWRIGHT__CACHE__CARTS", carts)
        .env("RUST_LOG", "warn")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("the server to be measured cannot be started")?;
    let began = Instant::now();
    while Client::connect(&url).await.is_err() {
        if let Some(status) = server.try_wait()? {
            bail!("the server to be measured ended: {status}");
        }
        ensure!(began.elapsed() < START, "the server to be measured did not start within {START:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let figures = measure(&url, options).await;
    // Nothing is written to it, so nothing is lost.
    server.kill().await?;
    figures
}

/// What was measured, in microseconds, in order.
struct Figures(Vec<u32>, Duration);

async fn measure(url: &str, options: &LoadOptions) -> anyhow::Result<Figures> {
    let mut first = Client::connect(url).await?;
    let answer = first.send("GET", &path(1), "").await?;
    ensure!(
        answer.status == 200 && answer.body.starts_with(b"{"),
        "{url}{}: status {}: {}",
        path(1),
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    let start = Instant::now() + WARM_UP;
    let end = start + Duration::from_secs(options.seconds);
    let mut tasks = JoinSet::new();
    for connection in 0..options.connections {
        let mut client = Client::connect(url).await?;
        let users = options.users;
        tasks.spawn(async move {
            let mut times = Vec::new();
            let mut user = connection;
            loop {
                // A stride that is prime to most numbers of users: connections do not walk in step.
                user = user.wrapping_add(7_919);
                let sent = Instant::now();
                if sent >= end {
                    return anyhow::Ok(times);
                }
                let answer = client.send("GET", &path(user % users + 1), "").await?;
                ensure!(answer.status == 200, "a read was answered with status {}", answer.status);
                if sent >= start {
                    times.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
            }
        });
    }
    let mut times = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        times.extend(outcome??);
    }
    times.sort_unstable();
    ensure!(!times.is_empty(), "no request was answered in time");
    Ok(Figures(times, Duration::from_secs(options.seconds)))
}

fn path(user: u32) -> String {
    format!("/api/v1/carts/{}", owner(user))
}

impl Figures {
    fn per_second(&self) -> f64 {
        self.0.len() as f64 / self.1.as_secs_f64()
    }

    fn average(&self) -> f64 {
        self.0.iter().map(|&time| f64::from(time)).sum::<f64>() / self.0.len() as f64 / 1000.0
    }

    /// The time within which `share` of a thousand requests were answered, in milliseconds.
    fn within(&self, share: usize) -> f64 {
        let place = (self.0.len() * share).div_ceil(1000).saturating_sub(1);
        self.0.get(place).map_or(0.0, |&time| f64::from(time) / 1000.0)
    }
}

fn print(cached: &Figures, uncached: &Figures, options: &LoadOptions) {
    out::line(format_args!(
        "GET {} over {} carts, {} connections, {} s each; times in ms",
        path(1).replace("user-000001", "{user}"),
        options.users,
        options.connections,
        options.seconds
    ));
    out::line("\n|          | requests/s |    avg |    min |    p50 |    p95 |    p99 |     max |");
    out::line("| -------- | ---------: | -----: | -----: | -----: | -----: | -----: | ------: |");
    for (name, figures) in [("cached", cached), ("uncached", uncached)] {
        out::line(format_args!(
            "| {name:8} | {:10.0} | {:6.3} | {:6.3} | {:6.3} | {:6.3} | {:6.3} | {:7.3} |",
            figures.per_second(),
            figures.average(),
            figures.within(0),
            figures.within(500),
            figures.within(950),
            figures.within(990),
            figures.within(1000),
        ));
    }
    out::line(format_args!(
        "\ncached/uncached: {:.2} × requests/s",
        cached.per_second() / uncached.per_second()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let figures = Figures((1..=1000).map(|n| n * 1000).collect(), Duration::from_secs(2));
        assert_eq!((figures.within(0), figures.within(500), figures.within(1000)), (1.0, 500.0, 1000.0));
        assert_eq!((figures.within(990), figures.average(), figures.per_second()), (990.0, 500.5, 500.0));
    }
}
