//! The figures of the caches in the metrics.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use crate::kit::Shop;

/// Remembers the last value of each metric.
#[derive(Debug, Clone, Default)]
struct Last(Arc<Mutex<BTreeMap<String, f64>>>);

struct One(Last, String);

impl One {
    fn set(&self, value: f64) {
        self.0.0.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl CounterFn for One {
    fn increment(&self, _by: u64) {}

    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, _by: f64) {}
    fn decrement(&self, _by: f64) {}

    fn set(&self, value: f64) {
        One::set(self, value);
    }
}

impl Last {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<&str> = key.labels().map(metrics::Label::value).collect();
        Arc::new(One(self.clone(), format!("{} {}", key.name(), labels.join(" "))))
    }
}

impl Recorder for Last {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[actix_web::test]
async fn the_metrics_have_the_figures_of_the_caches() {
    let last = Last::default();
    let shop = Shop::open();
    for _ in 0..3 {
        shop.get("/api/v1/products/sku-1/cached").await;
    }
    let _recorded = metrics::set_default_local_recorder(&last);
    assert_eq!(shop.get("/metrics").await.status, 200);
    let last = last.0.lock().unwrap();
    assert_eq!(last["cartwright_cache_answers_total product l1"], 2.0, "{last:?}");
    assert_eq!(last["cartwright_cache_answers_total product miss"], 1.0);
    assert_eq!(last["cartwright_cache_answers_total search l2"], 0.0);
    assert_eq!(last["cartwright_cache_events_total product evictions"], 0.0);
    assert_eq!(last["cartwright_cache_hears "], 1.0);
}
