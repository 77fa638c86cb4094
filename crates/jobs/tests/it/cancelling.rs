use std::time::Duration;

use cartwright_storage::{Cancelling, JobState};
use tokio::time::Instant;

use crate::kit::{Do, Shop, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_job_is_cancelled_within_a_second() {
    let shop = Shop::new().await;
    let worker = shop.worker();
    for (name, what) in [("listens", Do::Sleep(60_000)), ("does not", Do::Hang)] {
        let id = shop.put(name, what).await;
        until("it runs", || shop.log.begun(name) == 1).await;
        let begun = Instant::now();
        assert_eq!(shop.queue.cancel(id).await.unwrap(), Cancelling::Requested);
        shop.reaches(id, JobState::Cancelled).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{name}: {:?}", begun.elapsed());
        assert_eq!(shop.log.of(name), (1, 0));
    }
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waits_is_never_begun_when_it_is_cancelled() {
    let shop = Shop::new().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(shop.put(n, Do::Hang).await);
    }
    let waits = shop.put("waits", Do::Nothing).await;
    let worker = shop.worker();
    until("they run", || shop.log.all().len() == 4).await;
    shop.queue.cancel(waits).await.unwrap();
    shop.reaches(waits, JobState::Cancelled).await;
    for id in ids {
        shop.queue.cancel(id).await.unwrap();
        shop.reaches(id, JobState::Cancelled).await;
    }
    let after = shop.put("after", Do::Nothing).await;
    shop.reaches(after, JobState::Done).await;
    assert_eq!(shop.log.begun("waits"), 0);
    worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_while_it_runs() {
    let shop = Shop::new().await;
    let worker = shop.worker();
    let id = shop.put("reports", Do::Report).await;
    let deadline = Instant::now() + crate::kit::PATIENCE;
    let progress = loop {
        if let Some(progress) = shop.record(id).await.progress {
            break progress;
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((progress.percent, progress.note.as_str()), (40, "nearly half"));
    shop.queue.cancel(id).await.unwrap();
    // It ended by itself when it was told to stop: then it is done.
    shop.reaches(id, JobState::Done).await;
    worker.shutdown().await;
}
