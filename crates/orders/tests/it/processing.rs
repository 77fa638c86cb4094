//! What jobs make of orders, with a real worker.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cartwright_domain::{Order, OrderId, OrderStatus, Purchase, Quantity};
use cartwright_jobs::{JobQueue, Registry, Worker, WorkerSettings};
use cartwright_orders::{
    Fulfilment, NobodyListens, NotFulfilled, OrderProgress, OrderService, OrderState, OrdersError,
    Processing, Settings, handlers,
};
use cartwright_storage::{JobFilter, JobName, JobState, JobStore};
use cartwright_storage_tests::{owner, product};
use tokio::time::{Instant, sleep, timeout};

use crate::Shop;

const PATIENCE: Duration = Duration::from_secs(60);
const AT_ONCE: Processing = Processing::Automatic { after: Duration::ZERO };

/// Does what it is told for each buyer, and counts how often it is asked.
#[derive(Default)]
pub(crate) struct Told {
    asked: Mutex<HashMap<OrderId, u32>>,
    /// Held up by the test as long as it holds the lock.
    pub(crate) held: tokio::sync::Mutex<()>,
    /// How long it may take for an order.
    limit: Option<Duration>,
}

impl Told {
    pub(crate) fn within(limit: Duration) -> Self {
        Self { limit: Some(limit), ..Self::default() }
    }

    pub(crate) fn asked(&self, id: OrderId) -> u32 {
        self.asked.lock().unwrap().get(&id).copied().unwrap_or_default()
    }
}

struct Fulfils(Arc<Told>);

#[async_trait]
impl Fulfilment for Fulfils {
    async fn fulfil(&self, order: &Order, progress: &OrderProgress) -> Result<(), NotFulfilled> {
        let asked = {
            let mut asked = self.0.asked.lock().unwrap();
            let asked = asked.entry(order.id).or_default();
            *asked += 1;
            *asked
        };
        match order.owner.as_str() {
            "unlucky" if asked < 3 => Err(NotFulfilled::Later("the carrier is on strike".into())),
            "hopeless" => Err(NotFulfilled::Never("there is no such street".to_owned())),
            "panics" => panic!("on purpose"),
            "panics-twice" if asked < 3 => panic!("on purpose"),
            "hangs" => std::future::pending().await,
            "hangs-once" if asked < 2 => std::future::pending().await,
            "slow" => {
                progress.tell(40, "packed").await;
                let _held = self.0.held.lock().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn time_limit(&self) -> Duration {
        self.0.limit.unwrap_or(PATIENCE)
    }
}

pub(crate) async fn bought(service: &OrderService, who: &str) -> OrderId {
    let purchase = Purchase::of_lines([(product("tea"), Quantity::new(2).unwrap())]).unwrap();
    service.buy(owner(who), purchase, None, None).await.unwrap().0.id
}

pub(crate) struct Works {
    pub(crate) shop: Shop,
    service: OrderService,
    pub(crate) told: Arc<Told>,
    pub(crate) jobs: Arc<dyn JobStore>,
    pub(crate) worker: Worker,
}

impl Works {
    async fn start(processing: Processing) -> Self {
        let shop = Shop::open().await;
        shop.offer("tea", 100).await;
        let service = shop.service(Settings { processing, ..Settings::default() }, Arc::new(NobodyListens));
        Self::over(shop, service, Told::default())
    }

    /// Begins to work on what there is.
    pub(crate) fn over(shop: Shop, service: OrderService, told: Told) -> Self {
        let (told, jobs) = (Arc::new(told), shop.jobs());
        let queue = JobQueue::new(Arc::clone(&jobs));
        let fulfils = Arc::new(Fulfils(Arc::clone(&told)));
        let registry = handlers(Registry::new(), &service, &queue, fulfils).unwrap();
        let settings = WorkerSettings { poll: Duration::from_millis(20), ..WorkerSettings::default() };
        let worker = Worker::builder(queue, registry).settings(settings).start();
        Self { shop, service, told, jobs, worker }
    }

    async fn buy(&self, who: &str) -> OrderId {
        bought(&self.service, who).await
    }

    pub(crate) async fn until(&self, id: OrderId, status: OrderStatus) -> OrderState {
        let reached = async {
            loop {
                let state = self.service.progress(id, None).await.unwrap();
                if state.order.status == status {
                    return state;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap()
    }

    /// How the order went.
    async fn ended(&self, id: OrderId, status: OrderStatus) -> Vec<OrderStatus> {
        self.until(id, status).await.steps.iter().map(|step| step.to).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_processed_by_jobs_each_once() {
    use OrderStatus::{Completed, Failed, Pending, Processing};
    let works = Works::start(AT_ONCE).await;
    // Together, so that some share a job: what fails is then tried by itself.
    let buyers = ["ana", "unlucky", "hopeless", "bob", "unlucky", "eve"];
    let ids = futures_util::future::join_all(buyers.map(|who| works.buy(who))).await;
    for (id, who) in ids.iter().zip(buyers) {
        let (end, asked) = match who {
            "hopeless" => (Failed, 1),
            "unlucky" => (Completed, 3),
            _ => (Completed, 1),
        };
        assert_eq!(works.ended(*id, end).await, [Pending, Processing, end], "{who}");
        assert_eq!(works.told.asked(*id), asked, "{who}");
    }
    let failed = works.service.progress(ids[2], None).await.unwrap();
    assert_eq!(failed.steps.last().unwrap().reason.as_deref(), Some("there is no such street"));
    assert_eq!((failed.percent(), works.shop.units("tea").await), (None, 100 - 5 * 2));
    works.worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_an_order_is_can_be_asked_and_it_can_be_cancelled_meanwhile() {
    let works = Works::start(AT_ONCE).await;
    let held = works.told.held.lock().await;
    let id = works.buy("slow").await;
    let noted = async {
        loop {
            let state = works.service.progress(id, None).await.unwrap();
            if let (Some(40), Some(note)) = (state.percent(), &state.noted) {
                return note.note.clone();
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert_eq!(timeout(PATIENCE, noted).await.unwrap(), "packed");
    works.service.cancel(id, None, Some("too slow".to_owned())).await.unwrap();
    assert_eq!(works.shop.units("tea").await, 100);
    drop(held);
    // The job ends, and does not complete what was cancelled.
    let begun = Instant::now();
    loop {
        let filter =
            JobFilter { state: Some(JobState::Done), queue: None, kind: None, before: None, limit: 10 };
        if !works.jobs.list_jobs(&filter).await.unwrap().is_empty() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the job ends");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(works.service.order(id, None).await.unwrap().status, OrderStatus::Cancelled);
    assert_eq!(works.shop.units("tea").await, 100);
    works.worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_changes_his_mind_in_time_is_not_served() {
    let works = Works::start(Processing::Automatic { after: Duration::from_secs(1) }).await;
    let (kept, regretted) = (works.buy("ana").await, works.buy("bob").await);
    works.service.cancel(regretted, Some(owner("bob")), None).await.unwrap();
    assert_eq!(works.service.order(kept, None).await.unwrap().status, OrderStatus::Pending, "not yet");
    works.until(kept, OrderStatus::Completed).await;
    works.until(regretted, OrderStatus::Cancelled).await;
    assert_eq!((works.told.asked(kept), works.told.asked(regretted)), (1, 0));
    works.worker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_goes_on_with_expires() {
    let after = Duration::from_secs(1);
    let works = Works::start(Processing::Manual { expire_after: Some(after) }).await;
    let (begun, left) = (works.buy("ana").await, works.buy("bob").await);
    let step =
        cartwright_storage::OrderStep { id: begun, owner: None, to: OrderStatus::Processing, reason: None };
    works.service.step(step).await.unwrap();
    let expired = works.until(left, OrderStatus::Expired).await;
    assert_eq!(expired.steps.last().unwrap().reason.as_deref(), Some("nobody went on with it in time"));
    works.until(begun, OrderStatus::Processing).await;
    assert_eq!((works.shop.units("tea").await, works.told.asked(begun)), (98, 0));
    let late = works.service.cancel(left, None, None).await.unwrap_err();
    assert!(matches!(late, OrdersError::Forbidden(order) if order.status == OrderStatus::Expired));
    // Nothing waits where nothing is to be done.
    let idle = Works::start(Processing::Manual { expire_after: None }).await;
    idle.buy("ana").await;
    let queue = Some(JobName::new("orders").unwrap());
    let filter = JobFilter { queue, state: None, kind: None, before: None, limit: 10 };
    assert!(idle.jobs.list_jobs(&filter).await.unwrap().is_empty());
    for works in [works, idle] {
        works.worker.shutdown().await;
    }
}
