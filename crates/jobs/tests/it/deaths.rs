//! Workers that end without a word, and those that are thought dead.

use std::{sync::Arc, time::Duration};

use cartwright_jobs::{Worker, WorkerSettings};
use cartwright_storage::{BatchPolicy, CartStore, CatalogStore, Finished, JobOutcome, JobState};
use cartwright_storage_tests::{BlockingFence, add, details, imported};
use tokio::time::{Instant, sleep, timeout};

use crate::kit::{Do, PATIENCE, Shop, quick, until};

/// Whoever is killed whenever, each job is done, and its end is written once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_killed_workers_are_done_by_others() {
    let shop = Shop::new().await;
    let mut ids = Vec::new();
    for n in 0..300 {
        ids.push(shop.put(n, Do::Sleep(n % 20)).await);
    }
    for n in 0..5 {
        let worker = shop.worker();
        sleep(Duration::from_millis(20 + 17 * n)).await;
        drop(worker);
    }
    let survivor = shop.worker();
    for id in &ids {
        let done = shop.reaches(*id, JobState::Done).await;
        assert!(done.attempt <= 6, "{done:?}");
    }
    survivor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_worker_is_noticed_soon_after_its_lease() {
    let shop = Shop::new().await;
    let id = shop.put("x", Do::Hang).await;
    let doomed = shop.worker();
    until("it runs", || shop.log.begun("x") == 1).await;
    let other = shop.worker();
    let died = Instant::now();
    drop(doomed);
    until("it runs again", || shop.log.begun("x") == 2).await;
    // A lease of a second, and a third of it until somebody looks.
    assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    let (record, attempts) = shop.queue.store().job(id).await.unwrap().unwrap();
    assert_eq!((record.attempt, attempts.len()), (2, 1));
    assert_eq!(attempts[0].error, cartwright_storage::LEASE_LOST);
    shop.queue.cancel(id).await.unwrap();
    shop.reaches(id, JobState::Cancelled).await;
    other.shutdown().await;
}

/// A job that takes its worker down each time is not begun for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_kills_its_workers_becomes_a_dead_letter() {
    let shop = Shop::new().await;
    let id = shop.put("killer", Do::Hang).await;
    for n in 1..=3 {
        let worker = shop.worker();
        until("it runs", || shop.log.begun("killer") == n).await;
        drop(worker);
    }
    let survivor = shop.worker();
    let dead = shop.reaches(id, JobState::Dead).await;
    assert_eq!(dead.attempt, 3);
    survivor.shutdown().await;
}

/// A job that takes longer than its lease stays with its worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_keep_long_jobs() {
    let shop = Shop::new().await;
    let settings = || WorkerSettings { lease: Duration::from_secs(2), ..quick() };
    let worker = || Worker::builder(shop.queue.clone(), shop.registry()).settings(settings()).start();
    let workers = [worker(), worker()];
    let id = shop.put("long", Do::Sleep(5_000)).await;
    let done = shop.reaches(id, JobState::Done).await;
    assert_eq!((done.attempt, shop.log.of("long")), (1, (1, 1)));
    for worker in workers {
        worker.shutdown().await;
    }
}

/// Whoever writes holds up all heartbeats: the job is stopped before others may have it, not when the store answers again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_that_hangs_keeps_no_job() {
    let shop = Shop::new().await;
    let products = [imported("tea", details("tea", 250))];
    shop.store.import_products(&products, shop.queue.clock().now()).await.unwrap();
    let worker = shop.worker();
    let id = shop.put("x", Do::Report).await;
    until("it runs", || shop.log.begun("x") == 1).await;
    let fence = Arc::new(BlockingFence::default());
    let writing = {
        let (store, fence) = (Arc::clone(&shop.store), Arc::clone(&fence));
        let policy = BatchPolicy { clock: Arc::clone(shop.queue.clock()), allow_unlisted: false };
        tokio::spawn(async move { store.execute_batch(&[add("ana", "tea", 1)], &policy, &*fence).await })
    };
    timeout(PATIENCE, fence.reached()).await.unwrap();
    until("it is stopped", || shop.log.of("x") == (1, 1)).await;
    assert!(!writing.is_finished(), "while nothing is written");
    fence.release();
    writing.await.unwrap().unwrap();
    // What it said does not count; it is begun again when the lease has ended.
    until("it runs again", || shop.log.begun("x") == 2).await;
    assert_eq!(shop.record(id).await.attempt, 2);
    worker.shutdown().await;
}

/// Somebody else got the job: the handler is stopped, and what it says does not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_was_lost_is_let_go() {
    let shop = Shop::new().await;
    let settings = WorkerSettings { lease: Duration::from_secs(3), ..quick() };
    let worker = Worker::builder(shop.queue.clone(), shop.registry()).settings(settings).start();
    let id = shop.put("x", Do::Report).await;
    until("it runs", || shop.log.begun("x") == 1).await;
    // As if the lease had ended: by a clock that is a minute ahead.
    let store = shop.queue.store();
    let ahead = shop.queue.clock().now() + chrono::TimeDelta::minutes(1);
    store.pause_queue(&cartwright_storage::JobName::new("tasks").unwrap(), true).await.unwrap();
    assert_eq!(store.take_back(ahead, 10).await.unwrap().again, 1);
    assert_eq!(shop.record(id).await.state, JobState::Queued);
    // It hears of that with the next heartbeat, and says that it is done; which does not count.
    until("it is stopped", || shop.log.of("x") == (1, 1)).await;
    worker.shutdown().await;
    let record = shop.record(id).await;
    assert_eq!((record.state, record.attempt), (JobState::Queued, 1));
    // Nobody can end it by the old claim.
    let hold = cartwright_storage::Hold { id, fence: 1 };
    let late = [Finished { hold, outcome: JobOutcome::Done }];
    assert_eq!(store.finish(&late, ahead).await.unwrap(), [false]);
}
