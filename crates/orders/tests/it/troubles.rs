//! Fulfilments that panic or hang, and workers that are killed: who is in one job with such an order does not suffer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cartwright_domain::{Clock, OrderId, OrderStatus, SystemClock};
use cartwright_orders::{NobodyListens, OrderService, Processing, Settings};
use cartwright_storage::{
    Claim, JobFilter, JobName, JobRecord, JobState, JobStore, NewJob, OrderStep, Payload,
};
use chrono::TimeDelta;

use crate::{
    Shop,
    processing::{Told, Works, bought},
};

const BY_HAND: Processing = Processing::Manual { expire_after: None };

fn name(text: &str) -> JobName {
    JobName::new(text).unwrap()
}

/// A shop in which nobody works yet.
async fn idle() -> (Shop, OrderService) {
    let shop = Shop::open().await;
    shop.offer("tea", 100).await;
    let service =
        shop.service(Settings { processing: BY_HAND, ..Settings::default() }, Arc::new(NobodyListens));
    (shop, service)
}

/// One job for all of them.
async fn one_job(jobs: &Arc<dyn JobStore>, orders: &[OrderId]) {
    let payload = Payload::of(&HashMap::from([("orders", orders)])).unwrap();
    let job = NewJob::new(name("orders"), name("orders.process"), payload);
    jobs.enqueue(&[NewJob { max_attempts: 9, ..job }], SystemClock.now()).await.unwrap();
}

/// So many workers get the job, and are killed at it.
async fn killed(jobs: &Arc<dyn JobStore>, times: u16) {
    let mut now = SystemClock.now();
    for _ in 0..times {
        let (worker, queues) = (name("doomed"), [name("orders")]);
        let claim = Claim { worker: &worker, queues: &queues, limit: 1, lease: Duration::from_millis(1) };
        assert_eq!(jobs.claim(&claim, now).await.unwrap().len(), 1);
        now += TimeDelta::milliseconds(2);
        assert_eq!(jobs.take_back(now, 10).await.unwrap().again, 1);
    }
}

async fn listed(jobs: &Arc<dyn JobStore>, state: JobState) -> Vec<JobRecord> {
    let filter = JobFilter { state: Some(state), queue: None, kind: None, before: None, limit: 100 };
    jobs.list_jobs(&filter).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_panic_or_hang_are_tried_alone_and_the_others_once() {
    let (shop, service) = idle().await;
    let buyers = ["ana", "panics-twice", "hangs-once", "bob", "hopeless"];
    let mut ids = Vec::new();
    for who in buyers {
        ids.push(bought(&service, who).await);
    }
    one_job(&shop.jobs(), &ids).await;
    let told = Told::within(Duration::from_millis(300));
    let works = Works::over(shop, service, told);
    for (id, (who, asked)) in ids.iter().zip(buyers.into_iter().zip([1, 3, 2, 1, 1])) {
        let end = if who == "hopeless" { OrderStatus::Failed } else { OrderStatus::Completed };
        works.until(*id, end).await;
        assert_eq!(works.told.asked(*id), asked, "{who}");
    }
    works.worker.shutdown().await;
}

/// Nobody waits for the slowest of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_are_written_as_they_come() {
    let (shop, service) = idle().await;
    let (slow, quick) = (bought(&service, "slow").await, bought(&service, "ana").await);
    one_job(&shop.jobs(), &[slow, quick]).await;
    let works = Works::over(shop, service, Told::default());
    let held = works.told.held.lock().await;
    works.until(quick, OrderStatus::Completed).await;
    works.until(slow, OrderStatus::Processing).await;
    drop(held);
    works.until(slow, OrderStatus::Completed).await;
    works.worker.shutdown().await;
}

/// What would come too late behind slow ones goes to whoever is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_that_would_wait_too_long_get_jobs_of_their_own() {
    let (shop, service) = idle().await;
    let mut ids = Vec::new();
    for _ in 0..16 {
        ids.push(bought(&service, "hangs-once").await);
    }
    ids.push(bought(&service, "ana").await);
    one_job(&shop.jobs(), &ids).await;
    let told = Told::within(Duration::from_millis(300));
    let works = Works::over(shop, service, told);
    for id in &ids {
        works.until(*id, OrderStatus::Completed).await;
    }
    assert_eq!((works.told.asked(ids[0]), works.told.asked(ids[16])), (2, 1));
    works.worker.shutdown().await;
    assert_eq!(listed(&works.jobs, JobState::Done).await.len(), 1 + 17);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_killed_worker_what_was_not_done_goes_alone() {
    let (shop, service) = idle().await;
    let mut ids = Vec::new();
    for who in ["ana", "bob", "eve"] {
        ids.push(bought(&service, who).await);
    }
    let jobs = shop.jobs();
    one_job(&jobs, &ids).await;
    killed(&jobs, 1).await;
    for to in [OrderStatus::Processing, OrderStatus::Completed] {
        let step = OrderStep { id: ids[0], owner: None, to, reason: None };
        service.step(step).await.unwrap();
    }
    let works = Works::over(shop, service, Told::default());
    for id in &ids {
        works.until(*id, OrderStatus::Completed).await;
    }
    let asked: Vec<u32> = ids.iter().map(|id| works.told.asked(*id)).collect();
    assert_eq!(asked, [0, 1, 1]);
    works.worker.shutdown().await;
    assert_eq!(listed(&jobs, JobState::Done).await.len(), 1 + 2);
}

/// Its stock is back, whatever the last attempt died of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_ends_with_its_last_attempt() {
    for (who, kills, asked) in [("panics", 7, 1), ("hangs", 7, 1), ("ana", 8, 0)] {
        let (shop, service) = idle().await;
        let id = bought(&service, who).await;
        let jobs = shop.jobs();
        one_job(&jobs, &[id]).await;
        killed(&jobs, kills).await;
        let told = Told::within(Duration::from_millis(300));
        let works = Works::over(shop, service, told);
        let failed = works.until(id, OrderStatus::Failed).await;
        assert_eq!(failed.steps.last().unwrap().reason.as_deref(), Some("given up after 8 attempts"));
        assert_eq!((works.told.asked(id), works.shop.units("tea").await), (asked, 100), "{who}");
        works.worker.shutdown().await;
        assert_eq!(listed(&jobs, JobState::Dead).await.len(), 1, "somebody should look at it");
    }
}
