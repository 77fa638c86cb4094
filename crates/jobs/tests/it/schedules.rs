use std::{collections::BTreeMap, time::Duration};

use cartwright_jobs::{Schedule, Worker};
use cartwright_storage::{JobFilter, JobName, JobState, Tick};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::sleep;

use crate::kit::{Do, Shop, quick, task, until};

fn every_second() -> Schedule {
    let job = |at: DateTime<Utc>| task(&at.to_rfc3339(), Do::Nothing);
    Schedule::new("second", "* * * * * *", job).unwrap().catching_up(60)
}

fn scheduler(shop: &Shop) -> Worker {
    let builder = Worker::builder(shop.queue.clone(), shop.registry());
    builder.schedules(vec![every_second()]).settings(quick()).start()
}

/// Three schedulers, which are killed and started at random: each second has one run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tick_has_one_run_however_many_schedulers_there_are() {
    let shop = Shop::new().await;
    let mut schedulers = [(); 3].map(|()| scheduler(&shop));
    for n in 0..12_u64 {
        sleep(Duration::from_millis(150 + n * 97 % 400)).await;
        let old = std::mem::replace(&mut schedulers[(n * 7 % 3) as usize], scheduler(&shop));
        drop(old);
    }
    let seen = shop.log.all().len();
    until("it goes on", || shop.log.all().len() > seen + 1).await;
    for scheduler in schedulers {
        scheduler.shutdown().await;
    }
    let filter = JobFilter { limit: 1000, ..JobFilter::default() };
    let jobs = shop.queue.store().list_jobs(&filter).await.unwrap();
    let mut runs: BTreeMap<DateTime<Utc>, u32> = BTreeMap::new();
    for job in &jobs {
        *runs.entry(job.run_at).or_default() += 1;
    }
    assert!(runs.values().all(|n| *n == 1), "one run each: {runs:?}");
    let (first, last) = (runs.keys().next().unwrap(), runs.keys().last().unwrap());
    assert_eq!((*last - *first).num_seconds() + 1, runs.len() as i64, "none is missing: {runs:?}");
    assert!(runs.len() >= 4, "{runs:?}");
}

/// A schedule that is new begins now; one that is not makes up for what was missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_made_up_for() {
    let shop = Shop::new().await;
    let yearly = |catch_up| {
        Schedule::new("yearly", "0 0 1 1 *", |at| task(&at.to_rfc3339(), Do::Nothing))
            .unwrap()
            .catching_up(catch_up)
    };
    let run = async |schedule: Schedule| {
        let builder = Worker::builder(shop.queue.clone(), shop.registry());
        builder.schedules(vec![schedule]).settings(quick()).start()
    };
    let store = shop.queue.store();
    let name = JobName::new("yearly").unwrap();
    let worker = run(yearly(1)).await;
    while store.last_ticks(&[&name]).await.unwrap() == [None] {
        sleep(Duration::from_millis(5)).await;
    }
    worker.shutdown().await;
    assert!(shop.log.all().is_empty(), "nothing was missed");
    let other = Tick {
        schedule: JobName::new("other").unwrap(),
        at: shop.queue.clock().now() - TimeDelta::days(1000),
        job: None,
    };
    store.run_ticks(&[other], shop.queue.clock().now()).await.unwrap();
    let missed = Schedule::new("other", "0 0 1 1 *", |at| task(&at.to_rfc3339(), Do::Nothing)).unwrap();
    let worker = run(missed.catching_up(2)).await;
    until("two are made up for", || shop.log.all().len() == 2).await;
    worker.shutdown().await;
    let filter = JobFilter { limit: 9, state: Some(JobState::Done), ..JobFilter::default() };
    assert_eq!(store.list_jobs(&filter).await.unwrap().len(), 2);
}
