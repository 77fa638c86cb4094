use std::{collections::HashSet, time::Duration};

use cartwright_jobs::{Job, JobQueue, Registry, Worker, WorkerSettings};
use cartwright_storage::{Enqueued, JobName, JobState, NewJob};
use chrono::TimeDelta;
use tokio::time::Instant;

use crate::kit::{Do, Shop, Task, quick, task, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_jobs_are_each_done_once() {
    let shop = Shop::new().await;
    let workers = [shop.worker(), shop.worker()];
    let tasks: Vec<Task> = (0..3000).map(|n| task(&n, Do::Nothing)).collect();
    let mut ids = HashSet::new();
    for some in tasks.chunks(500) {
        ids.extend(shop.queue.enqueue_all(some).await.unwrap().into_iter().map(Enqueued::id));
    }
    until("all are done", || shop.log.all().len() == 3000).await;
    for worker in workers {
        worker.shutdown().await;
    }
    assert_eq!(ids.len(), 3000);
    assert!(shop.log.all().values().all(|log| *log == (1, 1)), "once");
    for id in ids {
        assert_eq!(shop.record(id).await.state, JobState::Done);
    }
    assert!(shop.queue.store().workers().await.unwrap().is_empty(), "they said goodbye");
}

/// A worker that has found nothing for long begins what is enqueued in its own process at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_in_the_process_are_not_waited_for() {
    let shop = Shop::new().await;
    let settings = WorkerSettings { poll: Duration::from_secs(3600), ..quick() };
    let worker = Worker::builder(shop.queue.clone(), shop.registry()).settings(settings).start();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for n in 0..20 {
        let begun = Instant::now();
        let id = shop.put(n, Do::Nothing).await;
        shop.reaches(id, JobState::Done).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_job_parks_and_its_queue_flows() {
    let shop = Shop::new().await;
    let worker = shop.worker();
    let poison = [Do::Fail, Do::Panic, Do::FailFatally];
    let mut dead = Vec::new();
    for (n, what) in poison.into_iter().enumerate() {
        dead.push(shop.put(format!("poison {n}"), what).await);
    }
    let once = shop.put("once", Do::FailOnce).await;
    for n in 0..50 {
        let id = shop.put(n, Do::Nothing).await;
        shop.reaches(id, JobState::Done).await;
    }
    for (id, (times, error)) in
        dead.iter().zip([(3, "as it was told"), (3, "it panicked: on purpose"), (1, "for good")])
    {
        shop.reaches(*id, JobState::Dead).await;
        let (_, attempts) = shop.queue.store().job(*id).await.unwrap().unwrap();
        assert_eq!(attempts.len(), times);
        assert!(attempts.iter().all(|attempt| attempt.error == error), "{attempts:?}");
    }
    let done = shop.reaches(once, JobState::Done).await;
    assert_eq!((done.attempt, shop.log.of("once")), (2, (2, 1)));
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_that_cannot_be_read_and_kinds_that_nobody_knows() {
    let shop = Shop::new().await;
    let worker = shop.worker();
    let good = JobQueue::prepare(&task("x", Do::Nothing)).unwrap();
    let payload = cartwright_storage::Payload::of("no task").unwrap();
    let kind = JobName::new("newer").unwrap();
    let jobs = [NewJob { payload, ..good.clone() }, NewJob { kind, ..good }];
    let now = shop.queue.clock().now();
    let made = shop.queue.store().enqueue(&jobs, now).await.unwrap();
    shop.queue.wake();
    shop.reaches(made[0].id(), JobState::Dead).await;
    let unknown = made[1].id();
    loop {
        let record = shop.record(unknown).await;
        if record.run_at > now + TimeDelta::seconds(5) {
            assert_eq!((record.state, record.attempt), (JobState::Queued, 0), "it is left to others");
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_has_failed() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Slow;
    impl Job for Slow {
        const KIND: &'static str = "slow";
        const QUEUE: &'static str = "slow";
        fn policy() -> cartwright_jobs::Policy {
            let timeout = Duration::from_millis(50);
            cartwright_jobs::Policy { max_attempts: 1, timeout, ..Default::default() }
        }
    }
    let shop = Shop::new().await;
    let registry = Registry::new().on(|_: Slow, _| std::future::pending()).unwrap();
    let worker = Worker::builder(shop.queue.clone(), registry).settings(quick()).start();
    let id = shop.queue.enqueue(&Slow).await.unwrap().id();
    shop.reaches(id, JobState::Dead).await;
    let (_, attempts) = shop.queue.store().job(id).await.unwrap().unwrap();
    assert!(attempts[0].error.contains("longer than 50ms"), "{attempts:?}");
    worker.shutdown().await;
}

/// Only so many at a time, and all of them when there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_run_at_a_time_as_may() {
    let shop = Shop::new().await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(shop.put(n, Do::Sleep(150)).await);
    }
    let worker = shop.worker();
    let mut most = 0;
    while shop.log.all().values().filter(|log| log.1 == 1).count() < 12 {
        let running = shop.log.all().values().filter(|log| log.1 == 0).count();
        most = most.max(running);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(most, 4);
    worker.shutdown().await;
}

/// After quick jobs many are claimed in advance. When those that run turn slow, the others go to whoever is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_do_not_wait_behind_slow_ones_while_others_are_idle() {
    let shop = Shop::new().await;
    let quick_ones = (0..3000).map(|n| task(&n, Do::Nothing));
    let slow = (0..4).map(|n| task(&format!("slow {n}"), Do::Report));
    let behind = (0..200).map(|n| task(&format!("behind {n}"), Do::Nothing));
    let tasks: Vec<Task> = quick_ones.chain(slow).chain(behind).collect();
    shop.queue.enqueue_all(&tasks).await.unwrap();
    let first = shop.worker();
    until("it is at the slow ones", || (0..4).all(|n| shop.log.begun(&format!("slow {n}")) == 1)).await;
    let second = shop.worker();
    until("the others are done", || (0..200).all(|n| shop.log.of(&format!("behind {n}")) == (1, 1))).await;
    assert!((0..4).all(|n| shop.log.of(&format!("slow {n}")) == (1, 0)), "while they run");
    first.shutdown().await;
    second.shutdown().await;
}
