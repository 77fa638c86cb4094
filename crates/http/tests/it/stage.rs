//! A shop whose jobs one would want to look at: several queues, workers and failures, and ten minutes of history.

use std::{sync::Arc, time::Duration};

use cartwright_domain::{Clock, SystemClock};
use cartwright_storage::{
    AttemptEnd, Claim, Claimed, Counted, Enqueued, Finished, Heartbeat, JobCount, JobId, JobName, JobOutcome,
    NewJob, Payload, Progress, Rate, ShopStore, slot_of, span_step,
};
use chrono::TimeDelta;
use serde_json::{Value, json};

pub(crate) const LEASE: Duration = Duration::from_secs(600);

pub(crate) fn name(text: &str) -> JobName {
    JobName::new(text).unwrap()
}

pub(crate) struct Stage(pub(crate) Arc<dyn ShopStore>);

impl Stage {
    pub(crate) async fn put(&self, queue: &str, kind: &str, payload: Value, n: usize) -> Vec<JobId> {
        let job = NewJob::new(name(queue), name(kind), Payload::of(&payload).unwrap());
        let now = SystemClock.now();
        self.0.enqueue(&vec![job; n], now).await.unwrap().into_iter().map(Enqueued::id).collect()
    }

    async fn later(&self, queue: &str, kind: &str, minutes: i64, n: usize) {
        let now = SystemClock.now();
        let job = NewJob::new(name(queue), name(kind), Payload::of(&json!({})).unwrap());
        let job = NewJob { run_at: Some(now + TimeDelta::minutes(minutes)), ..job };
        self.0.enqueue(&vec![job; n], now).await.unwrap();
    }

    pub(crate) async fn claim(&self, worker: &str, queue: &str, limit: u32) -> Vec<Claimed> {
        let claim = Claim { worker: &name(worker), queues: &[name(queue)], limit, lease: LEASE };
        self.0.claim(&claim, SystemClock.now()).await.unwrap()
    }

    pub(crate) async fn end(&self, jobs: &[Claimed], outcome: JobOutcome) {
        let finished: Vec<Finished> =
            jobs.iter().map(|job| Finished { hold: job.hold, outcome: outcome.clone() }).collect();
        let told = self.0.finish(&finished, SystemClock.now()).await.unwrap();
        assert!(told.into_iter().all(|held| held));
    }

    pub(crate) async fn beat(&self, worker: &str, queues: &[&str], jobs: &[(&Claimed, u8, &str)]) {
        let progress = |percent, note: &str| Progress { percent, note: note.to_owned() };
        let jobs: Vec<_> =
            jobs.iter().map(|(job, percent, note)| (job.hold, Some(progress(*percent, note)))).collect();
        let queues: Vec<JobName> = queues.iter().map(|queue| name(queue)).collect();
        let worker = name(worker);
        let beat = Heartbeat { worker: &worker, queues: &queues, concurrency: 16, lease: LEASE, jobs: &jobs };
        // It has been there for a while.
        let first = Heartbeat { jobs: &[], ..beat.clone() };
        self.0.heartbeat(&first, SystemClock.now() - TimeDelta::minutes(197)).await.unwrap();
        self.0.heartbeat(&beat, SystemClock.now()).await.unwrap();
    }

    /// Ten minutes of a queue: so many done in a slot, one of so many failed, and milliseconds waited and taken.
    async fn history(&self, queue: &str, done: u64, fails: u64, wait: f64, run: f64) {
        let now = slot_of(SystemClock.now());
        let mut counts = Vec::new();
        for n in 0..62_i64 {
            let slot = now - TimeDelta::seconds(10 * n);
            // A wave, and a dent in the middle of it.
            let wave = 1.0 + 0.35 * (n as f64 / 7.0).sin() + 0.1 * (n as f64 * 2.3).sin();
            let dent = (20..26).contains(&n);
            let all = (done as f64 * if dent { 0.35 } else { wave }) as u64;
            let failed = if dent { all } else { all / fails.max(1) };
            let mut count = |what, n| counts.push(JobCount { slot, queue: name(queue), what, n });
            count(Counted::Ended(AttemptEnd::Done), all);
            count(Counted::Ended(AttemptEnd::Failed), failed);
            for (share, times) in [(60, 0.8), (30, 1.6), (10, 4.0)] {
                let millis = |millis: f64| span_step(Duration::from_secs_f64(millis * times * wave / 1000.0));
                let slow = if dent { 6.0 } else { 1.0 };
                count(Counted::Waited(millis(wait * slow)), (all * share / 100).max(1));
                count(Counted::Took(millis(run)), (all * share / 100).max(1));
            }
        }
        self.0.add_counts(&counts, now - TimeDelta::hours(1)).await.unwrap();
    }

    /// All of it.
    pub(crate) async fn set(&self) {
        for (queue, done, fails, wait, run) in [
            ("orders", 420, 180, 14.0, 9.0),
            ("webhooks", 160, 30, 45.0, 120.0),
            ("mail", 55, 60, 30.0, 210.0),
            ("maintenance", 2, 1_000, 400.0, 35.0),
        ] {
            self.history(queue, done, fails, wait, run).await;
        }
        let order = json!({"order_id": "01a20257-b44a-7663-a08d-9c9c0c665dcb", "attempted_by": "checkout"});
        self.put("orders", "order.process", order.clone(), 9).await;
        let webhook =
            json!({"event": "order.created", "target": "https://partner.example/hooks", "sequence": 48_211});
        self.put("webhooks", "webhook.deliver", webhook, 14).await;
        self.put("mail", "mail.send", json!({"to": "ana@example.com", "template": "receipt"}), 6).await;
        let done = self.claim("worker-7f3a-19c2", "orders", 4).await;
        self.end(&done, JobOutcome::Done).await;
        let refused = self.claim("worker-7f3a-19c2", "webhooks", 5).await;
        let at = SystemClock.now() + TimeDelta::seconds(95);
        let error = "connect to partner.example:443: connection refused".to_owned();
        self.end(&refused[..2], JobOutcome::Retry { at, error: error.clone() }).await;
        self.end(&refused[2..4], JobOutcome::Dead { error }).await;
        let mail = self.claim("worker-b81d-88e0", "mail", 2).await;
        let error = "550 5.1.1 <ana@example.com>: recipient address rejected: user unknown".to_owned();
        self.end(&mail[..1], JobOutcome::Dead { error }).await;
        let orders = self.claim("worker-7f3a-19c2", "orders", 2).await;
        self.beat(
            "worker-7f3a-19c2",
            &["orders", "webhooks"],
            &[(&orders[0], 70, "payment captured"), (&refused[4], 0, "")],
        )
        .await;
        self.beat("worker-b81d-88e0", &["mail", "maintenance"], &[(&mail[1], 35, "rendering")]).await;
        self.later("maintenance", "statistics.refresh", 1, 1).await;
        self.later("mail", "mail.digest", 240, 12).await;
        self.put("exports", "export.catalogue", json!({"format": "csv", "rows": 125_000}), 3).await;
        let now = SystemClock.now();
        let rate = Rate { per_second: 50.0, burst: 100 };
        self.0.limit_queue(&name("webhooks"), Some(rate), now).await.unwrap();
        self.0.pause_queue(&name("exports"), true).await.unwrap();
    }
}
