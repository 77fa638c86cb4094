//! Looks after the gate: observes it for the cache, opens it, moves it to another server, closes it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright_cache::{CartCache, Survey};
use cartwright_coherence::close_gate;
use cartwright_domain::{Gate, GateState, OpenGate, ReadSet};
use cartwright_storage::Store;
use tokio_util::sync::CancellationToken;

/// How the gate is looked after.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// How often the row is read. Well below the lease (2 s), or leases run out and reads go to the database.
    pub poll: Duration,
    /// How long the gate stays closed at least when it was closed for a fault; doubles for repeated faults.
    pub pause: Duration,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self { poll: Duration::from_millis(500), pause: Duration::from_secs(2) }
    }
}

/// What should be done about the gate.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Close(&'static str),
    Open { primary: String, replicas: ReadSet },
    Change { to: ReadSet, previous: Option<ReadSet> },
}

/// How long a set of replicas, once given up, may still be read from by somebody: a lease, with a margin.
const SET_CHANGE: Duration = Duration::from_millis(2_500);

/// Decides from what is known. Pure.
///
/// * `waited`: the gate was seen closed for as long as any lease lasts.
/// * `steady`: for how long the set of replicas has stood as it is.
fn decide(gate: &Gate, survey: &Survey, waited: bool, steady: Duration) -> Step {
    match (&gate.state, survey) {
        // Writers close when they find the cache out of reach; for readers it is enough not to use it.
        (_, Survey::Unreachable) => Step::Nothing,
        (GateState::Closed { may_open }, Survey::Found { primary, replicas }) => {
            if *may_open && waited {
                Step::Open { primary: primary.clone(), replicas: replicas.clone() }
            } else {
                Step::Nothing
            }
        }
        (GateState::Open(open), Survey::Found { primary, .. }) if *primary != open.primary => {
            Step::Close("another server takes writes")
        }
        (GateState::Open(open), Survey::Found { replicas, .. }) => match &open.previous {
            Some(_) if steady >= SET_CHANGE => Step::Change { to: open.replicas.clone(), previous: None },
            Some(_) => Step::Nothing,
            // A write that is under way knows nothing of a replica that joins: only a new opening lets one in.
            None if replicas.endpoints.iter().any(|id| !open.replicas.endpoints.contains(id)) => {
                Step::Close("a replica joined")
            }
            None if *replicas != open.replicas => {
                Step::Change { to: replicas.clone(), previous: Some(open.replicas.clone()) }
            }
            None => Step::Nothing,
        },
    }
}

/// Runs until cancelled.
pub(crate) async fn keep(
    store: Arc<dyn Store>,
    cache: Arc<dyn CartCache>,
    settings: GateSettings,
    stop: CancellationToken,
) {
    let mut keeper = Keeper { store, cache, settings, steady: None, differs: 0 };
    while stop.run_until_cancelled(keeper.turn()).await.is_some() {
        let pause = tokio::time::sleep(keeper.settings.poll);
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

struct Keeper {
    store: Arc<dyn Store>,
    cache: Arc<dyn CartCache>,
    settings: GateSettings,
    /// The opening as last seen, and since when.
    steady: Option<(Gate, Instant)>,
    /// How many surveys in a row disagreed with the row: one is not enough, a link that blinks is not a change.
    differs: u32,
}

impl Keeper {
    async fn turn(&mut self) {
        let asked = Instant::now();
        let gate = match self.store.gate().await {
            Ok(gate) => gate,
            Err(error) => {
                // Without an answer the lease runs out, and reads go to the database.
                tracing::debug!(error = %error, "the gate could not be read");
                return;
            }
        };
        self.cache.observe(&gate, asked);
        metrics::gauge!("cartwright_gate_open").set(if gate.open().is_some() { 1.0 } else { 0.0 });
        metrics::gauge!("cartwright_gate_epoch").set(gate.epoch as f64);
        let since = match &self.steady {
            Some((seen, since)) if *seen == gate => *since,
            _ => {
                let now = Instant::now(); // not `asked`: it may have changed between the question and the answer
                self.steady = Some((gate.clone(), now));
                now
            }
        };
        let survey = self.cache.survey().await;
        // A gate that was never opened was never read through: nobody holds a lease on it.
        let waited = gate.epoch == 0 || self.cache.closed_wait(&gate).is_some_and(|wait| wait.is_zero());
        let step = decide(&gate, &survey, waited, since.elapsed());
        self.differs = if matches!(step, Step::Nothing) { 0 } else { self.differs + 1 };
        let settled =
            matches!(step, Step::Open { .. } | Step::Change { previous: None, .. }) || self.differs >= 2;
        if settled && let Err(error) = self.carry_out(&gate, step).await {
            tracing::debug!(error = %error, "the gate could not be moved");
        }
    }

    async fn carry_out(&mut self, gate: &Gate, step: Step) -> Result<(), cartwright_storage::StorageError> {
        match step {
            Step::Nothing => {}
            // Not a fault: it may open again as soon as every lease has run out.
            Step::Close(reason) => close_gate(&*self.store, gate.epoch, Duration::ZERO, reason).await?,
            Step::Open { primary, replicas } => {
                let namespace = format!("{}-{:08x}", gate.epoch + 1, rand::random::<u32>());
                let open = OpenGate { namespace, primary, replicas, previous: None };
                if self.store.open_gate(gate.epoch, &open).await? {
                    tracing::info!(
                        epoch = gate.epoch + 1,
                        replicas = open.replicas.endpoints.len(),
                        "carts are served from the cache"
                    );
                }
            }
            Step::Change { to, previous } => {
                if let Some(open) = gate.open()
                    && self.store.change_replicas(gate.epoch, open, &to, previous.as_ref()).await?
                    && previous.is_some()
                {
                    tracing::info!(replicas = ?to.endpoints, "the replicas that carts are read from have changed");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> ReadSet {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        ReadSet { endpoints: names.clone(), attached: names }
    }

    fn found(primary: &str, replicas: &[&str]) -> Survey {
        Survey::Found { primary: primary.to_owned(), replicas: set(replicas) }
    }

    fn open(primary: &str, replicas: &[&str], previous: Option<&[&str]>) -> Gate {
        Gate {
            epoch: 7,
            state: GateState::Open(OpenGate {
                namespace: "n".to_owned(),
                primary: primary.to_owned(),
                replicas: set(replicas),
                previous: previous.map(set),
            }),
        }
    }

    fn closed(may_open: bool) -> Gate {
        Gate { epoch: 8, state: GateState::Closed { may_open } }
    }

    #[test]
    fn it_opens_only_after_every_lease_has_run_out_and_the_pause_is_over() {
        let step = |may_open, waited| decide(&closed(may_open), &found("a", &["r"]), waited, Duration::ZERO);
        assert_eq!(step(false, true), Step::Nothing);
        assert_eq!(step(true, false), Step::Nothing);
        assert_eq!(step(true, true), Step::Open { primary: "a".to_owned(), replicas: set(&["r"]) });
    }

    #[test]
    fn another_primary_closes_it_and_an_unreachable_one_does_not() {
        assert!(matches!(decide(&open("a", &[], None), &found("b", &[]), true, SET_CHANGE), Step::Close(_)));
        assert_eq!(decide(&open("a", &[], None), &Survey::Unreachable, true, SET_CHANGE), Step::Nothing);
    }

    #[test]
    fn replicas_change_one_step_at_a_time() {
        let two = open("a", &["r", "s"], None);
        let change = decide(&two, &found("a", &["r"]), true, Duration::ZERO);
        assert_eq!(change, Step::Change { to: set(&["r"]), previous: Some(set(&["r", "s"])) });
        let joined = decide(&open("a", &["r"], None), &found("a", &["r", "s"]), true, SET_CHANGE);
        assert_eq!(joined, Step::Close("a replica joined"));
        let changing = open("a", &["r"], Some(&["r", "s"]));
        assert_eq!(decide(&changing, &found("a", &[]), true, Duration::ZERO), Step::Nothing);
        let done = decide(&changing, &found("a", &[]), true, SET_CHANGE);
        assert_eq!(done, Step::Change { to: set(&["r"]), previous: None });
    }
}
