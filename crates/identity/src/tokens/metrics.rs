use chrono::{DateTime, Utc};
use metrics::{Counter, Gauge, Unit};

use super::{Reason, Rejected};

const TOKENS: &str = "cartwright_identity_tokens_total";
const REFRESHES: &str = "cartwright_identity_key_refreshes_total";
const KEYS: &str = "cartwright_identity_keys";
const FETCHED_AT: &str = "cartwright_identity_keys_fetched_timestamp_seconds";

/// Describes the metrics of this crate to the installed recorder.
pub fn describe_metrics() {
    metrics::describe_counter!(
        TOKENS,
        "Tokens by outcome: remembered, accepted (its signature was verified), malformed, no_key, forged, expired, claims, unavailable"
    );
    metrics::describe_counter!(REFRESHES, "Looks for new keys by outcome: changed, unchanged, failed");
    metrics::describe_gauge!(KEYS, "Keys in the last answer that can be used");
    metrics::describe_gauge!(
        FETCHED_AT,
        Unit::Seconds,
        "When the keys were seen last, in seconds since 1970; their age is the time since then"
    );
}

/// Tokens, by what became of them. Those that are accepted are counted on every request, so their counters are kept.
pub(super) struct Tokens {
    remembered: Counter,
    accepted: Counter,
}

impl Tokens {
    pub(super) fn register() -> Self {
        Self {
            remembered: metrics::counter!(TOKENS, "outcome" => "remembered"),
            accepted: metrics::counter!(TOKENS, "outcome" => "accepted"),
        }
    }

    pub(super) fn remembered(&self) {
        self.remembered.increment(1);
    }

    pub(super) fn accepted(&self) {
        self.accepted.increment(1);
    }

    pub(super) fn rejected(reason: Reason) -> Rejected {
        metrics::counter!(TOKENS, "outcome" => reason.outcome()).increment(1);
        Rejected(reason)
    }
}

/// Looks for keys.
pub(super) struct Looks {
    keys: Gauge,
    fetched_at: Gauge,
}

impl Looks {
    pub(super) fn register() -> Self {
        Self { keys: metrics::gauge!(KEYS), fetched_at: metrics::gauge!(FETCHED_AT) }
    }

    pub(super) fn answered(&self, keys: usize, changed: bool, at: DateTime<Utc>) {
        let outcome = if changed { "changed" } else { "unchanged" };
        metrics::counter!(REFRESHES, "outcome" => outcome).increment(1);
        self.keys.set(keys as f64);
        self.fetched_at.set(at.timestamp() as f64);
    }

    pub(super) fn failed() {
        metrics::counter!(REFRESHES, "outcome" => "failed").increment(1);
    }
}
