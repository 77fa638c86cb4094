use std::sync::{PoisonError, RwLock};

use metrics::Counter;

use crate::{Ask, Decision};

const DECISIONS: &str = "cartwright_limit_decisions_total";
const FORGOTTEN: &str = "cartwright_limit_keys_forgotten_total";
const ALONE: &str = "cartwright_limit_fallbacks_total";

/// Describes the metrics of rate limits to the installed recorder.
pub fn describe_metrics() {
    metrics::describe_counter!(DECISIONS, "Requests that were counted for a key, or refused by it, by group");
    metrics::describe_counter!(FORGOTTEN, "Keys that were forgotten before their time, for lack of room");
    metrics::describe_counter!(ALONE, "Requests that this node counted by itself, as Redis did not answer");
}

/// Counts what limiters decide.
#[derive(Default)]
pub struct Figures {
    /// A program has a handful of groups.
    groups: RwLock<Vec<(&'static str, Outcomes)>>,
}

#[derive(Clone)]
struct Outcomes {
    admitted: Counter,
    refused: Counter,
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figures").finish_non_exhaustive()
    }
}

impl Figures {
    /// Counts what was decided: for each key, that it counted the request, or refused it. One that would have admitted
    /// a request that another refused is not counted.
    pub fn decided(&self, asks: &[Ask], decisions: &[Decision]) {
        let admitted = Decision::admits(decisions);
        for (ask, decision) in asks.iter().zip(decisions) {
            if !admitted && decision.allowed {
                continue;
            }
            let outcomes = self.of(ask.key.group());
            if admitted { outcomes.admitted } else { outcomes.refused }.increment(1);
        }
    }

    /// Counts a request that a node counted by itself, as what the nodes share was out of reach.
    pub fn alone(&self) {
        metrics::counter!(ALONE).increment(1);
    }

    pub(crate) fn forgotten(&self) {
        metrics::counter!(FORGOTTEN).increment(1);
    }

    fn of(&self, group: &'static str) -> Outcomes {
        let find = |groups: &[(&'static str, Outcomes)]| {
            groups.iter().find(|(name, _)| *name == group).map(|(_, outcomes)| outcomes.clone())
        };
        if let Some(known) = find(&self.groups.read().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let outcome = |outcome| metrics::counter!(DECISIONS, "group" => group, "outcome" => outcome);
        let outcomes = Outcomes { admitted: outcome("admitted"), refused: outcome("refused") };
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        if find(&groups).is_none() {
            groups.push((group, outcomes.clone()));
        }
        outcomes
    }
}
