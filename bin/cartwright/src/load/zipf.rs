//! Measures the caches of products under requests as a shop has them: few products are asked for often, most hardly ever.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::task::JoinSet;

use super::client::Client;
use crate::{
    cli::ZipfOptions,
    out,
    seed::{Dice, popular},
};

/// Where a server says what its caches did.
const STATS: &str = "/api/v1/health/cache/stats";

/// Ranks from 1 to n, the r-th as likely as 1/r^s: the cumulated weights, searched by halves.
struct Ranks(Vec<f64>);

impl Ranks {
    fn new(n: u32, s: f64) -> Self {
        let mut sum = 0.0;
        let weight = |rank: u32| {
            sum += f64::from(rank).powf(-s);
            sum
        };
        Self((1..=n).map(weight).collect())
    }

    fn draw(&self, dice: &mut Dice) -> u32 {
        let all = self.0.last().copied().unwrap_or_default();
        let at = dice.share() * all;
        u32::try_from(self.0.partition_point(|sum| *sum <= at)).unwrap_or_default() + 1
    }
}

/// Asks a running server for the products of `cartwright seed`, and prints what its caches say of it.
pub(crate) async fn run(options: &ZipfOptions) -> anyhow::Result<()> {
    let ranks = Arc::new(Ranks::new(options.products, options.exponent));
    let before = stats(&options.url).await?;
    let mut answered = ask(options, &ranks, Duration::from_secs(options.warm_up), 1).await?;
    let warm = stats(&options.url).await?;
    answered += ask(options, &ranks, Duration::from_secs(options.seconds), 2).await?;
    let after = stats(&options.url).await?;
    out::line(format_args!(
        "GET /api/v1/products/{{id}}/cached, {} products, Zipf s = {}, {} connections: {answered} answers",
        options.products, options.exponent, options.connections
    ));
    out::line("\n|         | requests |     l1 |     l2 |  loads | hits % | database reads saved % |");
    out::line("| ------- | -------: | -----: | -----: | -----: | -----: | ---------------------: |");
    out::line(row("warm-up", &before, &warm));
    out::line(row("then", &warm, &after));
    Ok(())
}

fn row(name: &str, from: &Value, to: &Value) -> String {
    let figure = |name: &str| {
        let at =
            |stats: &Value| stats.get("kinds").and_then(|kinds| kinds.get("product")?.get(name)?.as_u64());
        at(to).unwrap_or_default() - at(from).unwrap_or_default()
    };
    let (l1, l2, loads, coalesced) =
        (figure("l1_hits"), figure("l2_hits"), figure("loads"), figure("coalesced"));
    let requests = l1 + l2 + loads + coalesced;
    let share = |part: u64| 100.0 * part as f64 / requests.max(1) as f64;
    // Renewals and what was loaded ahead are reads of the database too.
    let reads = loads + figure("refreshes") + figure("prefetched");
    let mut row = String::new();
    let _ = write!(
        row,
        "| {name:7} | {requests:8} | {l1:6} | {l2:6} | {loads:6} | {:6.2} | {:22.2} |",
        share(requests - loads),
        share(requests.saturating_sub(reads)),
    );
    row
}

async fn stats(url: &str) -> anyhow::Result<Value> {
    let answer = Client::connect(url).await?.send("GET", STATS, "").await?;
    ensure!(answer.status == 200, "{url}{STATS}: status {}", answer.status);
    serde_json::from_slice(&answer.body).context("the caches' figures cannot be read")
}

/// Returns how many requests were answered.
async fn ask(options: &ZipfOptions, ranks: &Arc<Ranks>, time: Duration, phase: u64) -> anyhow::Result<u64> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for connection in 0..options.connections {
        let (ranks, products) = (Arc::clone(ranks), options.products);
        let mut client = Client::connect(&options.url).await?;
        tasks.spawn(async move {
            let mut dice = Dice::of(phase, 3, connection.into());
            let mut answered = 0_u64;
            while Instant::now() < end {
                let path =
                    format!("/api/v1/products/seed-{}/cached", popular(ranks.draw(&mut dice), products));
                let answer = client.send("GET", &path, "").await?;
                ensure!(answer.status == 200, "{path} was answered with status {}", answer.status);
                answered += 1;
            }
            anyhow::Ok(answered)
        });
    }
    let mut answered = 0;
    while let Some(outcome) = tasks.join_next().await {
        answered += outcome??;
    }
    Ok(answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_fall_off_as_they_should() {
        let ranks = Ranks::new(1000, 0.99);
        let mut dice = Dice::of(1, 1, 1);
        let mut seen = vec![0_u32; 1001];
        for _ in 0..200_000 {
            seen[ranks.draw(&mut dice) as usize] += 1;
        }
        assert_eq!(seen[0], 0);
        let ratio = f64::from(seen[1]) / f64::from(seen[10]);
        assert!((8.0..12.0).contains(&ratio), "{ratio}");
        assert_eq!(Ranks::new(1, 0.99).draw(&mut dice), 1);
    }
}
