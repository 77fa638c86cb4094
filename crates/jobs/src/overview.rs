//! How the jobs are doing, for people: asked often, and counted once a second at most.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use cartwright_domain::Clock;
use cartwright_storage::{
    Attempt, AttemptEnd, Counted, JobCount, JobFilter, JobName, JobRecord, JobState, JobStore, QueueFigures,
    SLOT_SECONDS, StorageError, WorkerRecord, slot_of, span_quantile,
};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::{sync::Mutex, time::Instant};

/// How far back slots are shown.
const SHOWN: u32 = 60;
/// Over how many slots a rate is the mean: a minute.
const RATE: usize = 6;
/// Over how many slots spans of time are put together: five minutes.
const LATENCY: usize = 30;
/// Jobs that run, and jobs that fail: so many are named.
const RUNNING: u32 = 200;
const FAILING: u32 = 20;
/// For how long an overview is good, and how many times as long as it took: a database that has much to count is not asked
/// all the time.
const GOOD: Duration = Duration::from_secs(1);
const GOOD_TIMES: u32 = 10;

/// How the jobs are doing.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When.
    pub at: DateTime<Utc>,
    /// All queues that have jobs, settings, or workers, by name.
    pub queues: Vec<QueueOverview>,
    /// All queues together: rates and spans only.
    pub all: Totals,
    /// The workers that were heard of, by name.
    pub workers: Vec<WorkerRecord>,
    /// Jobs that run, latest first, two hundred at most.
    pub running: Vec<JobRecord>,
    /// Jobs whose last attempt failed, latest first, twenty at most.
    pub failing: Vec<(JobRecord, Attempt)>,
}

/// How a queue is doing.
#[derive(Debug, Clone)]
pub struct QueueOverview {
    /// What there is.
    pub figures: QueueFigures,
    /// Workers that are alive and work on it.
    pub workers: u32,
    /// What was done lately.
    pub totals: Totals,
}

/// What was done lately.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Jobs done in a second, on average over the last minute.
    pub done_per_second: f64,
    /// Attempts that failed in a second, likewise; dead letters among them.
    pub failed_per_second: f64,
    /// How long jobs had been due when they were claimed, over the last five minutes.
    pub wait: Option<Latency>,
    /// How long attempts took, likewise.
    pub run: Option<Latency>,
    /// The last ten minutes, oldest first. The slot that is not over yet is not among them.
    pub slots: Vec<Slot>,
}

/// What most spans of time do not exceed. Right to a fifth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Half of them.
    pub p50: Duration,
    /// All but one in twenty.
    pub p95: Duration,
}

/// What was done in ten seconds.
#[derive(Debug, Clone, Default)]
pub struct Slot {
    /// When they began.
    pub at: DateTime<Utc>,
    /// Jobs that were done.
    pub done: u64,
    /// Attempts that failed, dead letters among them.
    pub failed: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long jobs had waited.
    pub wait: Option<Latency>,
    /// How long attempts took.
    pub run: Option<Latency>,
}

/// The last overview, and until when it is good.
type Last = Option<(Instant, Arc<Overview>)>;

/// Has an overview made for all who want one at the same time.
#[derive(Debug, Default)]
pub(crate) struct Overviews(Mutex<Last>);

impl Overviews {
    /// One that is not old. Whoever comes while one is made waits for it.
    pub(crate) async fn get(
        &self,
        store: &dyn JobStore,
        clock: &dyn Clock,
    ) -> Result<Arc<Overview>, StorageError> {
        let mut last = self.0.lock().await;
        let asked = Instant::now();
        if let Some((until, overview)) = &*last
            && asked < *until
        {
            return Ok(Arc::clone(overview));
        }
        let overview = Arc::new(Overview::load(store, clock.now()).await?);
        let good = GOOD.max(asked.elapsed() * GOOD_TIMES);
        *last = Some((Instant::now() + good, Arc::clone(&overview)));
        Ok(overview)
    }

    /// Something was changed by who will look at once.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

impl Overview {
    async fn load(store: &dyn JobStore, at: DateTime<Utc>) -> Result<Self, StorageError> {
        let first = slot_of(at) - TimeDelta::seconds(i64::from(SLOT_SECONDS * SHOWN));
        let running = JobFilter { state: Some(JobState::Running), limit: RUNNING, ..JobFilter::default() };
        let (figures, workers, running, failing, counts) = tokio::try_join!(
            store.queue_figures(at),
            store.workers(),
            store.list_jobs(&running),
            store.failing_jobs(None, FAILING),
            store.counts_since(first),
        )?;
        let mut counted: HashMap<&JobName, Vec<&JobCount>> = HashMap::new();
        for count in &counts {
            counted.entry(&count.queue).or_default().push(count);
        }
        let mut queues: BTreeMap<JobName, QueueFigures> =
            figures.into_iter().map(|figures| (figures.queue.clone(), figures)).collect();
        let worked_on = workers.iter().filter(|worker| worker.alive_until > at);
        let worked_on =
            worked_on.flat_map(|worker| &worker.queues).filter_map(|queue| JobName::new(queue).ok());
        for queue in worked_on.chain(counts.iter().map(|count| count.queue.clone())) {
            queues.entry(queue.clone()).or_insert_with(|| QueueFigures::of_none(queue));
        }
        let queue = |(name, figures): (JobName, QueueFigures)| QueueOverview {
            workers: alive_on(&workers, &name, at),
            totals: Totals::of(counted.get(&name).map_or(&[], Vec::as_slice), first),
            figures,
        };
        let queues = queues.into_iter().map(queue).collect();
        let all = Totals::of(&counts.iter().collect::<Vec<_>>(), first);
        Ok(Self { at, queues, all, workers, running, failing })
    }
}

fn alive_on(workers: &[WorkerRecord], queue: &JobName, at: DateTime<Utc>) -> u32 {
    let works = |worker: &&WorkerRecord| {
        worker.alive_until > at && worker.queues.iter().any(|name| name == queue.as_str())
    };
    u32::try_from(workers.iter().filter(works).count()).unwrap_or(u32::MAX)
}

impl Totals {
    /// Of what was counted since the first slot that is shown.
    fn of(counts: &[&JobCount], first: DateTime<Utc>) -> Self {
        let mut by_slot: Vec<Vec<&JobCount>> = vec![Vec::new(); SHOWN as usize];
        for count in counts {
            let at = (count.slot - first).num_seconds() / i64::from(SLOT_SECONDS);
            // Behind them is the slot that is not over.
            if let Some(slot) = usize::try_from(at).ok().and_then(|at| by_slot.get_mut(at)) {
                slot.push(count);
            }
        }
        let times = (0..).map(|n| first + TimeDelta::seconds(i64::from(SLOT_SECONDS) * n));
        let slots: Vec<Slot> = by_slot.iter().zip(times).map(|(counts, at)| Slot::of(counts, at)).collect();
        let last = |n: usize| by_slot.len().saturating_sub(n);
        let lately: Vec<&JobCount> = by_slot.iter().skip(last(LATENCY)).flatten().copied().collect();
        let seconds = f64::from(SLOT_SECONDS) * RATE as f64;
        let rate = |of: fn(&Slot) -> u64| slots.iter().skip(last(RATE)).map(of).sum::<u64>() as f64 / seconds;
        Self {
            done_per_second: rate(|slot| slot.done),
            failed_per_second: rate(|slot| slot.failed),
            wait: Latency::of(&lately, waited),
            run: Latency::of(&lately, took),
            slots,
        }
    }
}

impl Slot {
    fn of(counts: &[&JobCount], at: DateTime<Utc>) -> Self {
        let sum = |ends: &[AttemptEnd]| {
            let of = counts.iter().filter(|count| ends.iter().any(|end| count.what == Counted::Ended(*end)));
            of.map(|count| count.n).sum()
        };
        Self {
            at,
            done: sum(&[AttemptEnd::Done]),
            failed: sum(&[AttemptEnd::Failed, AttemptEnd::Dead]),
            dead: sum(&[AttemptEnd::Dead]),
            wait: Latency::of(counts, waited),
            run: Latency::of(counts, took),
        }
    }
}

fn waited(what: Counted) -> Option<u8> {
    if let Counted::Waited(step) = what { Some(step) } else { None }
}

fn took(what: Counted) -> Option<u8> {
    if let Counted::Took(step) = what { Some(step) } else { None }
}

impl Latency {
    fn of(counts: &[&JobCount], of: fn(Counted) -> Option<u8>) -> Option<Self> {
        let mut steps: BTreeMap<u8, u64> = BTreeMap::new();
        for count in counts {
            if let Some(step) = of(count.what) {
                *steps.entry(step).or_default() += count.n;
            }
        }
        let steps: Vec<(u8, u64)> = steps.into_iter().collect();
        Some(Self { p50: span_quantile(&steps, 0.5)?, p95: span_quantile(&steps, 0.95)? })
    }
}

#[cfg(test)]
mod tests {
    use cartwright_storage::span_step;

    use super::*;

    fn count(slot: DateTime<Utc>, what: Counted, n: u64) -> JobCount {
        JobCount { slot, queue: JobName::new("q").unwrap(), what, n }
    }

    #[test]
    fn rates_are_of_the_last_whole_minute() {
        let first = slot_of("2026-01-02T03:00:00Z".parse().unwrap());
        let slot = |n: i64| first + TimeDelta::seconds(10 * n);
        let done = Counted::Ended(AttemptEnd::Done);
        let millis = |millis| Counted::Took(span_step(Duration::from_millis(millis)));
        let counts = [
            count(slot(0), done, 1000),
            count(slot(54), done, 60),
            count(slot(59), done, 120),
            count(slot(59), Counted::Ended(AttemptEnd::Failed), 3),
            count(slot(59), Counted::Ended(AttemptEnd::Dead), 3),
            count(slot(59), Counted::Ended(AttemptEnd::Cancelled), 30),
            // Not over yet.
            count(slot(60), done, 9999),
            count(slot(29), millis(100_000), 500),
            count(slot(59), millis(100), 90),
            count(slot(40), millis(1_000), 10),
        ];
        let totals = Totals::of(&counts.iter().collect::<Vec<_>>(), first);
        assert_eq!((totals.done_per_second, totals.failed_per_second), (3.0, 0.1));
        assert_eq!((totals.slots.len(), totals.slots[0].done, totals.slots[59].at), (60, 1000, slot(59)));
        assert_eq!((totals.slots[59].failed, totals.slots[59].dead), (6, 3));
        let run = totals.run.unwrap();
        assert!((0.08..0.12).contains(&run.p50.as_secs_f64()), "{run:?}");
        assert!((0.7..1.2).contains(&run.p95.as_secs_f64()), "{run:?}");
        assert_eq!(totals.wait, None);
    }
}
