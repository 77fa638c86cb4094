use std::time::Duration;

use cartwright_storage::JobState;
use tokio::time::Instant;

use crate::kit::{Do, Shop, until};

/// What runs may end; what was not begun is given back, and was not tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_loses_nothing() {
    let shop = Shop::new().await;
    let mut ids = Vec::new();
    for n in 0..100 {
        ids.push(shop.put(n, Do::Sleep(30)).await);
    }
    let mut rounds = 0;
    loop {
        let worker = shop.worker();
        let before = shop.log.all().len();
        until("some are begun", || shop.log.all().len() > before || before == 100).await;
        worker.shutdown().await;
        rounds += 1;
        for id in &ids {
            let record = shop.record(*id).await;
            assert!(matches!(record.state, JobState::Done | JobState::Queued), "{record:?}");
            assert!(record.attempt <= 1, "{record:?}");
        }
        if before == 100 {
            break;
        }
    }
    assert!(rounds > 1);
    assert!(shop.log.all().values().all(|log| *log == (1, 1)), "each once: {:?}", shop.log.all());
}

/// What does not end in time is stopped and given back, and was not tried either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_has_an_end() {
    let shop = Shop::new().await;
    let worker = shop.worker();
    let ids = [shop.put("hangs", Do::Hang).await, shop.put("sleeps", Do::Sleep(60_000)).await];
    until("they run", || shop.log.all().len() == 2).await;
    let begun = Instant::now();
    worker.shutdown().await;
    // Patience of 0.3 s, and as long to stop.
    let took = begun.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_secs(4)).contains(&took), "{took:?}");
    for id in ids {
        let record = shop.record(id).await;
        assert_eq!((record.state, record.attempt), (JobState::Queued, 0));
        assert!(record.run_at <= record.created_at, "its place is still its own");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_work_ends_at_once() {
    let shop = Shop::new().await;
    let worker = shop.worker();
    let begun = Instant::now();
    worker.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
