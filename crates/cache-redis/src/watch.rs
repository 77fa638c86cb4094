//! What goes on in the background: the heartbeat, and a look at each replica.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::RedisResult;

use crate::{carts::Inner, heartbeat::PERIOD};

/// How often a replica that is not read from is looked at.
const PROBE: Duration = Duration::from_millis(100);

/// Beats on the primary of the opening, and clears the suspicion on it when it answers.
pub(crate) async fn beat(inner: Arc<Inner>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let view = inner.views.current();
        let Some(opening) = view.usable() else { continue };
        let Some(endpoint) = inner.primary(opening) else { continue };
        let beaten: RedisResult<bool> = async {
            let Some(mut link) = endpoint.link_to(&opening.gate.primary).await? else { return Ok(false) };
            let mut beat = redis::cmd("SET");
            beat.arg(inner.heartbeat_key(&opening.namespace)).arg(inner.beats.next()).arg("PX").arg(10_000);
            link.command::<()>(&beat).await.map(|()| true)
        }
        .await;
        match beaten {
            Ok(true) => {
                if endpoint.set_suspect(false) {
                    tracing::info!(server = endpoint.name, "Redis answers");
                }
            }
            Ok(false) => {}
            Err(error) => {
                inner.failed(endpoint, &error);
                tokio::time::sleep(PROBE).await;
            }
        }
    }
}

/// Looks at a replica: how fresh it is, and whether it may be read from again.
pub(crate) async fn probe(inner: Arc<Inner>, at: usize) {
    let mut ticks = tokio::time::interval(PROBE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let Some(endpoint) = inner.endpoints.get(at) else { return };
    loop {
        ticks.tick().await;
        let view = inner.views.current();
        let Some(opening) = view.usable() else { continue };
        let Some(run_id) = opening.gate.replicas.endpoints.iter().find(|id| endpoint.is(id)) else {
            continue;
        };
        let looked: RedisResult<Option<(Option<Vec<u8>>, Instant)>> = async {
            let Some(mut link) = endpoint.link_to(run_id).await? else { return Ok(None) };
            let mut get = redis::cmd("GET");
            get.arg(inner.heartbeat_key(&opening.namespace));
            let beat = link.command(&get).await?;
            Ok(Some((beat, link.opened)))
        }
        .await;
        match looked {
            Ok(Some((Some(beat), opened))) => {
                let fresh = inner.believe(endpoint, &beat, opened);
                endpoint.set_suspect(!fresh);
            }
            Ok(_) => {
                endpoint.set_suspect(true);
            }
            Err(error) => inner.failed(endpoint, &error),
        }
        if let Some(age) = endpoint.freshness() {
            metrics::gauge!("cartwright_redis_replica_freshness_seconds", "server" => endpoint.name.clone())
                .set(age.as_secs_f64());
        }
    }
}
