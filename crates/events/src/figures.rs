use std::time::Duration;

use cartwright_storage::EventFigures;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// Describes the metrics of this crate to the installed recorder.
pub fn describe_metrics() {
    describe_counter!("cartwright_events_numbered_total", "Events that this process gave their numbers");
    describe_gauge!(
        "cartwright_events_waiting_seconds",
        Unit::Seconds,
        "How long the event has waited for its number that has waited longest; 0 when none does"
    );
    describe_gauge!("cartwright_events_last", "Number of the last event");
    describe_gauge!(
        "cartwright_events_unpublished",
        "Events that are numbered and not published yet; only where Redis is configured"
    );
    describe_counter!("cartwright_events_published_total", "Events that this process published");
    describe_counter!(
        "cartwright_events_failures_total",
        "Rounds of numbering or publishing that failed, by step"
    );
    describe_gauge!("cartwright_event_listeners", "Open streams of events");
    describe_counter!("cartwright_webhooks_total", "Attempts to deliver a webhook, by outcome");
    describe_histogram!("cartwright_webhook_seconds", Unit::Seconds, "How long an attempt took");
    describe_histogram!("cartwright_webhook_lag_seconds", Unit::Seconds, "From the event to its delivery");
}

/// Metrics, looked up once.
pub(crate) struct Figures {
    pub(crate) numbered: Counter,
    pub(crate) published: Counter,
    pub(crate) not_numbered: Counter,
    pub(crate) not_published: Counter,
    waiting: Gauge,
    last: Gauge,
    unpublished: Gauge,
    pub(crate) listeners: Gauge,
    pub(crate) attempt: Histogram,
    pub(crate) lag: Histogram,
}

impl Figures {
    pub(crate) fn register() -> Self {
        let failures = |step: &'static str| counter!("cartwright_events_failures_total", "step" => step);
        Self {
            numbered: counter!("cartwright_events_numbered_total"),
            published: counter!("cartwright_events_published_total"),
            not_numbered: failures("number"),
            not_published: failures("publish"),
            waiting: gauge!("cartwright_events_waiting_seconds"),
            last: gauge!("cartwright_events_last"),
            unpublished: gauge!("cartwright_events_unpublished"),
            listeners: gauge!("cartwright_event_listeners"),
            attempt: histogram!("cartwright_webhook_seconds"),
            lag: histogram!("cartwright_webhook_lag_seconds"),
        }
    }

    pub(crate) fn show(&self, figures: &EventFigures, publishes: bool) {
        self.waiting.set(figures.oldest_waiting.map_or(0.0, |waiting| waiting.as_secs_f64()));
        self.last.set(figures.last as f64);
        if publishes {
            self.unpublished.set(figures.last.saturating_sub(figures.published) as f64);
        }
    }

    pub(crate) fn attempted(&self, outcome: &'static str, took: Duration) {
        counter!("cartwright_webhooks_total", "outcome" => outcome).increment(1);
        self.attempt.record(took);
    }
}
