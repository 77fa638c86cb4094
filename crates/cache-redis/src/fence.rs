//! Fencing: no documents on the primary, and no replica that still has them would be believed.

use std::time::{Duration, Instant};

use cartwright_domain::{OpenGate, OwnerId};
use redis::FromRedisValue;

use crate::{
    carts::{Inner, lock},
    endpoint::{Endpoint, Over},
    heartbeat::{BOUND, BOUND_MARGIN},
    value::{self, Family},
};

/// How long a writer's token keeps readers away when the writer never comes back. Not a matter of correctness.
const WRITER_TOKEN: Duration = Duration::from_secs(5);
/// Tries to reach the primary inside a write; connections to a process that died fail once each.
const TRIES: usize = 8;
/// How long a write tries to reach the primary before the gate is closed.
const PATIENCE: Duration = Duration::from_millis(600);

impl Inner {
    /// Puts a token in place of documents, or nothing, and makes sure that no replica is believed that does not have it.
    pub(crate) async fn hide(
        &self,
        open: &OpenGate,
        owners: &[OwnerId],
        token: Option<&str>,
    ) -> Result<(), String> {
        let expected = open.replicas.attached.len();
        // While the set is changing, somebody may still read from a replica that no longer counts.
        let nobody_reads_replicas = expected == 0 && open.previous.is_none();
        let ask = expected > 0 && open.previous.is_none() && *lock(&self.acknowledged);
        let mut pipeline = redis::Pipeline::with_capacity(owners.len() + 3);
        let brief = WRITER_TOKEN.as_millis() as u64;
        if let Some(token) = token {
            for owner in owners {
                let key = value::key(Family::Carts, &open.namespace, owner);
                pipeline.cmd("SET").arg(key).arg(token).arg("PX").arg(brief).ignore();
            }
        } else {
            if !owners.is_empty() {
                pipeline.cmd("DEL").arg(value::keys(Family::Carts, &open.namespace, owners)).ignore();
            }
            if ask {
                // Keys that are gone already are not removed on the replicas again, where they may still be: what is
                // waited for must be a write.
                let mark = value::mark(&open.namespace);
                pipeline.cmd("SET").arg(mark).arg("").arg("PX").arg(brief).ignore();
            }
        }
        if ask {
            pipeline.cmd("WAIT").arg(expected).arg(BOUND.as_millis() as u64);
        }
        pipeline.cmd("ROLE");
        let mut answer: Vec<redis::Value> = self.insist(&open.primary, Over::Own, &pipeline).await?;
        let role = answer.pop();
        let all_attached = role.as_ref().and_then(attached) == Some(open.replicas.attached.clone());
        let count = answer.pop().and_then(|count| redis::from_redis_value::<usize>(count).ok());
        let acknowledged = ask && all_attached && count.is_some_and(|count| count >= expected);
        *lock(&self.acknowledged) = acknowledged || (!ask && all_attached);
        self.outwait(acknowledged || nobody_reads_replicas).await
    }

    /// Removes documents that are read from the primary only: no replica is waited for.
    pub(crate) async fn forget(
        &self,
        open: &OpenGate,
        family: Family,
        owners: &[OwnerId],
    ) -> Result<(), String> {
        let mut pipeline = redis::Pipeline::with_capacity(1);
        let keys = value::keys(family, &open.namespace, owners);
        pipeline.cmd("DEL").arg(keys).ignore();
        self.insist(&open.primary, Over::Near, &pipeline).await
    }

    /// Asks this very primary. Connections to a process that died fail once each, so that a blink of the network is
    /// outlasted; a server that is silent is not waited for again.
    async fn insist<T: FromRedisValue>(
        &self,
        run_id: &str,
        over: Over,
        pipeline: &redis::Pipeline,
    ) -> Result<T, String> {
        let began = Instant::now();
        let mut last = "no server is the primary of this opening".to_owned();
        for _ in 0..TRIES {
            for endpoint in self.primary_first(run_id) {
                match endpoint.pipeline(run_id, over, pipeline).await {
                    Ok(Some(answer)) => return Ok(answer),
                    Ok(None) => {}
                    Err(error) => last = error.to_string(),
                }
                if began.elapsed() > PATIENCE {
                    return Err(last);
                }
            }
        }
        Err(last)
    }

    /// The servers in the order in which they are likely to be this process: a node that has just started, or has lost
    /// sight of it for a moment, tries them all.
    fn primary_first(&self, run_id: &str) -> Vec<&Endpoint> {
        let mut endpoints: Vec<&Endpoint> = self.endpoints.iter().collect();
        endpoints.sort_by_key(|endpoint| !endpoint.is(run_id));
        endpoints
    }

    /// After the reply: a replica that did not get the tokens has not got any later heartbeat either.
    async fn outwait(&self, sure: bool) -> Result<(), String> {
        if sure {
            self.figures.acknowledged.increment(1);
            return Ok(());
        }
        #[cfg(feature = "fault-injection")]
        if std::env::var("CARTWRIGHT_FAULT").as_deref() == Ok("no-wait-for-replicas") {
            return Ok(());
        }
        self.figures.waited.increment(1);
        tokio::time::sleep(BOUND + BOUND_MARGIN).await;
        Ok(())
    }
}

/// The replicas in the answer to `ROLE`, as the gate keeps them. `None`: the server is no primary.
fn attached(role: &redis::Value) -> Option<Vec<String>> {
    let (kind, _offset, replicas): (String, u64, Vec<(String, String, String)>) =
        redis::from_redis_value(role.clone()).ok()?;
    let mut names: Vec<String> = replicas.into_iter().map(|(ip, port, _)| format!("{ip}:{port}")).collect();
    names.sort();
    (kind == "master").then_some(names)
}
