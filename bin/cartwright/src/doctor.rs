//! Finds what is wrong before users do, and says how to mend it.

mod callers;

use std::{net::TcpListener, process::ExitCode, time::Duration};

use cartwright_cache_redis::{ServerReport, doctor as ask_redis};
use cartwright_domain::{Clock, SystemClock};
use cartwright_edge::{Pace, Purge, PurgeError, SurrogateKey, Varnish};
use cartwright_storage::{PositionStore, StorageError};
use cartwright_storage_postgres::PostgresStore;

use crate::{
    config::{CartCaching, Edge, SecretUrl, Settings, StoreKind},
    describe, out,
    wiring::{self, AnyStore},
};

/// Prints one line per check as it goes.
#[derive(Debug, Default)]
struct Findings {
    failed: bool,
    warned: u32,
}

/// A job that has been due for longer should have been begun.
const LATE: Duration = Duration::from_secs(60);

impl Findings {
    fn ok(&mut self, what: &str, found: impl std::fmt::Display) {
        out::line(format_args!("ok    {what}: {found}"));
    }

    fn warn(&mut self, what: &str, found: impl std::fmt::Display, mend: &str) {
        self.warned += 1;
        out::line(format_args!("warn  {what}: {found}\n      → {mend}"));
    }

    fn fail(&mut self, what: &str, found: impl std::fmt::Display, mend: &str) {
        self.failed = true;
        out::line(format_args!("fail  {what}: {found}\n      → {mend}"));
    }
}

/// Checks everything that can be checked from here. The exit code is 1 when something must be mended.
pub(crate) async fn run(settings: anyhow::Result<Settings>) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    match settings {
        Err(error) => findings.fail("configuration", describe(&error), "see docs/CONFIGURATION.md"),
        Ok(settings) => {
            findings.ok("configuration", "every key is known and in its range");
            port(&mut findings, &settings);
            callers::callers(&mut findings, &settings).await;
            database(&mut findings, &settings).await?;
            redis(&mut findings, &settings).await?;
            varnishes(&mut findings, &settings.edge).await?;
        }
    }
    Ok(if findings.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn port(findings: &mut Findings, settings: &Settings) {
    let address = settings.server.listen;
    match TcpListener::bind(address) {
        Ok(_) => findings.ok("server.listen", format_args!("{address} is free")),
        Err(error) => findings.warn(
            "server.listen",
            format_args!("{address}: {error}"),
            "fine when it is this server that runs there; else choose another with CARTWRIGHT__SERVER__LISTEN",
        ),
    }
    for (key, on, what) in [
        (
            "webhooks.allow_private",
            settings.webhooks.allow_private,
            "webhooks may be sent into private networks",
        ),
        (
            "webhooks.allow_http",
            settings.webhooks.allow_http,
            "webhooks may be sent where everybody can read them",
        ),
    ] {
        if on {
            findings.warn(key, what, "for tests and intranets; a list of hosts (webhooks.hosts) helps");
        }
    }
}

async fn database(findings: &mut Findings, settings: &Settings) -> anyhow::Result<()> {
    let url = &settings.database.url;
    if !wiring::exists(&settings.database)? {
        findings.ok("database", format_args!("{url} is not there yet; `cartwright serve` makes it"));
        return Ok(());
    }
    let store = match AnyStore::open(settings).await {
        Ok(store) => store,
        Err(error) => {
            let mend = match settings.database.kind()? {
                StoreKind::Sqlite(_) => {
                    "stop the process that uses the file to have it checked; check the path and its permissions"
                }
                StoreKind::Postgres => {
                    "check DATABASE_URL, that the server runs (pg_isready), that it lets this host and user in \
                     (pg_hba.conf), and that it is no standby"
                }
            };
            findings.fail("database", describe(&error), mend);
            return Ok(());
        }
    };
    findings.ok("database", format_args!("{url} lets us in"));
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => {
            findings.ok("migrations", "none pending");
            jobs(findings, &store).await;
        }
        Ok(pending) => findings.warn(
            "migrations",
            format_args!("pending: {}", pending.join(", ")),
            "run `cartwright migrate`",
        ),
        Err(error) => findings.fail("migrations", describe(&error), "check the rights of the database user"),
    }
    if let AnyStore::Postgres(store) = &store {
        replicas(findings, &settings.database.replica_urls, store).await;
    }
    Ok(())
}

/// Whether what waits is worked on, and what has failed for good.
async fn jobs(findings: &mut Findings, store: &AnyStore) {
    let (store, now) = (store.jobs(), SystemClock.now());
    let read = async { Ok::<_, StorageError>((store.queue_figures(now).await?, store.workers().await?)) };
    let (queues, workers) = match read.await {
        Ok(read) => read,
        Err(error) => {
            return findings.fail("jobs", describe(&error.into()), "check the rights of the database user");
        }
    };
    let before = (findings.failed, findings.warned);
    let alive = |queue: &str| {
        workers
            .iter()
            .any(|worker| worker.alive_until > now && worker.queues.iter().any(|name| name == queue))
    };
    for queue in &queues {
        let what = format!("jobs of {}", queue.queue);
        let late = queue.oldest_due.filter(|oldest| *oldest > LATE).map(|oldest| oldest.as_secs());
        match late {
            Some(seconds) if queue.paused => findings.warn(
                &what,
                format_args!("paused; {} are due, the first for {seconds} s", queue.due),
                "POST /api/v1/jobs/queues/NAME/resume lets the queue go on; so does the page at /jobs",
            ),
            Some(seconds) if !alive(queue.queue.as_str()) => findings.fail(
                &what,
                format_args!("{} are due, the first for {seconds} s, and no worker for them is alive", queue.due),
                "start `cartwright worker` (on SQLite `cartwright serve`), and see that jobs.queues names the queue, if \
                 it names any",
            ),
            Some(seconds) => findings.warn(
                &what,
                format_args!("{} are due, the first for {seconds} s", queue.due),
                "start more workers, or raise jobs.concurrency; see whether the queue is limited",
            ),
            None => {}
        }
        if queue.dead > 0 {
            findings.warn(
                &what,
                format_args!("{} have failed for good", queue.dead),
                "look at them at /jobs, or GET /api/v1/jobs?state=dead; then retry or remove them",
            );
        }
    }
    if before == (findings.failed, findings.warned) {
        let workers = workers.iter().filter(|worker| worker.alive_until > now).count();
        findings.ok("jobs", format_args!("none is late, none is dead; workers: {workers}"));
    }
}

/// Those of the database.
async fn replicas(findings: &mut Findings, urls: &[SecretUrl], store: &PostgresStore) {
    // Asked before the replicas are: one that has come so far lacked nothing then.
    let end = match store.position().await {
        Ok(end) => end.unwrap_or_default(),
        Err(error) => {
            return findings.fail("database", describe(&error.into()), "check that the server still runs");
        }
    };
    for (url, position) in urls.iter().zip(store.replica_positions().await) {
        let what = format!("replica {url}");
        match position {
            Ok(Some(position)) => {
                let behind = end.0.saturating_sub(position.0);
                findings.ok(&what, format_args!("answers, a standby, {behind} bytes behind"));
            }
            Ok(None) => findings.fail(
                &what,
                "it is no standby, and its answers are never used",
                "name a streaming replica of DATABASE_URL in DATABASE_REPLICA_URLS; one that was promoted has to be \
                 made anew (pg_basebackup)",
            ),
            Err(error) => findings.fail(
                &what,
                describe(&error.into()),
                "check DATABASE_REPLICA_URLS, that the server runs (pg_isready), and that it lets this host and user \
                 in (pg_hba.conf); until then the primary answers",
            ),
        }
    }
}

async fn redis(findings: &mut Findings, settings: &Settings) -> anyhow::Result<()> {
    let cache = &settings.cache;
    let Some(options) = wiring::redis_options(settings)? else {
        findings.ok("cache", wiring::describe_cache(settings)?);
        return Ok(());
    };
    if cache.carts == CartCaching::Off {
        findings.warn(
            "cache",
            "Redis is configured, but cache.carts is off",
            "set cache.carts = \"auto\" to use it",
        );
    }
    let reports = match ask_redis(&options).await {
        Ok(reports) => reports,
        Err(error) => {
            findings.fail("Redis", error, "check REDIS_URL and REDIS_REPLICA_URLS");
            return Ok(());
        }
    };
    let mut found = Vec::new();
    for (name, report) in reports {
        match report {
            Ok(report) => {
                server(findings, &name, &report);
                found.push((name, report));
            }
            Err(error) => findings.fail(
                &format!("Redis {name}"),
                error,
                "check the address, the password, and that it runs (redis-cli -u URL ping)",
            ),
        }
    }
    topology(findings, &found);
    Ok(())
}

/// One server, by itself.
fn server(findings: &mut Findings, name: &str, report: &ServerReport) {
    let what = format!("Redis {name}");
    let role = if report.primary { "primary" } else { "replica" };
    let major = report.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= 7) {
        findings.ok(&what, format_args!("answers, {role}, version {}", report.version));
    } else {
        findings.fail(&what, format_args!("version {}", report.version), "version 7.0 or newer is needed");
    }
    for (on, setting, off) in [
        (report.saves, "save", "CONFIG SET save ''"),
        (report.appends, "appendonly", "CONFIG SET appendonly no"),
    ] {
        match on {
            Some(true) => findings.warn(
                &what,
                format_args!(
                    "`{setting}` is on: after a restart or a restore an old dump may come back; Cartwright's \
                     namespaces guard against dumps older than 50 ms"
                ),
                &format!("the cache needs no disk: {off}, and the same in redis.conf"),
            ),
            Some(false) => findings.ok(&what, format_args!("`{setting}` is off")),
            None => findings.warn(
                &what,
                format_args!("it does not tell whether `{setting}` is on"),
                "allow this user CONFIG GET to have it checked",
            ),
        }
    }
}

/// Who follows whom.
fn topology(findings: &mut Findings, servers: &[(String, ServerReport)]) {
    let primaries: Vec<_> = servers.iter().filter(|(_, report)| report.primary).collect();
    let primary = match primaries.as_slice() {
        [] if servers.is_empty() => return,
        [] => {
            findings.fail(
                "Redis roles",
                "none of the servers takes writes",
                "promote one (REPLICAOF NO ONE)",
            );
            return;
        }
        [(name, primary)] => {
            findings.ok("Redis roles", format_args!("{name} takes writes, {} follow", servers.len() - 1));
            primary
        }
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            findings.fail(
                "Redis roles",
                format_args!("several take writes: {}", names.join(", ")),
                "make all but one of them replicas (REPLICAOF HOST PORT)",
            );
            return;
        }
    };
    let mut following = 0;
    for (name, replica) in servers.iter().filter(|(_, report)| !report.primary) {
        let what = format!("Redis {name}");
        let whom = replica.follows.as_deref().unwrap_or("nobody");
        if !replica.link_up {
            findings.fail(
                &what,
                format_args!("its link to {whom} is down"),
                "check network and masterauth on it",
            );
        } else if replica.replication_id != primary.replication_id {
            findings.fail(
                &what,
                format_args!("it follows {whom}, which is not the primary that is configured"),
                "REPLICAOF the primary, or correct REDIS_URL",
            );
        } else {
            following += 1;
            let behind = primary.offset.saturating_sub(replica.offset);
            findings.ok(&what, format_args!("follows {whom}, {behind} bytes behind"));
        }
    }
    if primary.attached.len() > following {
        findings.warn(
            "Redis replicas",
            format_args!("{} are attached to the primary, {following} are configured", primary.attached.len()),
            "name all of them in REDIS_REPLICA_URLS: with strangers attached, carts are read from the primary only",
        );
    }
}

/// Whether each takes what it will be told.
async fn varnishes(findings: &mut Findings, edge: &Edge) -> anyhow::Result<()> {
    // No answer depends on it.
    let key = [SurrogateKey::of("doctor", "nobody")];
    let patience = Pace::VARNISH.patience;
    for url in &edge.varnish_urls {
        let varnish = Varnish::new(url)?;
        let purged = tokio::time::timeout(patience, varnish.purge(&key)).await;
        let Err(error) = purged.unwrap_or(Err(PurgeError::Slow(patience))) else {
            findings.ok(&format!("Varnish {url}"), "accepts purges");
            continue;
        };
        let mend = match error {
            PurgeError::Unreachable(_) | PurgeError::Slow(_) => {
                "check edge.varnish_urls, that Varnish runs, and that it is reached from here"
            }
            PurgeError::Refused(_) => {
                "run it with deploy/varnish/default.vcl, and name the address of this host in its list `purgers`"
            }
            PurgeError::Rejected(_) => {
                "run it with deploy/varnish/default.vcl; varnishlog says what went wrong"
            }
        };
        findings.fail(&format!("Varnish {url}"), describe(&error.into()), mend);
    }
    Ok(())
}
